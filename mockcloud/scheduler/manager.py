"""nova-scheduler: takes requests from the queue `scheduler`, chooses hosts, claims their room, launches on them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mockcloud.bus.base import Incoming
from mockcloud.claims import Claims
from mockcloud.component import Component
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row
from mockcloud.notifications.scheduling import SchedulingNotifier
from mockcloud.notifications.servers import ServerNotifier
from mockcloud.nova.records import heartbeat, to_message
from mockcloud.scheduler import rows
from mockcloud.scheduler.destinations import Destinations
from mockcloud.scheduler.resize import Resizes
from mockcloud.scheduler.retries import MaxRetriesExceeded, attempt, with_attempt
from mockcloud.scheduler.selection import Selections, Selector
from mockcloud.scheduler.spec import RequestSpec, from_message
from mockcloud.trace import step
from mockcloud.turns import Turns

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Launch:
    """One request on its way through steps 9 to 12."""

    spec: RequestSpec
    message: Mapping[str, Any]  # the arguments, for the computes
    began: datetime
    again: bool  # delivered before, or sent back by a compute
    servers: dict[str, Row] = field(default_factory=dict)  # their rows, as far as they are not deleted

    @property
    def turn(self) -> str:
        """Requests with the same one wait for each other."""
        return self.spec.hint("group") or self.spec.instance_uuids[0]

    @property
    def filter_properties(self) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self.message["filter_properties"]
        return properties


class LaunchLost(Exception):
    """The request to the compute was not sent: nobody would ever end the launch."""


class SchedulerManager:
    """The endpoint of topic `scheduler`: `run_instance` is classic's, `select_destinations` is that of cells_v2. `tasks` run beside it."""

    def __init__(self, component: Component, db: Database) -> None:
        self._component, self._db = component, db
        self._settings, self._clock = component.settings, component.clock
        about = (component.bus, component.clock, component.settings)
        self._choices = SchedulingNotifier(*about, component.host)
        self._servers = ServerNotifier(*about, "scheduler", component.host)
        self._claims = Claims(component.clients)
        self._selector = Selector(db, self._claims, component.settings, component.clock)
        self._turns = Turns()
        self._resizes = Resizes(component, db, self._claims, self._selector)
        destinations = Destinations(component, db, self._claims, self._selector, self._turns)
        self.select_destinations = destinations.select_destinations
        self.tasks: list[Callable[[], Awaitable[None]]] = [self._report_state]

    async def run_instance(
        self,
        ctx: RequestContext,
        incoming: Incoming,
        request_spec: dict[str, Any],
        admin_password: str | None = None,
        injected_files: list[Any] | None = None,
        requested_networks: Any = None,
        is_first_time: bool = True,
        filter_properties: dict[str, Any] | None = None,
    ) -> None:
        """Steps 9 to 12: from the scheduler's queue to the computes' queues."""
        message = {
            "request_spec": request_spec,
            "filter_properties": filter_properties or {},
            "requested_networks": requested_networks,
            "injected_files": injected_files,
            "admin_password": admin_password,
            "is_first_time": is_first_time,
        }
        began, uuids = self._clock.now(), request_spec["instance_uuids"]
        try:
            launch = await self._take_request(ctx, incoming, message)
            await self._choices.choosing(ctx, "run_instance.start", request_spec)
            async with self._turns.of(launch.turn):
                selections = await self._find_hosts(ctx, launch)
                await self._return_hosts(ctx, incoming, launch, selections)
        except Exception as error:
            LOG.exception("scheduling of %s failed", ", ".join(uuids))
            await self._give_up(ctx, uuids, error, began)
            await incoming.reply(self._instances(uuids))
            return
        for uuid, (host, node) in _places(launch, selections).items():
            try:
                if not await self._launch(ctx, launch, uuid, host, node):
                    raise LaunchLost
            except Exception as error:
                LOG.exception("the launch of %s on %s failed", uuid, host)
                await self._give_up(ctx, [uuid], error, began)

    @step(9)
    async def _take_request(self, ctx: RequestContext, incoming: Incoming, message: Mapping[str, Any]) -> Launch:
        """nova-scheduler picks the request from the queue."""
        spec = from_message(message["request_spec"], message["filter_properties"])
        again = incoming.redelivered or not message["is_first_time"]
        return Launch(spec, message, self._clock.now(), again)

    @step(10)
    async def _find_hosts(self, ctx: RequestContext, launch: Launch) -> Selections:
        """It reads the database, filters and weighs the hosts, and claims room on the best."""
        spec = launch.spec
        with self._db.transaction() as tx:
            launch.servers = rows.read_servers(tx, spec.instance_uuids)
            spec.group = rows.read_group(tx, spec.instance_uuids[0], spec.hint("group"))
        spec.instance_uuids = tuple(uuid for uuid, row in launch.servers.items() if _waits(row))
        if launch.again:  # what an earlier delivery or attempt claimed
            for uuid in spec.instance_uuids:
                await self._claims.release(ctx, uuid)
        if attempt(launch.filter_properties) > self._settings.max_attempts:
            return Selections(refused={uuid: MaxRetriesExceeded(uuid) for uuid in spec.instance_uuids})
        return await self._selector.select(ctx, spec) if spec.instance_uuids else Selections()

    @step(11)
    async def _return_hosts(self, ctx: RequestContext, incoming: Incoming, launch: Launch, selections: Selections) -> None:
        """It writes the hosts in the servers' rows and returns those; a server without a host fails."""
        if attempt(launch.filter_properties) > 1:
            selections.refused = {uuid: MaxRetriesExceeded(uuid, why.rejections) for uuid, why in selections.refused.items()}
        now, about = self._clock.now(), (ctx.request_id, self._component.host)
        with self._db.transaction() as tx:
            gone = [uuid for uuid, hosts in selections.chosen.items() if not rows.place(tx, now, uuid, hosts[0])]
            for uuid in selections.chosen:
                rows.record_event(tx, launch.began, now, uuid, about)
            for uuid, why in selections.refused.items():
                if rows.give_up(tx, now, uuid, why):
                    rows.record_event(tx, launch.began, now, uuid, about, why)
            launch.servers = rows.read_servers(tx, launch.servers)
        selections.chosen = {uuid: hosts for uuid, hosts in selections.chosen.items() if uuid not in gone}
        await self._tell_choice(ctx, launch, selections)
        await self._claims.release_all(ctx, gone)
        await incoming.reply([to_message(row) for row in launch.servers.values()])

    @step(12)
    async def _launch(self, ctx: RequestContext, launch: Launch, instance_uuid: str, host: str, node: str) -> bool:
        """It sends the compute of the chosen host the request to launch the server."""
        instance = to_message(launch.servers[instance_uuid])
        mine = {"instance_uuids": [instance_uuid], "num_instances": 1, "instance_properties": instance}
        changed = {
            "instance": instance,
            "node": node,
            "request_spec": {**launch.message["request_spec"], **mine},
            "filter_properties": with_attempt(launch.filter_properties, launch.spec, (host, node), self._settings.max_attempts),
        }
        arguments = {**launch.message, **changed}
        await self._component.bus.cast(ctx, "compute", "run_instance", server=host, version="2.19", args=arguments)
        return True

    async def prep_resize(
        self,
        ctx: RequestContext,
        instance: dict[str, Any],
        image: dict[str, Any] | None,
        instance_type: dict[str, Any],
        request_spec: dict[str, Any] | None = None,
        filter_properties: dict[str, Any] | None = None,
    ) -> None:
        """Chooses where a resize or a cold migration goes."""
        async with self._turns.of(instance["uuid"]):
            await self._resizes.prepare(ctx, instance, image or {}, instance_type, request_spec or {}, filter_properties or {})

    async def _give_up(self, ctx: RequestContext, uuids: Iterable[str], error: Exception, began: datetime) -> None:
        """Servers that still wait fail; of those and of deleted ones no claim stays."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            failed = [uuid for uuid in uuids if rows.give_up(tx, now, uuid, error)]
            for uuid in failed:
                rows.record_event(tx, began, now, uuid, (ctx.request_id, self._component.host), error)
            alive = rows.read_servers(tx, list(uuids))
        await self._claims.release_all(ctx, [uuid for uuid in uuids if uuid in failed or uuid not in alive])

    async def _tell_choice(self, ctx: RequestContext, launch: Launch, selections: Selections) -> None:
        spec = launch.message["request_spec"]
        for uuid, hosts in selections.chosen.items():
            weighted = {"host": hosts[0].host, "nodename": hosts[0].node}
            await self._choices.choosing(ctx, "run_instance.scheduled", spec, weighted_host=weighted, instance_id=uuid)
        for uuid, why in selections.refused.items():
            await self._tell_failure(ctx, spec, uuid, why)
        await self._choices.choosing(ctx, "run_instance.end", spec)

    async def _tell_failure(self, ctx: RequestContext, spec: Mapping[str, Any], uuid: str, error: Exception) -> None:
        for row in self._instances([uuid]) if self._servers.listening else ():
            if row["vm_state"] == "error":
                await self._servers.updated(ctx, {"vm_state": "building", "task_state": "scheduling"}, row)
                await self._choices.found_none(ctx, "run_instance", spec, uuid, error)

    def _instances(self, uuids: Iterable[str]) -> list[Row]:
        with self._db.transaction() as tx:
            return [to_message(row) for row in rows.read_servers(tx, list(uuids)).values()]

    async def _report_state(self) -> None:
        while True:
            with self._db.transaction() as tx:
                heartbeat(tx, self._clock.now(), self._component.host, "nova-scheduler", "scheduler")
            await self._clock.sleep(self._settings.report_interval)


def _waits(row: Row) -> bool:
    return row["host"] is None and row["task_state"] == "scheduling"


def _places(launch: Launch, selections: Selections) -> dict[str, tuple[str, str]]:
    """Where to launch which server: as chosen just now, or, of a message delivered again, as its row says already."""
    known = {uuid: (row["host"], row["node"]) for uuid, row in launch.servers.items() if row["host"] and row["task_state"] == "scheduling"}
    return known | {uuid: (hosts[0].host, hosts[0].node) for uuid, hosts in selections.chosen.items()}
