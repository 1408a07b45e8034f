"""Snapshots: create, list, show, update, delete, and what administrators do to them."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Select, select, update

from mockcloud.cinder import faults, listing, quota, states
from mockcloud.cinder.lookup import apply, find_snapshot, find_type, find_volume
from mockcloud.cinder.naming import named
from mockcloud.cinder.rpc import cast_manager
from mockcloud.cinder.tables import snapshots, volumes
from mockcloud.cinder.views import show_snapshot_row
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query

FORCE_IS_GONE = (
    "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when the 'force' "
    "flag is passed with a value evaluating to True, it is silently ignored."
)


async def list_snapshots(ctx: Context, query: Query) -> Json:
    return _listed(ctx, query, "snapshots", detail=False)


async def list_snapshots_detail(ctx: Context, query: Query) -> Json:
    return _listed(ctx, query, "snapshots/detail", detail=True)


def _listed(ctx: Context, query: Query, collection: str, detail: bool) -> Json:
    with ctx.db.transaction() as tx:
        stmt = _filtered(ctx, query)
        rows = listing.select_page(tx, stmt, snapshots, query, faults.snapshot_not_found(str(query.get("marker"))))
        more: dict[str, Any] = {}
        if links := listing.next_links(ctx, rows, query, collection):
            more["snapshots_links"] = links
        if listing.is_true(query.get("with_count", "")):
            more["count"] = listing.count_of(tx, stmt)
    return {"snapshots": [show_snapshot_row(ctx, row, detail) for row in rows], **more}


def _filtered(ctx: Context, query: Query) -> Select[Any] | None:
    filters = dict(listing.filters_of(ctx, query, "snapshot"))
    stmt: Select[Any] | None = select(snapshots)
    if stmt is not None and not listing.all_projects(ctx, query):
        stmt = stmt.where(snapshots.c.project_id == ctx.project_id)
    if (text := filters.pop("metadata", None)) is not None and stmt is not None:
        stmt = listing.where_dict(stmt, (snapshots.c.metadata,), text)
    if (zone := filters.pop("availability_zone", None)) is not None and stmt is not None:
        stmt = stmt.join(volumes, volumes.c.id == snapshots.c.volume_id).where(volumes.c.availability_zone == zone)
    if not listing.is_true(filters.pop("consumes_quota", "true")):
        return None
    return None if stmt is None else listing.where_filters(stmt, snapshots, filters)


async def create_snapshot(ctx: Context, body: Json) -> Json:
    asked = body["snapshot"]
    forced = asked.get("force")
    if ctx.at_least("3.66") and forced is not None and not listing.is_true(forced):
        raise BadRequest(FORCE_IS_GONE)
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, str(asked["volume_id"]))
        _check_source(volume, in_use_too=listing.is_true(forced) or ctx.at_least("3.66"))
        volume_type = find_type(ctx, tx, volume["volume_type_id"])
        quota.claim(tx, ctx.project_id, volume_type["name"], snapshots=1, gigabytes=volume["size"])
        row = _insert(ctx, tx, volume, asked)
    await cast_manager(ctx, volume, "create_snapshot", snapshot_id=row["id"])
    return {"snapshot": show_snapshot_row(ctx, row)}


def _check_source(volume: Row, in_use_too: bool) -> None:
    if not volume["host"]:
        raise faults.invalid_volume("The snapshot cannot be created because volume has not been scheduled to any host.")
    if volume["status"] == "maintenance":
        raise faults.invalid_volume("The snapshot cannot be created when the volume is in maintenance mode.")
    if volume["migration_status"] not in states.NOT_MIGRATING:
        raise faults.invalid_volume("Snapshot cannot be created while volume is migrating.")
    if volume["status"] == "error":
        raise faults.invalid_volume("The snapshot cannot be created when the volume is in error status.")
    valid = ("available", "in-use") if in_use_too else ("available",)
    if volume["status"] not in valid:
        raise faults.invalid_volume(f"Volume {volume['id']} status must be {', '.join(valid)}, but current status is: {volume['status']}.")


def _insert(ctx: Context, tx: Transaction, volume: Row, asked: dict[str, Any]) -> Row:
    values = {
        "created_at": ctx.now(),
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        "volume_id": volume["id"],
        "volume_type_id": volume["volume_type_id"],
        "volume_size": volume["size"],
        **named(asked),
        "status": "creating",
        "progress": "0%",
        "metadata": asked.get("metadata") or {},
        "glance_metadata": volume["glance_metadata"],
    }
    snapshot_id = tx.insert(snapshots, id=str(uuid.uuid4()), **values)
    return find_snapshot(ctx, tx, snapshot_id)


async def show_snapshot(ctx: Context, snapshot_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"snapshot": show_snapshot_row(ctx, find_snapshot(ctx, tx, snapshot_id))}


async def update_snapshot(ctx: Context, snapshot_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        find_snapshot(ctx, tx, snapshot_id)
        tx.execute(update(snapshots).where(snapshots.c.id == snapshot_id).values(updated_at=ctx.now(), **named(body["snapshot"])))
        return {"snapshot": show_snapshot_row(ctx, find_snapshot(ctx, tx, snapshot_id))}


async def delete_snapshot(ctx: Context, snapshot_id: str) -> None:
    await _delete(ctx, snapshot_id, states.SNAPSHOT_DELETABLE)


async def force_delete_snapshot(ctx: Context, snapshot_id: str) -> None:
    await _delete(ctx, snapshot_id, None)


async def _delete(ctx: Context, snapshot_id: str, allowed: states.Statuses | None) -> None:
    with ctx.db.transaction() as tx:
        row = find_snapshot(ctx, tx, snapshot_id)
        volume = tx.one(select(volumes).where(volumes.c.id == row["volume_id"]))
        if not apply(tx, snapshots, row, states.Change("deleting", allowed), ctx.now()):
            status = f"status must be {states.either(allowed or ())} and"
            raise faults.invalid_snapshot(f"Snapshot {status} must not be part of a group.")
    if volume is not None:
        await cast_manager(ctx, volume, "delete_snapshot", snapshot_id=snapshot_id)


async def reset_snapshot_status(ctx: Context, snapshot_id: str, body: Json) -> None:
    status = (body["status"] or "").lower()
    if status not in states.SNAPSHOT_STATUSES:
        raise BadRequest(f"Snapshot status: {body['status']} is invalid, valid statuses are: {states.SNAPSHOT_STATUSES}.")
    with ctx.db.transaction() as tx:
        find_snapshot(ctx, tx, snapshot_id)
        tx.execute(update(snapshots).where(snapshots.c.id == snapshot_id).values(status=status, updated_at=ctx.now()))


async def update_snapshot_status(ctx: Context, snapshot_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        row = find_snapshot(ctx, tx, snapshot_id)
        current, wanted = row["status"], body["status"]
        if current not in states.REPORTABLE:
            raise BadRequest(f"Snapshot status {current} not allowed for update_snapshot_status")
        if wanted not in states.REPORTABLE[current]:
            raise BadRequest(f"Provided snapshot status {wanted} not allowed for snapshot with status {current}.")
        values = {"status": wanted, "progress": body.get("progress") or row["progress"], "updated_at": ctx.now()}
        tx.execute(update(snapshots).where(snapshots.c.id == snapshot_id).values(**values))
