"""After a restart: servers that were left in the middle, and guests that are not as the record says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mockcloud.compute import guests
from mockcloud.compute.build import ON_THE_WAY
from mockcloud.compute.drivers.base import PowerState
from mockcloud.compute.errors import is_overtaken
from mockcloud.compute.host import Host
from mockcloud.compute.operation import fail
from mockcloud.compute.termination import Terminations
from mockcloud.context import RequestContext, service_context

LOG = logging.getLogger(__name__)
Json = dict[str, Any]
SHOULD_RUN = ("active", "resized", "rescued")
VM_STATES = {PowerState.SHUTDOWN: "stopped", PowerState.RUNNING: "active"}  # what the hypervisor says without our doing


class InstanceLeftBehind(Exception):
    """The compute stopped in the middle of this and nobody came back to it."""


class Recovery:
    """Messages that were cut off come again by themselves, and first: whatever still stands in the middle after them has none."""

    def __init__(self, host: Host, terminations: Terminations) -> None:
        self._host, self._conductor, self._terminations = host, host.conductor, terminations

    async def recover(self) -> None:
        ctx = service_context("nova")
        for instance in await self._conductor.instances_here(ctx):
            async with self._host.turns.of(instance["uuid"]):
                try:
                    await self._look_after(ctx, instance["uuid"])
                except Exception as error:
                    if not is_overtaken(error):
                        LOG.exception("server %s could not be looked after", instance["uuid"])

    async def _look_after(self, ctx: RequestContext, uuid: str) -> None:
        server = await self._conductor.instance(ctx, uuid)
        if server is None or server["host"] != self._host.name:
            return
        task, vm_state = server["task_state"], server["vm_state"]
        if vm_state == "building" and task != "scheduling" and task in ON_THE_WAY:  # in "scheduling" its message is on its way
            await self._drop_build(ctx, server)
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
        await fail(self._host, ctx, server["uuid"], error, fatal=True)
        await self._conductor.save(ctx, server["uuid"], {"host": None, "node": None}, None, "error")

    async def _end_task(self, ctx: RequestContext, server: Json) -> None:
        """The task is over, with whatever came of it."""
        fatal = server["task_state"].startswith("rebuild")
        error = InstanceLeftBehind(f"The compute was restarted during {server['task_state']}.")
        await fail(self._host, ctx, server["uuid"], error, fatal=fatal)
        if not fatal:
            await self._agree(ctx, await self._conductor.instance(ctx, server["uuid"]) or server)

    async def _agree(self, ctx: RequestContext, server: Json) -> None:
        """A guest that should run and is gone is made again; otherwise the record follows the hypervisor."""
        state = await self._host.hypervisor.power_state(server["uuid"])
        if state is PowerState.NOSTATE and server["vm_state"] in SHOULD_RUN:
            await guests.remake(self._host, ctx, server)
            state = await self._host.hypervisor.power_state(server["uuid"])
        if changed := differences(server, state):
            await self._conductor.save(ctx, server["uuid"], changed, None, server["vm_state"])


def differences(server: Mapping[str, Any], state: PowerState) -> Json:
    """What the record has to say anew. A server in a state of its own (rescued, resized, error) keeps it."""
    changed: Json = {}
    if state is not PowerState.NOSTATE and server["power_state"] != state:
        changed["power_state"] = int(state)
    follows = server["vm_state"] in ("active", "stopped") and VM_STATES.get(state, server["vm_state"]) != server["vm_state"]
    return changed | ({"vm_state": VM_STATES[state]} if follows else {})
