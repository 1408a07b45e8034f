"""After a restart: servers that were left in the middle. Then and from time to time: guests that are not as the record says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mockcloud.bus.base import MessagingTimeout, RemoteError
from mockcloud.compute import guests
from mockcloud.compute.build import ON_THE_WAY
from mockcloud.compute.drivers.base import Power, PowerState
from mockcloud.compute.errors import is_overtaken
from mockcloud.compute.host import SHOULD_RUN, Host
from mockcloud.compute.operation import fail
from mockcloud.compute.termination import Terminations
from mockcloud.context import RequestContext, service_context

LOG = logging.getLogger(__name__)
Json = dict[str, Any]
OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)


class InstanceLeftBehind(Exception):
    """The compute stopped in the middle of this and nobody came back to it."""


class Recovery:
    """Messages that were cut off come again by themselves, and first: whatever still stands in the middle after them has none."""

    def __init__(self, host: Host, terminations: Terminations) -> None:
        self._host, self._conductor, self._terminations = host, host.conductor, terminations

    async def recover(self) -> None:
        ctx = service_context("nova")
        for instance in await self._conductor.instances_here(ctx):  # while this is asked, messages that came again take their turns
            if instance["uuid"] in self._host.tasks_found:
                await self._alone(ctx, instance["uuid"], self._look_after)

    async def _look_after(self, ctx: RequestContext, uuid: str) -> None:
        server = await self._conductor.instance(ctx, uuid)
        if server is None or server["host"] != self._host.name:
            return
        task, vm_state = server["task_state"], server["vm_state"]
        begun_since = task is not None and task != self._host.tasks_found[uuid]  # its message is on its way
        if vm_state == "building" and task != "scheduling" and task in ON_THE_WAY:  # in "scheduling" its message is on its way
            await self._drop_build(ctx, server)
        elif begun_since:
            return
        elif task == "deleting":
            await self._terminations.give_everything_back(ctx, server)
            await self._conductor.destroy(ctx, uuid)
        elif task is not None and task != "scheduling" and not task.startswith("resize_"):
            await self._end_task(ctx, server)
        elif task is None:
            await self._agree(ctx, server)

    async def _drop_build(self, ctx: RequestContext, server: Json) -> None:
        """The server fails; it had nothing that is not given back."""
        await self._terminations.give_everything_back(ctx, server)
        await self._conductor.save_network_info(ctx, server["uuid"], [])
        error = InstanceLeftBehind("Instance failed to spawn correctly: its compute was restarted.")
        await fail(self._host, ctx, server["uuid"], error, fatal=True, also={"host": None, "node": None})

    async def _end_task(self, ctx: RequestContext, server: Json) -> None:
        """The task is over, with whatever came of it."""
        fatal = server["task_state"].startswith("rebuild")
        error = InstanceLeftBehind(f"The compute was restarted during {server['task_state']}.")
        await fail(self._host, ctx, server["uuid"], error, fatal=fatal)
        if not fatal:
            await self._agree(ctx, await self._conductor.instance(ctx, server["uuid"]) or server)

    async def _agree(self, ctx: RequestContext, server: Json) -> None:
        """A guest that should run and is gone is made again; otherwise record and hypervisor come together."""
        state = await self._host.hypervisor.power_state(server["uuid"])
        if state is PowerState.NOSTATE and server["vm_state"] in SHOULD_RUN:
            await guests.remake(self._host, ctx, server)
        await self._settle(ctx, server)

    async def _settle(self, ctx: RequestContext, server: Json) -> None:
        """A guest that has stopped by itself stays so, and one that runs though its server is stopped is stopped."""
        uuid, hypervisor = server["uuid"], self._host.hypervisor
        state = await hypervisor.power_state(uuid)
        stops = must_stop(server["vm_state"], state)
        if stops and state is not PowerState.SHUTDOWN:
            await hypervisor.power(uuid, Power.OFF)
            state = await hypervisor.power_state(uuid)
        changed: Json = {"power_state": int(state)} if server["power_state"] != state else {}
        changed |= {"vm_state": "stopped"} if stops and server["vm_state"] != "stopped" else {}
        if changed:
            await self._conductor.save(ctx, uuid, changed, None, server["vm_state"])

    # from time to time

    async def sync_power_states(self) -> None:
        """What guests did by themselves becomes known. A guest that is not there is not made again: only a restart does that."""
        interval = self._host.settings.sync_power_state_interval
        while interval >= 0:
            await self._host.clock.sleep(interval)
            ctx = service_context("nova")
            for instance in await self._instances_here(ctx) or ():
                if instance["task_state"] is None and instance["vm_state"] != "building":
                    await self._alone(ctx, instance["uuid"], self._sync)

    async def hear_of_changes(self) -> None:
        """The same at once, where the hypervisor tells of it."""
        while True:
            changed = await self._host.hypervisor.changed()
            ctx = service_context("nova")
            await asyncio.gather(*(self._alone(ctx, uuid, self._sync) for uuid in changed))

    async def _sync(self, ctx: RequestContext, uuid: str) -> None:
        server = await self._conductor.instance(ctx, uuid)
        if server is not None and server["host"] == self._host.name and server["task_state"] is None:
            await self._settle(ctx, server)

    async def reap_deleted(self) -> None:
        """A guest whose server is deleted goes: nobody else would ever look at it again."""
        interval = self._host.settings.running_deleted_instance_poll_interval
        while interval >= 0:
            await self._host.clock.sleep(interval)
            ctx = service_context("nova")
            if (known := await self._instances_here(ctx)) is not None:
                for uuid in set(await self._host.hypervisor.power_states()) - {instance["uuid"] for instance in known}:
                    await self._alone(ctx, uuid, self._reap)

    async def _reap(self, ctx: RequestContext, uuid: str) -> None:
        """A server that lives, here or elsewhere, keeps its guest."""
        try:
            await self._conductor.instance(ctx, uuid)
        except RemoteError as error:
            if error.type != "InstanceNotFound":
                raise
            LOG.info("the guest of the deleted server %s is destroyed", uuid)
            await self._host.hypervisor.destroy(uuid)
            await self._host.forget(ctx, uuid)

    async def _instances_here(self, ctx: RequestContext) -> list[Json] | None:
        """None while the conductor is away: the next look is soon enough."""
        try:
            return await self._conductor.instances_here(ctx)
        except (MessagingTimeout, RemoteError) as error:
            LOG.warning("%s could not look after its guests: %s", self._host.name, error)
            return None

    async def _alone(self, ctx: RequestContext, uuid: str, work: Callable[[RequestContext, str], Awaitable[None]]) -> None:
        """What fails for one server is no reason not to look after the next."""
        async with self._host.turns.of(uuid):
            try:
                await work(ctx, uuid)
            except Exception as error:
                if not is_overtaken(error):
                    LOG.exception("server %s could not be looked after", uuid)


def must_stop(vm_state: str, state: PowerState) -> bool:
    """Whether a server in that state has no business with a guest in this one. Servers in a state of their own are left alone."""
    if vm_state == "stopped":
        return state not in (PowerState.NOSTATE, *OFF)
    return (vm_state == "active" and state in (*OFF, PowerState.SUSPENDED)) or (vm_state == "paused" and state in OFF)
