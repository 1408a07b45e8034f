"""Faulty conductors, and computes that do without one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, select

from mockcloud.bus.base import RemoteError
from mockcloud.bus.memory import Consumer, MemoryBus
from mockcloud.cloud import Cloud
from mockcloud.compute.build import Builds
from mockcloud.compute.build_cells import CellBuilds
from mockcloud.compute.conductor import Conductor
from mockcloud.compute.object_conductor import ObjectConductor
from mockcloud.conductor import cells, instances
from mockcloud.conductor.lost_builds import LostBuilds
from mockcloud.conductor.manager import ConductorManager
from mockcloud.context import RequestContext
from mockcloud.db.engine import Row
from mockcloud.db.prepared import Prepared
from mockcloud.mutants import Patch, mutant
from mockcloud.nova import tables, views
from mockcloud.nova.records import to_message
from mockcloud.objects import BY_METHOD

FIRST = ("instance_get_by_uuid", "action_event_start")  # what a compute asks first, in classic and in cells_v2
Directly = Callable[[RequestContext, str, dict[str, Any]], Any]


def _directly(patch: Patch) -> Directly:
    """The compute's own way to the database."""
    clouds: list[Cloud] = []
    patch.when_built(clouds.append)

    async def perform(ctx: RequestContext, method: str, args: dict[str, Any]) -> Any:
        cloud = clouds[-1]
        manager = ConductorManager(cloud.component("nova-compute", "here"), cloud.services["nova"].db)
        return await getattr(manager, BY_METHOD[method].performs or method)(ctx, **args)

    return perform


@mutant("M64", 14, "the compute writes to the database itself", ["S14.C1", "S14.C3"], "Q")
def no_conductor_needed(patch: Patch) -> None:
    directly = _directly(patch)
    ready: list[Cloud] = []
    patch.when_built(ready.append)

    def around(call: Any) -> Any:
        async def called(self: Conductor, ctx: RequestContext, method: str, **args: Any) -> Any:
            if not ready or method == "service_update":  # its signs of life still go the right way
                return await call(self, ctx, method, **args)
            return await directly(ctx, method, args)

        return called

    for owner in (Conductor, ObjectConductor):
        patch.wrap(owner, "_call", around)


@mutant("M66", 14, "the compute casts to the conductor, and does not wait for an answer", ["S14.C2", "S14.C1"], "Q")
def not_waited_for(patch: Patch) -> None:
    directly = _directly(patch)
    call = MemoryBus.call

    def around(ask: Any) -> Any:
        async def asked(self: Conductor, ctx: RequestContext, method: str, **args: Any) -> Any:
            if method not in FIRST:
                return await ask(self, ctx, method, **args)
            casting.append(True)
            try:
                await ask(self, ctx, method, **args)
            finally:
                casting.clear()
            return await directly(ctx, method, args)

        return asked

    async def sent(self: MemoryBus, ctx: RequestContext, topic: str, method: str, **options: Any) -> Any:
        if not casting:
            return await call(self, ctx, topic, method, **options)
        await self.cast(ctx, topic, method, **options)
        return None

    casting: list[bool] = []
    patch.replace(MemoryBus, "call", sent)
    for owner in (Conductor, ObjectConductor):
        patch.wrap(owner, "_call", around)


@mutant("M67", 15, "a call is handled by two conductors", ["S15.C3", "S18.C4"], "P")
def handled_twice(patch: Patch) -> None:
    def around(handle: Any) -> Any:
        async def handled(self: Consumer, delivery: Any) -> None:
            await handle(self, delivery)
            if self._station.service == "nova-conductor":
                await handle(self, delivery)

        return handled

    patch.wrap(Consumer, "_handle", around)


@mutant("M68", 15, "when a conductor dies its callers wait for ever", ["S15.C2"], "H")
def callers_hang(patch: Patch) -> None:
    def forgetting(kill: Any) -> Any:
        async def killed(self: Consumer) -> None:
            if self._station.service == "nova-conductor":
                for task in dict(self._handling):
                    self._handling.pop(task)
                    task.remove_done_callback(self._done)
                    task.cancel()
            await kill(self)

        return killed

    def patient(call: Any) -> Any:
        async def called(self: MemoryBus, ctx: RequestContext, topic: str, method: str, **options: Any) -> Any:
            return await call(self, ctx, topic, method, **(options | {"timeout": 1e9 if topic == "conductor" else options.get("timeout")}))

        return called

    async def nothing(self: LostBuilds) -> None:
        """Nor does anybody look what it has left behind."""

    patch.replace(LostBuilds, "fail", nothing)
    patch.wrap(Consumer, "kill", forgetting)
    patch.wrap(MemoryBus, "call", patient)


@mutant("M69", 15, "the compute answers its own calls to the conductor", ["S15.C1", "S14.C1"], "P")
def own_answers(patch: Patch) -> None:
    def around(make: Any) -> Any:
        def made(self: Cloud) -> Any:
            workers = make(self)
            workers["conductor"].service = "nova-compute"
            return workers

        return made

    patch.wrap(Cloud, "_nova_workers", around)


@mutant("M154", 16, "a server's task goes back on the way", ["S16.C1", "S07.C1", "S28.C2"], "B")
def task_goes_back(patch: Patch) -> None:
    def around(enter: Any) -> Any:
        async def entered(self: Builds, ctx: RequestContext, launch: Any, before: str | None, task_state: str) -> None:
            if task_state == "spawning":
                await self._conductor.save(ctx, launch.uuid, {"task_state": "networking"})
                await self._host.clock.sleep(0.5)
                before = "networking"
            await enter(self, ctx, launch, before, task_state)

        return entered

    patch.wrap(Builds, "_enter", around)


@mutant("M155", 16, "a server has the flavor as it is now, not as it was asked for", ["S16.C2"], "A")
def flavor_of_today(patch: Patch) -> None:
    def around(show: Any) -> Any:
        def shown(ctx: Any, row: Row, *more: Any) -> Any:
            now = ctx.db.one(select(tables.flavors).where(tables.flavors.c.flavorid == row["flavor"]["flavorid"]))
            return show(ctx, row | ({"flavor": row["flavor"] | to_message(now)} if now else {}), *more)

        return shown

    patch.wrap(views, "show_server_row", around)


@mutant("M70", 16, "the conductor saves whatever state the server is in", ["S16.C3", "S12.C5"], "B")
def no_guard(patch: Patch) -> None:
    def around(write: Any) -> Any:
        return lambda tx, now, uuid, updates, expected: write(tx, now, uuid, updates, {})

    row = tables.instances.c
    patch.wrap(instances, "write", around)
    patch.replace(instances, "alive", lambda uuid: row.uuid == uuid)
    patch.replace(instances, "_BY_UUID", Prepared(select(tables.instances).where(row.uuid == bindparam("uuid"))))


@mutant("M72", 17, "the compute is told of another size than the server's", ["S17.C1", "S17.C2"], "F")
def wrong_size(patch: Patch) -> None:
    def around(read: Any) -> Any:
        @functools.wraps(read)
        def wrong(*args: Any) -> Row | None:
            row: Row | None = read(*args)
            if row is None:
                return None
            flavor = row["flavor"] | {"vcpus": row["flavor"]["vcpus"] + 1, "memory_mb": row["flavor"]["memory_mb"] + 64}
            return row | {"flavor": flavor, "vcpus": flavor["vcpus"], "memory_mb": flavor["memory_mb"]}

        return wrong

    patch.wrap(instances, "read", around)
    patch.wrap(cells, "move_in", around)


@mutant("M73", 17, "a compute that gets an error from the conductor goes on", ["S17.C3"], "H")
def error_swallowed(patch: Patch) -> None:
    directly = _directly(patch)

    def around(ask: Any) -> Any:
        async def asked(self: Builds, ctx: RequestContext, launch: Any) -> Any:
            try:
                return await ask(self, ctx, launch)
            except RemoteError:
                begun = {"task_state": None} if isinstance(self, CellBuilds) else {}
                return await directly(ctx, "instance_update", {"instance_uuid": launch.uuid, "updates": begun})

        return asked

    patch.wrap(Builds, "_ask_conductor", around)
    patch.wrap(CellBuilds, "_ask_conductor", around)
