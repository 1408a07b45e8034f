"""What else can be done to a volume: size, type, flags, statuses, a step back in time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select, update

from mockcloud.cinder import faults, quota, states
from mockcloud.cinder.listing import is_true
from mockcloud.cinder.lookup import apply, attachments_of, find_type, find_type_by_name_or_id, find_volume
from mockcloud.cinder.rpc import cast_manager
from mockcloud.cinder.tables import snapshots, volume_attachment, volumes
from mockcloud.cinder.volume_request import check_type_size, is_multiattach
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict
from mockcloud.http.reply import Json

NOT_TO_BE_SET = ("deleting", "error_deleting", "detaching")


async def extend_volume(ctx: Context, volume_id: str, body: Json) -> None:
    new_size = int(body["new_size"])
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        attached = ctx.at_least("3.42") and volume["status"] == "in-use"
        if attached:
            ctx.enforce("volume:extend_attached_volume", volume)
        _extend(ctx, tx, volume, new_size, states.extend(attached))
    await cast_manager(ctx, volume, "extend_volume", volume_id=volume_id, new_size=new_size)


def _extend(ctx: Context, tx: Transaction, volume: Row, new_size: int, change: states.Change) -> None:
    growth = new_size - volume["size"]
    if growth <= 0:
        raise faults.invalid_input(
            f"New size for extend must be greater than current size. (current: {volume['size']}, extended: {new_size})."
        )
    volume_type = find_type(ctx, tx, volume["volume_type_id"])
    check_type_size(volume_type, new_size)
    if not change.fits(volume):
        expected = {"status": (change.allowed or ("",))[0]}
        raise faults.invalid_volume(f"Volume {volume['id']} status must be '{expected}' to extend, currently {volume['status']}.")
    quota.claim(tx, volume["project_id"], volume_type["name"], gigabytes=growth, size=new_size)
    apply(tx, volumes, volume, change, ctx.now(), new_size=new_size)


async def set_volume_bootable(ctx: Context, volume_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        find_volume(ctx, tx, volume_id)
        flagged = {"bootable": is_true(body["bootable"]), "updated_at": ctx.now()}
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**flagged))


async def update_volume_readonly_flag(ctx: Context, volume_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        if volume["status"] != "available":
            raise faults.invalid_volume(
                f"Volume {volume_id} status must be available to update readonly flag, but current status is: {volume['status']}."
            )
        noted = {**volume["admin_metadata"], "readonly": str(is_true(body["readonly"]))}
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(admin_metadata=noted, updated_at=ctx.now()))


async def retype_volume(ctx: Context, volume_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        new_type = find_type_by_name_or_id(ctx, tx, body["new_type"])
        check_type_size(new_type, volume["size"])
        multiattach = is_multiattach(new_type)
        _check_multiattach(ctx, volume, multiattach)
        _claim_in_type(tx, volume, new_type["name"])
        if volume["volume_type_id"] == new_type["id"] or not apply(tx, volumes, volume, states.RETYPE, ctx.now()):
            raise faults.invalid_volume(
                "Retype needs volume to be in available or in-use state, not be part of an active migration or a consistency group, "
                "requested type has to be different that the one from the volume, and for in-use volumes front-end qos specs "
                "cannot change."
            )
    await cast_manager(ctx, volume, "retype", volume_id=volume_id, new_type_id=new_type["id"], multiattach=multiattach)


def _check_multiattach(ctx: Context, volume: Row, wanted: bool) -> None:
    if volume["multiattach"] == wanted:
        return
    if volume["status"] != "available":
        raise faults.invalid_input(
            "Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, "
            f"the specified volume however currently has a status of: {volume['status']}."
        )
    if wanted:
        ctx.enforce("volume:multiattach", volume)


def _claim_in_type(tx: Transaction, volume: Row, type_name: str) -> None:
    """The new type's own limits; the project's total stays as it is."""
    quota.claim_in_type(tx, volume["project_id"], type_name, volumes=1, gigabytes=volume["size"])


async def revert_volume(ctx: Context, volume_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        snapshot = _latest_snapshot(tx, volume, body.get("snapshot_id"))
        if not apply(tx, volumes, volume, states.REVERT, ctx.now()):
            raise _irreversible(volume_id, snapshot["id"], "Invalid volume", "Volume's")
        if not apply(tx, snapshots, snapshot, states.Change("restoring", ("available",)), ctx.now()):
            raise _irreversible(volume_id, snapshot["id"], "Invalid snapshot", "Snapshot's")
    await cast_manager(ctx, volume, "revert_to_snapshot", volume_id=volume_id, snapshot_id=snapshot["id"])


def _latest_snapshot(tx: Transaction, volume: Row, wanted: str | None) -> Row:
    stmt = select(snapshots).where(snapshots.c.volume_id == volume["id"])
    latest = tx.one(stmt.order_by(snapshots.c.created_at.desc(), snapshots.c.id.desc()).limit(1))
    if latest is None:
        raise BadRequest(f"Volume {volume['id']} doesn't have any snapshots.")
    if wanted != latest["id"]:
        raise BadRequest(f"Specified snapshot {wanted} is None or not the latest one of volume {volume['id']}.")
    if volume["size"] != latest["volume_size"]:
        raise BadRequest(
            f"Can't revert volume {volume['id']} to its latest snapshot {wanted}. The volume size must be equal to the snapshot size."
        )
    return latest


def _irreversible(volume_id: str, snapshot_id: str, kind: str, whose: str) -> Conflict:
    return Conflict(f"{kind}: Can't revert volume {volume_id} to its latest snapshot {snapshot_id}. {whose} status must be 'available'.")


async def reset_volume_status(ctx: Context, volume_id: str, body: Json) -> None:
    wanted = {name: value.lower() for name, value in body.items() if value}
    _check_reset(wanted)
    values: dict[str, Any] = {**wanted, "updated_at": ctx.now()}
    if wanted.get("migration_status") == "none":
        values["migration_status"] = None
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        if wanted.get("status") in NOT_TO_BE_SET:
            raise BadRequest(f"Cannot reset-state to {wanted['status']}")
        if wanted.get("status") == "in-use" and not attachments_of(tx, volume_id):
            raise BadRequest("Cannot reset-state to in-use because volume does not have any attachments.")
        if wanted.get("attach_status") == "detached":
            tx.execute(delete(volume_attachment).where(volume_attachment.c.volume_id == volume_id))
            values["admin_metadata"] = {name: text for name, text in volume["admin_metadata"].items() if name != "attached_mode"}
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**values))


def _check_reset(wanted: dict[str, str]) -> None:
    if not wanted:
        raise BadRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
    _check_among("Volume status", wanted.get("status"), states.VOLUME_STATUSES)
    _check_among("Volume attach status", wanted.get("attach_status"), states.ATTACH_STATUSES)
    _check_among("Volume migration status", wanted.get("migration_status"), states.MIGRATION_STATUSES)


def _check_among(what: str, value: str | None, valid: Iterable[str]) -> None:
    if value is not None and value not in valid:
        raise BadRequest(f"{what}: {value} is invalid, valid statuses are: {tuple(valid)}.")
