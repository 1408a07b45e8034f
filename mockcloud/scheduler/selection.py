"""The choice of hosts: candidates, filters, weights, claim. Knows no dialect: it is told a spec and answers hosts."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockcloud.claims import Candidates, Claims, PlacementFailed
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.scheduler.filters import Rejection, apply, enabled_filters
from mockcloud.scheduler.hosts import HostState, read_hosts
from mockcloud.scheduler.resources import amounts, candidates_query
from mockcloud.scheduler.spec import RequestSpec
from mockcloud.scheduler.weights import in_order_of_choice, weigh
from mockcloud.settings import Settings
from mockcloud.trace import note, noting

LOG = logging.getLogger(__name__)


class NoValidHost(Exception):
    """nova's sentence; `rejections` say why."""

    def __init__(self, reason: str = "There are not enough hosts available.", rejections: tuple[Rejection, ...] = ()) -> None:
        super().__init__(f"No valid host was found. {reason}")
        self.rejections = rejections


@dataclass(frozen=True, slots=True)
class Selection:
    """One host that will do for one server; of the first in a list the room is claimed."""

    host: str
    node: str
    compute_node: str  # its uuid, also the resource provider's
    allocation_request: Mapping[str, Any]
    zone: str | None = None  # that an aggregate gives it


@dataclass(slots=True)
class Selections:
    """By server: its host and the alternates, or why there is none."""

    chosen: dict[str, list[Selection]] = field(default_factory=dict)
    refused: dict[str, NoValidHost] = field(default_factory=dict)


class Selector:
    def __init__(self, db: Database, claims: Claims, settings: Settings, clock: Clock) -> None:
        self._db, self._claims, self._settings, self._clock = db, claims, settings, clock
        self._filters = enabled_filters(settings)
        self._rng = random.Random(settings.seed)

    async def select(
        self, ctx: RequestContext, spec: RequestSpec, *, alternates: int = 0, reserved: Mapping[str, Any] | None = None
    ) -> Selections:
        """Hosts for every server of the spec, their room claimed. Servers beyond the room are refused, the others keep theirs.

        `reserved` is a moving server's room on its old host: it is kept, and the new room claimed beside it.
        """
        try:
            hosts, rejections = await self._candidates(ctx, spec)
        except NoValidHost as none:
            return Selections(refused=dict.fromkeys(spec.instance_uuids, none))
        outcome = Selections()
        winners: dict[str, HostState] = {}
        for uuid in spec.instance_uuids:
            spec.instance_uuid = uuid
            found = await self._place(ctx, spec, hosts, reserved)
            if isinstance(found, HostState):
                winners[uuid] = found
            else:
                outcome.refused[uuid] = NoValidHost(rejections=(*rejections, *found))
        others = self._sorted(spec, hosts)[0] if alternates and winners else []
        spare = [host for host in others if host not in winners.values()][:alternates]
        outcome.chosen = {uuid: [_selection(host) for host in (winner, *spare)] for uuid, winner in winners.items()}
        _explain(outcome)
        return outcome

    async def _candidates(self, ctx: RequestContext, spec: RequestSpec) -> tuple[list[HostState], list[Rejection]]:
        """Hosts that placement offers, with its numbers; the others rejected with the reason that can be seen from here."""
        asked = spec.hinted_servers("same_host") | spec.hinted_servers("different_host")
        members = spec.group.members if spec.group else frozenset()
        with self._db.transaction() as tx:
            hosts = read_hosts(tx, self._clock.now(), self._settings.service_down_time, asked | members)
        try:
            offered = await self._claims.candidates(ctx, candidates_query(spec, _only_node(spec, hosts)))
        except PlacementFailed as error:
            LOG.error("no allocation candidates: %s", error)
            raise NoValidHost("", (Rejection("*", "placement", str(error)),)) from error
        return _offered(hosts, offered, amounts(spec.flavor, spec.boots_from_volume))

    async def _place(
        self, ctx: RequestContext, spec: RequestSpec, hosts: list[HostState], reserved: Mapping[str, Any] | None
    ) -> HostState | list[Rejection]:
        """The best host whose room could be claimed, or why none."""
        wanted = amounts(spec.flavor, spec.boots_from_volume)
        best, rejections = self._sorted(spec, hosts)
        for host in best:
            if host.fits(wanted) and await self._claim(ctx, spec, host, reserved):
                host.take(spec, wanted)
                note("selected", instance_uuid=spec.instance_uuid, host=host.host, node=host.node)
                return host
            rejections.append(Rejection(host.host, "placement", "its room was taken meanwhile"))
        return rejections

    def _sorted(self, spec: RequestSpec, hosts: list[HostState]) -> tuple[list[HostState], list[Rejection]]:
        passed, rejections = apply(self._filters, hosts, spec, self._settings)
        weighed = in_order_of_choice(weigh(passed, spec, self._settings), self._settings, self._rng)
        LOG.debug("weighed %s", [(one.host.host, round(one.weight, 3)) for one in weighed[:10]])
        if noting():
            note("filtered", begun_with=len(hosts), left=_left(len(hosts), self._filters, rejections))
            note("weighed", hosts=[(one.host.host, one.host.node, one.weight) for one in weighed])
        return [one.host for one in weighed], rejections

    async def _claim(self, ctx: RequestContext, spec: RequestSpec, host: HostState, reserved: Mapping[str, Any] | None) -> bool:
        allocations = host.allocation_requests[0]["allocations"]
        who = (spec.project_id, spec.user_id)
        if reserved is None:
            return await self._claims.claim(ctx, spec.instance_uuid, allocations, *who)
        return await self._claims.replace(ctx, spec.instance_uuid, together(reserved, allocations), *who)


def _left(hosts: int, filters: Iterable[str], rejections: list[Rejection]) -> dict[str, int]:
    """How many hosts each filter has left over, up to the first that leaves none. What no filter rejected is not among them."""
    by_filter = Counter(rejection.filter for rejection in rejections)
    left = hosts - sum(count for name, count in by_filter.items() if name not in set(filters))
    found: dict[str, int] = {}
    for name in filters:
        left -= by_filter[name]
        found[name] = left
        if not left:
            break
    return found


def together(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Allocations of several origins as one: on the same provider they add up."""
    total: dict[str, Any] = {}
    for part in parts:
        for provider, allocation in part.items():
            resources = total.setdefault(provider, {"resources": {}})["resources"]
            for name, amount in allocation["resources"].items():
                resources[name] = resources.get(name, 0) + amount
    return total


def _only_node(spec: RequestSpec, hosts: list[HostState]) -> str | None:
    """The one node that the request names, so that placement looks at no other; a name that nobody has is refused."""
    host, node = spec.destination or ("", "")
    host = host or (spec.force_hosts[0] if spec.force_hosts else "")
    node = node or (spec.force_nodes[0] if spec.force_nodes else "")
    if not host and not node:
        return None
    named = [one for one in hosts if host.lower() in ("", one.host.lower()) and node in ("", one.node)]
    if not named:
        raise NoValidHost(f"No such host - host: {host or None} node: {node or None} ")
    several = len(spec.force_hosts) > 1 or len(spec.force_nodes) > 1
    return named[0].uuid if len(named) == 1 and not several else None


def _offered(hosts: list[HostState], offered: Candidates, wanted: Mapping[str, int]) -> tuple[list[HostState], list[Rejection]]:
    able, rejections = [], []
    for host in hosts:
        requests = offered.requests.get(host.uuid)
        if not requests:
            rejections.append(Rejection(host.host, "placement", _why_not_offered(host, wanted)))
            continue
        host.allocation_requests = requests
        host.use_summary(offered.summaries[host.uuid])
        able.append(host)
    return able, rejections


def _why_not_offered(host: HostState, wanted: Mapping[str, int]) -> str:
    if host.disabled:
        return f"the compute service is disabled, reason: {host.disabled_reason}"
    free = {
        "VCPU": int(host.vcpus_total * host.cpu_allocation_ratio) - host.vcpus_used,
        "MEMORY_MB": int(host.memory_mb * host.ram_allocation_ratio) - (host.memory_mb - host.free_ram_mb),
        "DISK_GB": int(host.local_gb * host.disk_allocation_ratio) - (host.local_gb - host.free_disk_gb),
    }
    short = [f"{name} {wanted[name]} asked, {free[name]} free" for name in free if wanted.get(name, 0) > free[name]]
    return "; ".join(short) or "placement does not offer it"


def _selection(host: HostState) -> Selection:
    return Selection(host.host, host.node, host.uuid, host.allocation_requests[0], host.zone("") or None)


def _explain(outcome: Selections) -> None:
    for uuid, winners in outcome.chosen.items():
        LOG.info("server %s goes to %s", uuid, winners[0].host)
    for uuid, refused in outcome.refused.items():
        LOG.info("server %s: %s %s", uuid, refused, "; ".join(map(str, refused.rejections)))
