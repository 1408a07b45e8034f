"""What is done to a server's power, run state and access: begun here, done by its compute."""

from __future__ import annotations

import re

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict, NotFound, NotImplementedHere
from mockcloud.http.reply import Json
from mockcloud.nova import acting, states
from mockcloud.nova.compute_rpc import ask, cast
from mockcloud.nova.deletion import destroy
from mockcloud.nova.disks import boots_from_volume
from mockcloud.nova.lookup import find_server, owner
from mockcloud.nova.passwords import generate_password
from mockcloud.nova.records import finish_event, start_event

CONTROL = re.compile("[\x00-\x08\x0b-\x1f]")  # not for readers of a console, newlines and tabs are kept


async def start_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.START), "start_instance")


async def stop_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.STOP, progress=0), "stop_instance")


async def reboot_server(ctx: Context, server_id: str, body: Json) -> None:
    kind = body["type"].upper()
    action = states.SOFT_REBOOT if kind == "SOFT" else states.HARD_REBOOT
    await cast(ctx, acting.start(ctx, server_id, action), "reboot_instance", reboot_type=kind)


async def pause_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.PAUSE), "pause_instance")


async def unpause_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.UNPAUSE), "unpause_instance")


async def suspend_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.SUSPEND), "suspend_instance")


async def resume_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.RESUME), "resume_instance")


async def lock_server(ctx: Context, server_id: str, body: Json) -> None:
    """An owner's second lock changes nothing; an administrator's replaces it."""
    reason = body.get("locked_reason") if isinstance(body, dict) and ctx.at_least("2.73") else None
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        is_owner = server["project_id"] == ctx.project_id
        if server["locked"] and is_owner:
            return
        values = {"locked": True, "locked_by": "owner" if is_owner else "admin", "locked_reason": reason or server["locked_reason"]}
        acting.begin(ctx, tx, server, states.LOCK, **values)
        _record_event(ctx, tx, server_id, "api_lock")


async def unlock_server(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        expected = "owner" if server["project_id"] == ctx.project_id else "admin"
        if server["locked_by"] not in (None, expected):
            ctx.enforce("os_compute_api:os-lock-server:unlock:unlock_override", owner(server))
        acting.begin(ctx, tx, server, states.UNLOCK, locked=False, locked_by=None, locked_reason=None)
        _record_event(ctx, tx, server_id, "api_unlock")


def _record_event(ctx: Context, tx: Transaction, server_id: str, event: str) -> None:
    """The API does these by itself, at once."""
    event_id = start_event(tx, ctx.now(), ctx.request_id, server_id, event, "controller")
    if event_id is not None:
        finish_event(tx, ctx.now(), event_id)


async def reset_server_state(ctx: Context, server_id: str, body: Json) -> None:
    acting.start(ctx, server_id, states.RESET_STATE, vm_state=body["state"], task_state=None)


async def change_server_password(ctx: Context, server_id: str, body: Json) -> None:
    server = acting.start(ctx, server_id, states.CHANGE_PASSWORD)
    await cast(ctx, server, "set_admin_password", new_pass=body["adminPass"])


async def rescue_server(ctx: Context, server_id: str, body: Json) -> Json:
    asked = body or {}
    with ctx.db.transaction() as tx:
        acting.check(ctx, find_server(ctx, tx, server_id), states.RESCUE)
    if image_id := asked.get("rescue_image_ref"):
        await _check_rescue_image(ctx, image_id)
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        if boots_from_volume(tx, server):
            raise BadRequest(f"Instance {server_id} cannot be rescued: Cannot rescue a volume-backed instance")
        server = acting.begin(ctx, tx, server, states.RESCUE)
    password = asked.get("adminPass") or generate_password()
    await cast(ctx, server, "rescue_instance", rescue_image_ref=image_id, admin_password=password)
    return {"adminPass": password}


async def _check_rescue_image(ctx: Context, image_id: str) -> None:
    answer = await ctx.rest.get("image", f"/v2/images/{image_id}")
    if not answer.ok or "block_device_mapping" in answer.json():
        raise BadRequest(f"Requested rescue image '{image_id}' is not supported")


async def unrescue_server(ctx: Context, server_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.UNRESCUE), "unrescue_instance")


async def restore_server(ctx: Context, server_id: str) -> None:
    """Servers are deleted at once here, so that only a row put there by hand is ever restored."""
    acting.start(ctx, server_id, states.RESTORE, vm_state="active")


async def force_delete_server(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        acting.check(ctx, server, states.FORCE_DELETE)
    await destroy(ctx, server)


async def show_server_console_output(ctx: Context, server_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
    if not server["host"]:
        raise Conflict(f"Instance {server_id} is not ready")
    length = body.get("length")
    refusals: dict[str, type[ApiError]] = dict.fromkeys(("InstanceNotFound", "ConsoleNotAvailable", "GuestNotFound"), NotFound)
    refusals |= {"InstanceNotReady": Conflict, "NotImplementedError": NotImplementedHere, "AbilityMissing": NotImplementedHere}
    lines = None if length is None else int(length)
    answer = await ask(ctx, server, "get_console_output", refusals, tail_length=None if lines == -1 else lines)
    return {"output": CONTROL.sub("", answer["output"])}
