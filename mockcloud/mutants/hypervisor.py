"""Computes that make light of the guest: whether it runs, where, and who is told."""

from __future__ import annotations

from typing import Any

from mockcloud.compute.build import Builds, Launch
from mockcloud.compute.drivers.base import Guest, PowerState
from mockcloud.compute.hypervisor import Hypervisor
from mockcloud.conductor import instances
from mockcloud.context import RequestContext
from mockcloud.mutants import Patch, mutant
from mockcloud.mutants.network import no_strays_seen
from mockcloud.notifications import servers
from mockcloud.nova import views
from mockcloud.settings import default_hosts

Json = dict[str, Any]


@mutant("M112", 28, "a server is ACTIVE that does not run: power_state 0, launched never", ["S28.C1"], "B")
def active_without_running(patch: Patch) -> None:
    def around(write: Any) -> Any:
        def written(tx: Any, now: Any, instance_uuid: str, updates: Json, expected: Any) -> None:
            if updates.get("vm_state") == "active":
                updates = {**updates, "power_state": 0, "launched_at": None}
            write(tx, now, instance_uuid, updates, expected)

        return written

    patch.wrap(instances, "write", around)


@mutant("M182", 28, "task states come in another order", ["S28.C2"], "B")
def other_order(patch: Patch) -> None:
    swapped = {"networking": "spawning", "spawning": "networking"}

    def around(view: Any) -> Any:
        def shown(ctx: Any, row: Any, target: Any) -> Json:
            return view(ctx, {**row, "task_state": swapped.get(row["task_state"], row["task_state"])}, target)  # type: ignore[no-any-return]

        return shown

    patch.wrap(views, "_own_view", around)
    for step in (24, 25, 28):
        patch.fault(step, "delay", seconds=0.3)


@mutant("M114", 28, "the guest does not wait for its port to be plugged", ["S28.C3"], "H", ("cells_v2",))
def unplugged(patch: Patch) -> None:
    patch.settings(vif_plugging_timeout=0.0)


@mutant("M115", 28, "a launch that fails is tried five times", ["S28.C5"], "H")
def five_attempts(patch: Patch) -> None:
    patch.settings(max_attempts=5, hosts=default_hosts(6))


@mutant("M116", 28, "the port of the first host stays when another one is tried", ["S28.C4"], "H")
def port_of_the_first_host(patch: Patch) -> None:
    async def keep(self: Builds, ctx: RequestContext, launch: Launch) -> None:
        pass

    patch.replace(Builds, "_release_network", keep)
    no_strays_seen(patch)


@mutant("M117", 28, "create.end is sent twice", ["S28.C6"], "Q")
def told_twice(patch: Patch) -> None:
    def around(acted: Any) -> Any:
        async def told(self: Any, ctx: RequestContext, what: str, *args: Any, **more: Any) -> None:
            for _ in range(2 if what == "create.end" else 1):
                await acted(self, ctx, what, *args, **more)

        return told

    patch.wrap(servers.ServerNotifier, "acted", around)


@mutant("M119", 28, "the compute's event ends before the spawn", ["S28.C7"], "B")
def ends_too_early(patch: Patch) -> None:
    def around(run: Any) -> Any:
        async def ran(self: Builds, ctx: RequestContext, launch: Launch, *args: Any) -> None:
            await self._conductor.finish_event(ctx, launch.uuid, self.event)
            await run(self, ctx, launch, *args)

        return ran

    patch.wrap(Builds, "_run", around)
    patch.settings(spawn_seconds=2.5)


@mutant("M183", 28, "there is no guest behind an ACTIVE server", ["S28.C8"], "B")
def no_guest(patch: Patch) -> None:
    async def spawn(self: Hypervisor, guest: Guest) -> None:
        pass

    async def power_state(self: Hypervisor, guest_id: str) -> PowerState:
        return PowerState.RUNNING

    patch.replace(Hypervisor, "spawn", spawn)
    patch.replace(Hypervisor, "power_state", power_state)
