"""Faulty schedulers: hosts that will not do, room that is not there, and servers for which there is no host."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from mockcloud.bus import seam
from mockcloud.bus.memory import MemoryBus
from mockcloud.claims import Claims
from mockcloud.compute.usage import Tracker
from mockcloud.conductor import cells
from mockcloud.mutants import Patch, mutant
from mockcloud.nova import deletion, server_launch
from mockcloud.scheduler import filters, manager, resources, rows, selection
from mockcloud.scheduler.manager import SchedulerManager
from mockcloud.scheduler.selection import Selections, Selector
from mockcloud.trace import current_scope

CELLS = ("cells_v2",)


def _never(*args: Any) -> None:
    """A filter that refuses no host."""


def _without_filter(patch: Patch, *names: str) -> None:
    patch.replace(filters, "FILTERS", filters.FILTERS | dict.fromkeys(names, _never))


async def _nothing(*args: Any, **more: Any) -> None:
    """Not done."""


@mutant("M41", 10, "filters are ignored", ["S10.C1", "S10.C7"], "B")
def filters_ignored(patch: Patch) -> None:
    _without_filter(patch, *filters.FILTERS)


@mutant("M42", 10, "disabled and dead hosts are not left out", ["S10.C3"], "A")
def dead_hosts_chosen(patch: Patch) -> None:
    def around(query: Any) -> Any:
        def asked(*args: Any) -> dict[str, str]:
            return {name: value for name, value in query(*args).items() if name != "root_required"}

        return asked

    _without_filter(patch, "ComputeFilter")
    patch.wrap(resources, "candidates_query", around)
    patch.wrap(selection, "candidates_query", around)


@mutant("M43", 10, "the worst host is chosen", ["S10.C2"], "A")
def weights_reversed(patch: Patch) -> None:
    patch.wrap(selection, "in_order_of_choice", lambda choose: lambda weighed, *more: choose(weighed, *more)[::-1])


@mutant("M45", 10, "placement is told of half the room that a server takes", ["S10.C6"], "A", CELLS)
def half_the_room(patch: Patch) -> None:
    def around(claim: Any) -> Any:
        async def claimed(self: Claims, ctx: Any, consumer: str, allocations: Any, *who: str) -> bool:
            halved = copy.deepcopy(dict(allocations))
            for allocation in halved.values():
                allocation["resources"] = {name: max(amount // 2, 1) for name, amount in allocation["resources"].items()}
            return bool(await claim(self, ctx, consumer, halved, *who))

        return claimed

    patch.wrap(Claims, "claim", around)


@mutant("M46", 10, "room is looked at, and not taken", ["S10.C7"], "B")
def room_not_taken(patch: Patch) -> None:
    async def claimed(*args: Any) -> bool:
        return True

    patch.replace(Claims, "claim", claimed)
    patch.replace(Tracker, "_check", _never)


@mutant("M48", 10, "the availability zone is ignored", ["S10.C5"], "B")
def zone_ignored(patch: Patch) -> None:
    _without_filter(patch, "AvailabilityZoneFilter")


@mutant("M151", 10, "members of an anti-affinity group share a host", ["S10.C4"], "B")
def group_ignored(patch: Patch) -> None:
    _without_filter(patch, "ServerGroupAntiAffinityFilter")


@mutant("M152", 10, "a request that is too big in part keeps its room (cells_v2), or fails as a whole (classic)", ["S10.C8"], "A")
def half_a_request(patch: Patch) -> None:
    def around(return_hosts: Any) -> Any:
        async def returned(self: SchedulerManager, ctx: Any, incoming: Any, launch: Any, selections: Selections) -> None:
            if selections.refused:
                why = next(iter(selections.refused.values()))
                selections = Selections(refused=dict.fromkeys((*selections.chosen, *selections.refused), why))
            await return_hosts(self, ctx, incoming, launch, selections)

        return returned

    patch.wrap(SchedulerManager, "_return_hosts", around)
    patch.replace(Claims, "release_all", _nothing)


@mutant("M49", 11, "without a valid host the server stays in BUILD", ["S10.C1", "S11.C3"], "B")
def no_host_no_error(patch: Patch) -> None:
    patch.replace(rows, "give_up", lambda *args: False)
    patch.replace(cells, "bury", lambda *args: False)


@mutant("M50", 11, "ERROR without a fault", ["S10.C1"], "B")
def no_fault(patch: Patch) -> None:
    for owner in (rows, cells):
        patch.replace(owner, "record_fault", _never)


@mutant("M51", 11, "the host that is told to the caller is not the one that is used", ["S11.C1", "S13.C3"], "F")
def another_host_told(patch: Patch) -> None:
    """What the caller needs reaches it; the bus carries something else."""

    def elsewhere(result: Any) -> Any:
        if isinstance(result, dict):
            return {key: "elsewhere" if key in ("host", "service_host") else elsewhere(value) for key, value in result.items()}
        return [elsewhere(item) for item in result] if isinstance(result, list) else result

    def around(reply: Any) -> Any:
        async def replied(self: MemoryBus, answer: Any, queue: str | None) -> None:
            scope = current_scope()
            if scope is None or scope.service != "nova-scheduler":
                await reply(self, answer, queue)
                return
            told = dataclasses.replace(answer, result=elsewhere(answer.result))
            with seam.reply(told, queue or ""):
                self._calls.answer(answer.msg_id, answer.encode())

        return replied

    patch.wrap(MemoryBus, "_reply", around)


@mutant("M53", 11, "a volume stays reserved though its server found no host and is deleted", ["S11.C5"], "B")
def volume_kept(patch: Patch) -> None:
    def around(call: Any) -> Any:
        async def called(ctx: Any, launch: Any, servers: Any) -> Any:
            for device in launch.devices:
                if device.volume_id:
                    await ctx.rest.post("block-storage", f"/v3/volumes/{device.volume_id}/action", json={"os-reserve": {}})
            return await call(ctx, launch, servers)

        return called

    patch.wrap(server_launch, "_call_scheduler", around)  # classic reserves nothing by itself
    patch.replace(deletion, "free_volumes", _nothing)


@mutant("M54", 11, "no other host is named to try: there is no second attempt", ["S11.C4", "S28.C4"], "F")
def no_alternates(patch: Patch) -> None:
    def around(select: Any) -> Any:
        async def selected(self: Selector, *args: Any, **more: Any) -> Any:
            return await select(self, *args, **(more | {"alternates": 0}))

        return selected

    patch.wrap(Selector, "select", around)
    patch.replace(manager, "with_attempt", lambda properties, *args: {k: v for k, v in properties.items() if k != "retry"})


@mutant("M153", 11, "the choice leaves no trace among the server's actions", ["S11.C3"], "B")
def no_event(patch: Patch) -> None:
    patch.replace(rows, "record_event", _never)
    patch.replace(cells, "start_event", lambda *args: None)
