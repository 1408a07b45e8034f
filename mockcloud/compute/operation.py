"""Doing one thing to a server: alone, with its event in the record, and with an honest state when it fails."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mockcloud.bus.base import MessagingTimeout, RemoteError
from mockcloud.compute import guests
from mockcloud.compute.errors import is_overtaken
from mockcloud.compute.host import Host
from mockcloud.context import RequestContext

LOG = logging.getLogger(__name__)
Json = dict[str, Any]

TOLD = {  # what is told of an event as begun and ended
    "compute_start_instance": "power_on",
    "compute_stop_instance": "power_off",
    "compute_pause_instance": "pause",
    "compute_unpause_instance": "unpause",
    "compute_suspend_instance": "suspend",
    "compute_resume_instance": "resume",
    "compute_reboot_instance": "reboot",
    "compute_rebuild_instance": "rebuild",
    "compute_rescue_instance": "rescue",
    "compute_unrescue_instance": "unrescue",
    "compute_snapshot_instance": "snapshot",
    "compute_prep_resize": "resize.prep",
    "compute_resize_instance": "resize",
    "compute_finish_resize": "finish_resize",
    "compute_confirm_resize": "resize.confirm",
    "compute_finish_revert_resize": "resize.revert",
    "compute_terminate_instance": "delete",
}


@asynccontextmanager
async def operation(
    host: Host, ctx: RequestContext, instance: Json, event: str, *, fatal: bool = False, deletes: bool = False
) -> AsyncIterator[None]:
    """The block is alone with the server on this host. What it raises becomes the server's fault, and goes on.

    `fatal`: a failure leaves the server in ERROR; otherwise it stays what it was and is free for other requests.
    A server that somebody else deleted or took over meanwhile just ends the block. `deletes`: this is its deletion.
    """
    uuid, conductor = instance["uuid"], host.conductor
    async with host.turns.of(uuid):
        await conductor.start_event(ctx, uuid, event)
        if event in TOLD:
            await host.notifier.acted(ctx, f"{TOLD[event]}.start", instance)
        try:
            if uuid in host.lost and not deletes:
                await guests.remake(host, ctx, instance)
            yield
        except Exception as error:
            if is_overtaken(error):
                LOG.info("%s of server %s stops: %s", event, uuid, error)
                await conductor.finish_event(ctx, uuid, event)
                return
            trace = "".join(traceback.format_exception(error))
            await fail(host, ctx, uuid, error, fatal=fatal, deletes=deletes)
            await conductor.finish_event(ctx, uuid, event, str(error) or type(error).__name__, trace)
            raise
        if event in TOLD and host.notifier.listening:
            await _tell_end(host, ctx, instance, TOLD[event])
        await conductor.finish_event(ctx, uuid, event)


async def _tell_end(host: Host, ctx: RequestContext, instance: Json, action: str) -> None:
    """The server as it is now, or as it was before it was deleted."""
    if action == "delete":
        await host.notifier.deleted(ctx, instance)
        return
    try:
        ended = await host.conductor.instance(ctx, instance["uuid"])
    except (RemoteError, MessagingTimeout):  # deleted meanwhile, or nobody there to ask
        return
    if ended is not None:
        await host.notifier.acted(ctx, f"{action}.end", ended)


async def fail(
    host: Host, ctx: RequestContext, uuid: str, error: Exception, *, fatal: bool, deletes: bool = False, also: Json | None = None
) -> None:
    """A fault, and no task any more. A server that somebody else is deleting is left to them. `also` is saved with it."""
    ended: Json = {"task_state": None} | ({"vm_state": "error"} if fatal else {}) | (also or {})
    try:
        server = await host.conductor.instance(ctx, uuid)
        if server is None or (server["task_state"] == "deleting" and not deletes):
            return
        await host.conductor.record_fault(ctx, uuid, str(error) or type(error).__name__, "".join(traceback.format_exception(error)))
        await host.conductor.save(ctx, uuid, ended, server["task_state"])
    except Exception as failure:
        if not is_overtaken(failure):
            LOG.exception("the failure of server %s could not be recorded", uuid)
