"""The older way to give a volume to a server: one action a step (nova's up to Pike)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from mockcloud.bus.base import RemoteError
from mockcloud.cinder import faults, states
from mockcloud.cinder.in_use import refuse_if_nova_has_volume
from mockcloud.cinder.lookup import apply, attachments_of, find_volume
from mockcloud.cinder.rpc import call_manager
from mockcloud.cinder.tables import volumes
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json

USERS_MISTAKES = ("InvalidVolume", "InvalidUUID", "InvalidVolumeAttachMode", "VolumeAttachmentNotFound")


async def attach_volume(ctx: Context, volume_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        if volume["status"] == "maintenance":
            raise faults.invalid_volume("The volume cannot be attached in maintenance mode.")
        _check_mode(ctx, tx, volume, body.get("mode", "rw"))
    args = {
        "instance_uuid": body.get("instance_uuid"),
        "host_name": body.get("host_name"),
        "mountpoint": body["mountpoint"],
        "mode": body.get("mode", "rw"),
    }
    await _call(ctx, volume, "attach_volume", "Error attaching volume", args)


def _check_mode(ctx: Context, tx: Transaction, volume: Row, mode: str) -> None:
    """Every volume that was ever attached says whether it is read-only."""
    noted = {"readonly": "False", **volume["admin_metadata"]}
    tx.execute(update(volumes).where(volumes.c.id == volume["id"]).values(admin_metadata=noted))
    if noted["readonly"] == "True" and mode != "ro":
        raise BadRequest(f"Invalid attaching mode '{mode}' for volume {volume['id']}.")


async def detach_volume(ctx: Context, volume_id: str, body: Json) -> None:
    await _detach(ctx, volume_id, (body or {}).get("attachment_id"), "Error detaching volume")


async def _detach(ctx: Context, volume_id: str, attachment_id: str | None, failure: str) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
    await refuse_if_nova_has_volume(ctx, volume_id, attachment_id)
    if volume["status"] == "maintenance":
        raise faults.invalid_volume("The volume cannot be detached in maintenance mode.")
    await _call(ctx, volume, "detach_volume", failure, {"attachment_id": attachment_id})


async def _call(ctx: Context, volume: Row, method: str, failure: str, args: dict[str, Any]) -> Any:
    """Asks the manager; what it refuses is the caller's mistake."""
    if not volume["host"]:
        raise faults.invalid_volume("the volume has not been scheduled to any host.")
    try:
        return await call_manager(ctx, volume, method, volume_id=volume["id"], **args)
    except RemoteError as error:
        if error.type == "InvalidInput":
            raise BadRequest(error.message) from None
        if error.type == "VolumeNotFound":
            raise faults.volume_not_found(volume["id"]) from None
        if error.type in USERS_MISTAKES:
            raise BadRequest(f"{failure} - {error.type}: {error.message}") from None
        raise


async def reserve_volume(ctx: Context, volume_id: str) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        change = states.reserve_by_action(volume["multiattach"])
        if not apply(tx, volumes, volume, change, ctx.now()):
            expected = states.either(change.allowed or ())
            raise faults.invalid_volume(f"Volume status must be {expected} to reserve, but the status is {volume['status']}.")


async def unreserve_volume(ctx: Context, volume_id: str) -> None:
    with ctx.db.transaction() as tx:
        _unreserve(ctx, tx, find_volume(ctx, tx, volume_id))


def _unreserve(ctx: Context, tx: Transaction, volume: Row) -> None:
    """A volume that nobody had reserved stays as it is."""
    back = "in-use" if attachments_of(tx, volume["id"]) else "available"
    apply(tx, volumes, volume, states.Change(back, ("attaching",)), ctx.now())


async def begin_detaching_volume(ctx: Context, volume_id: str) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        begun = apply(tx, volumes, volume, states.BEGIN_DETACHING, ctx.now())
        if not begun and volume["migration_status"] in states.NOT_MIGRATING:
            raise faults.invalid_volume(
                "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach."
            )


async def roll_detaching_volume(ctx: Context, volume_id: str) -> None:
    with ctx.db.transaction() as tx:
        apply(tx, volumes, find_volume(ctx, tx, volume_id), states.ROLL_DETACHING, ctx.now())


async def initialize_volume_connection(ctx: Context, volume_id: str, body: Json) -> Json:
    connector = body["connector"]
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
    if volume["status"] == "maintenance":
        raise faults.invalid_volume("The volume connection cannot be initialized in maintenance mode.")
    info = await _call(ctx, volume, "initialize_connection", "Error connecting volume", {"connector": connector})
    return {"connection_info": {**info, "enforce_multipath": connector.get("enforce_multipath", False)}}


async def terminate_volume_connection(ctx: Context, volume_id: str, body: Json) -> None:
    await _terminate(ctx, volume_id, body["connector"])


async def _terminate(ctx: Context, volume_id: str, connector: Any) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
    await refuse_if_nova_has_volume(ctx, volume_id)
    await _call(ctx, volume, "terminate_connection", "Error disconnecting volume", {"connector": connector})
    with ctx.db.transaction() as tx:
        _unreserve(ctx, tx, find_volume(ctx, tx, volume_id))


async def force_detach_volume(ctx: Context, volume_id: str, body: Json) -> None:
    await _terminate(ctx, volume_id, body.get("connector"))
    await _detach(ctx, volume_id, body.get("attachment_id"), "Error force detaching volume")
