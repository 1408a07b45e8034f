"""Attachments: the newer way to give a volume to a server (nova's from Queens on)."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Select, select, update

from mockcloud.bus.base import RemoteError
from mockcloud.cinder import faults, listing, states
from mockcloud.cinder.connections import finish_detach
from mockcloud.cinder.in_use import refuse_if_nova_has_it
from mockcloud.cinder.lookup import apply, attachments_of, find_attachment, find_volume
from mockcloud.cinder.rpc import call_manager
from mockcloud.cinder.tables import volume_attachment, volumes
from mockcloud.cinder.usage import UsageNotifier
from mockcloud.cinder.views import brief_attachment, show_attachment_row
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, InternalError
from mockcloud.http.reply import Json, Query

RENAMED = {"status": "attach_status", "instance_id": "instance_uuid"}


async def list_attachments(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        return {"attachments": [brief_attachment(row) for row in _listed(ctx, tx, query)]}


async def list_attachments_detail(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        return {"attachments": [show_attachment_row(row) for row in _listed(ctx, tx, query)]}


def _listed(ctx: Context, tx: Transaction, query: Query) -> list[Row]:
    stmt: Select[Any] | None = select(volume_attachment).join(volumes, volumes.c.id == volume_attachment.c.volume_id)
    if stmt is not None and not listing.all_projects(ctx, query):
        stmt = stmt.where(volumes.c.project_id == ctx.project_id)
    filters = {RENAMED.get(name, name): value for name, value in listing.filters_of(ctx, query, "attachment").items()}
    if stmt is not None:
        stmt = listing.where_filters(stmt, volume_attachment, filters)
    unknown = faults.attachment_not_found(str(query.get("marker")))
    return listing.select_page(tx, stmt, volume_attachment, query, unknown)


async def show_attachment(ctx: Context, attachment_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"attachment": show_attachment_row(find_attachment(ctx, tx, attachment_id))}


async def create_attachment(ctx: Context, body: Json) -> Json:
    asked = body["attachment"]
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, asked["volume_uuid"])
        attachment_id = _reserve(ctx, tx, volume, asked)
    if asked.get("connector"):
        await _connect(ctx, volume, attachment_id, asked["connector"], "create attachment for volume")
    return await show_attachment(ctx, attachment_id)


def _reserve(ctx: Context, tx: Transaction, volume: Row, asked: dict[str, Any]) -> str:
    if "error" in volume["status"]:
        raise faults.invalid_volume(
            "Volume attachments can not be created if the volume is in an error state. "
            f"The Volume {volume['id']} currently has a status of: {volume['status']} "
        )
    if volume["multiattach"] and volume["status"] == "in-use" and volume["bootable"]:
        ctx.enforce("volume:multiattach_bootable_volume", volume)
    server_id = asked.get("instance_uuid")
    change = states.reserve(volume["multiattach"])
    if not apply(tx, volumes, volume, change, ctx.now()) and not _moves_host(tx, volume, server_id):
        raise faults.invalid_volume(
            f"Volume {volume['id']} status must be {states.either(change.allowed or ())} to reserve, "
            f"but the current status is {volume['status']}."
        )
    readonly = volume["admin_metadata"].get("readonly")
    attachment_id: str = tx.insert(
        volume_attachment,
        id=str(uuid.uuid4()),
        created_at=ctx.now(),
        volume_id=volume["id"],
        instance_uuid=server_id,
        attach_status="reserved",
        attach_mode="ro" if readonly else asked.get("mode", "null"),
    )
    return attachment_id


def _moves_host(tx: Transaction, volume: Row, server_id: str | None) -> bool:
    """The same server may reserve its volume again: it is being moved to another host."""
    if not server_id or volume["status"] not in ("in-use", "reserved"):
        return False
    return any(row["instance_uuid"] == server_id for row in attachments_of(tx, volume["id"]))


async def update_attachment(ctx: Context, attachment_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        attachment = find_attachment(ctx, tx, attachment_id)
        volume = find_volume(ctx, tx, attachment["volume_id"])
        _check_updatable(volume, attachments_of(tx, volume["id"]))
    await _connect(ctx, volume, attachment_id, body["attachment"]["connector"], "update attachment")
    return await show_attachment(ctx, attachment_id)


def _check_updatable(volume: Row, attachments: list[Row]) -> None:
    if "error" in volume["status"]:
        raise faults.resource_conflict(
            "Volume attachments can not be updated if the volume is in an error state. "
            f"The Volume {volume['id']} currently has a status of: {volume['status']} "
        )
    if len(attachments) > 1 and not volume["multiattach"] and any(row["connection_info"] for row in attachments):
        raise faults.resource_conflict(f"duplicate connectors detected on volume {volume['id']}")


async def _connect(ctx: Context, volume: Row, attachment_id: str, connector: dict[str, Any], purpose: str) -> None:
    try:
        await call_manager(ctx, volume, "attachment_update", volume_id=volume["id"], connector=connector, attachment_id=attachment_id)
    except RemoteError as error:
        if error.type == "InvalidInput":
            raise BadRequest(error.message) from None
        raise InternalError(f"Unable to {purpose} ({error.message}).") from None


async def complete_attachment(ctx: Context, attachment_id: str) -> None:
    with ctx.db.transaction() as tx:
        attachment = find_attachment(ctx, tx, attachment_id)
        done = update(volume_attachment).where(volume_attachment.c.id == attachment_id)
        tx.execute(done.values(attach_status="attached", updated_at=ctx.now()))
        in_use = update(volumes).where(volumes.c.id == attachment["volume_id"])
        tx.execute(in_use.values(status="in-use", attach_status="attached", updated_at=ctx.now()))
    await _usage(ctx).volume(ctx.request, "attach.end", attachment["volume_id"])


async def delete_attachment(ctx: Context, attachment_id: str) -> Json:
    with ctx.db.transaction() as tx:
        attachment = find_attachment(ctx, tx, attachment_id)
        volume = find_volume(ctx, tx, attachment["volume_id"])
    await refuse_if_nova_has_it(ctx, volume["id"], attachment)
    if attachment["attach_status"] == "reserved":
        await _usage(ctx).volume(ctx.request, "detach.start", volume["id"])
    else:
        await call_manager(ctx, volume, "attachment_delete", attachment_id=attachment_id, volume_id=volume["id"])
    with ctx.db.transaction() as tx:
        finish_detach(tx, find_volume(ctx, tx, volume["id"]), attachment_id, ctx.now())
        left = {"attachments": [brief_attachment(row) for row in attachments_of(tx, volume["id"])]}
    await _usage(ctx).volume(ctx.request, "detach.end", volume["id"])
    return left


def _usage(ctx: Context) -> UsageNotifier:
    return UsageNotifier(ctx.service.notifier, ctx.db)
