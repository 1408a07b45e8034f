"""Start, stop, reboot, pause, suspend and their opposites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mockcloud.compute import guests
from mockcloud.compute.drivers.base import InstanceNotFound, Power, PowerState
from mockcloud.compute.host import Host
from mockcloud.compute.operation import operation
from mockcloud.context import RequestContext

Json = dict[str, Any]
SOFT_REBOOT = ["rebooting", "reboot_pending", "reboot_started"]
HARD_REBOOT = ["rebooting_hard", "reboot_pending_hard", "reboot_started_hard"]


@dataclass(frozen=True, slots=True)
class Change:
    """What the driver does, the task that nova-api announced it with, and the state that it leads to."""

    action: Power
    task_state: str
    vm_state: str
    fatal: bool = False


CHANGES = {
    "start_instance": Change(Power.ON, "powering-on", "active"),
    "stop_instance": Change(Power.OFF, "powering-off", "stopped"),
    "pause_instance": Change(Power.PAUSE, "pausing", "paused"),
    "unpause_instance": Change(Power.UNPAUSE, "unpausing", "active"),
    "suspend_instance": Change(Power.SUSPEND, "suspending", "suspended", fatal=True),
    "resume_instance": Change(Power.RESUME, "resuming", "active", fatal=True),
}


class PowerChanges:
    def __init__(self, host: Host) -> None:
        self._host, self._conductor = host, host.conductor

    def method(self, name: str) -> Callable[..., Awaitable[None]]:
        """The endpoint's method of one of CHANGES."""
        change = CHANGES[name]

        async def perform(ctx: RequestContext, instance: Json) -> None:
            async with operation(self._host, ctx, instance, f"compute_{name}", fatal=change.fatal):
                await self._expect(ctx, instance, [change.task_state])
                await self._apply(ctx, instance, change.action)
                await self._done(ctx, instance, change.vm_state, [change.task_state])

        return perform

    async def reboot_instance(self, ctx: RequestContext, instance: Json, reboot_type: str) -> None:
        """A soft reboot of a guest that does not run is a hard one."""
        soft, uuid = reboot_type == "SOFT", instance["uuid"]
        tasks = SOFT_REBOOT if soft else HARD_REBOOT
        async with operation(self._host, ctx, instance, "compute_reboot_instance", fatal=not soft):
            await self._conductor.save(ctx, uuid, {"task_state": tasks[1]}, tasks)
            state = await self._host.hypervisor.power_state(uuid)
            server = await self._conductor.save(ctx, uuid, {"task_state": tasks[2], "power_state": int(state)}, tasks)
            await self._apply(ctx, instance, Power.SOFT_REBOOT if soft and state is PowerState.RUNNING else Power.HARD_REBOOT)
            await self._done(ctx, instance, "rescued" if server["vm_state"] == "rescued" else "active", tasks)

    async def _expect(self, ctx: RequestContext, instance: Json, tasks: list[str]) -> None:
        """Of two deliveries one is too late."""
        await self._conductor.save(ctx, instance["uuid"], {}, tasks)

    async def _apply(self, ctx: RequestContext, instance: Json, action: Power) -> None:
        """A guest that is gone, as after the loss of its host, is made again when it is to run."""
        try:
            await self._host.hypervisor.power(instance["uuid"], action)
        except InstanceNotFound:
            if action not in (Power.ON, Power.HARD_REBOOT, Power.UNPAUSE, Power.RESUME):
                raise
            server = await self._conductor.instance(ctx, instance["uuid"])
            await guests.remake(self._host, ctx, server or instance)

    async def _done(self, ctx: RequestContext, instance: Json, vm_state: str, tasks: list[str]) -> None:
        state = await self._host.hypervisor.power_state(instance["uuid"])
        done = {"vm_state": vm_state, "power_state": int(state), "task_state": None}
        await self._conductor.save(ctx, instance["uuid"], done, tasks)
