"""Volumes: create, list, show, update, delete."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, update

from mockcloud.cinder import faults, listing, quota, states
from mockcloud.cinder.lookup import apply, find_volume, is_admin
from mockcloud.cinder.naming import named
from mockcloud.cinder.rpc import cast_manager, cast_scheduler
from mockcloud.cinder.tables import snapshots, volumes
from mockcloud.cinder.views import brief_volume, show_volume_row, show_volumes
from mockcloud.cinder.volume_request import VolumeRequest, read_request
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query

COMPARISONS = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


async def list_volumes(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        rows, more = _listed(ctx, tx, query, "volumes")
    return {"volumes": [brief_volume(ctx, row) for row in rows], **more}


async def list_volumes_detail(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        rows, more = _listed(ctx, tx, query, "volumes/detail")
        return {"volumes": show_volumes(ctx, tx, rows), **more}


def _listed(ctx: Context, tx: Transaction, query: Query, collection: str) -> tuple[list[Row], dict[str, Any]]:
    """The rows of the page, and what a list says beside them."""
    stmt = _filtered(ctx, query)
    unknown = faults.volume_not_found(str(query.get("marker")))
    rows = listing.select_page(tx, stmt, volumes, query, unknown)
    more: dict[str, Any] = {}
    if links := listing.next_links(ctx, rows, query, collection):
        more["volumes_links"] = links
    if listing.is_true(query.get("with_count", "")):
        more["count"] = listing.count_of(tx, stmt)
    return rows, more


def _filtered(ctx: Context, query: Query) -> Select[Any] | None:
    filters: dict[str, Any] = dict(listing.filters_of(ctx, query, "volume"))
    stmt: Select[Any] | None = select(volumes)
    if stmt is not None and not listing.all_projects(ctx, query):
        stmt = stmt.where(volumes.c.project_id == ctx.project_id)
    if (text := filters.pop("metadata", None)) is not None and stmt is not None:
        stmt = listing.where_dict(stmt, (volumes.c.metadata, volumes.c.admin_metadata), text)
    if (text := filters.pop("glance_metadata", None)) is not None and stmt is not None:
        stmt = listing.where_dict(stmt, (volumes.c.glance_metadata,), text)
    for name in ("created_at", "updated_at"):
        if name in filters and stmt is not None:
            stmt = _compared(stmt, name, filters.pop(name))
    for name in ("bootable", "multiattach"):
        if name in filters:
            filters[name] = _flag(ctx, name, filters[name])
    if stmt is not None and not _counted(filters.pop("consumes_quota", None)):
        return None
    return None if stmt is None else listing.where_filters(stmt, volumes, filters)


def _counted(asked: str | None) -> bool:
    """Every volume here counts: nothing is found among those that do not."""
    return asked is None or listing.is_true(asked)


def _flag(ctx: Context, name: str, value: str) -> bool:
    """Before 3.2 anything but a no meant yes."""
    if ctx.at_least("3.2"):
        return listing.strict_bool(name, value)
    return value not in ("False", "false", "FALSE", "")


def _compared(stmt: Select[Any], name: str, text: str) -> Select[Any]:
    for part in text.split(","):
        operator, _, moment = part.partition(":")
        if operator not in COMPARISONS:
            raise BadRequest(f"Invalid {operator} operator")
        try:
            when = datetime.fromisoformat(moment)
            when = when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
        except (ValueError, OverflowError):  # the last hours of the year 9999 have no UTC
            raise BadRequest(f"Invalid {moment} value") from None
        stmt = stmt.where(COMPARISONS[operator](volumes.c[name], when))
    return stmt


async def show_volumes_summary(ctx: Context, query: Query) -> Json:
    stmt = select(volumes.c.size, volumes.c.metadata)
    if not listing.all_projects(ctx, query):
        stmt = stmt.where(volumes.c.project_id == ctx.project_id)
    rows = ctx.db.all(stmt)
    values: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for name, value in row["metadata"].items():
            values[name].add(value)
    distinct = {name: sorted(found) for name, found in values.items()}
    return {"volume-summary": {"total_count": len(rows), "total_size": sum(row["size"] for row in rows), "metadata": distinct}}


async def create_volume(ctx: Context, body: Json) -> Json:
    request = await read_request(ctx, body["volume"])
    with ctx.db.transaction() as tx:
        request.fill(ctx, tx)
        quota.claim(tx, ctx.project_id, request.type["name"], volumes=1, gigabytes=request.size, size=request.size)
        row = _insert(ctx, tx, request)
        view = show_volume_row(ctx, tx, row)
    image_id = request.image["id"] if request.image else None
    await cast_scheduler(ctx, "create_volume", volume_id=row["id"], image_id=image_id)
    return view


def _insert(ctx: Context, tx: Transaction, request: VolumeRequest) -> Row:
    values = {
        "created_at": ctx.now(),
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        **named(request.body),
        "size": request.size,
        "status": "creating",
        "volume_type_id": request.type["id"],
        "snapshot_id": request.snapshot["id"] if request.snapshot else None,
        "source_volid": request.source["id"] if request.source else None,
        "availability_zone": request.zone,
        "multiattach": request.multiattach,
        "metadata": request.body.get("metadata") or {},
    }
    volume_id = tx.insert(volumes, id=str(uuid.uuid4()), **values)
    return find_volume(ctx, tx, volume_id)


async def show_volume(ctx: Context, volume_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return show_volume_row(ctx, tx, find_volume(ctx, tx, volume_id))


async def update_volume(ctx: Context, volume_id: str, body: Json) -> Json:
    asked = body["volume"]
    values: dict[str, Any] = dict(named(asked))
    if "metadata" in asked:
        values["metadata"] = asked["metadata"]
    with ctx.db.transaction() as tx:
        row = find_volume(ctx, tx, volume_id)
        if row["status"] == "maintenance":
            raise faults.invalid_volume("The volume cannot be updated during maintenance.")
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(updated_at=ctx.now(), **values))
        return show_volume_row(ctx, tx, find_volume(ctx, tx, volume_id))


async def delete_volume(ctx: Context, volume_id: str, query: Query) -> None:
    force = listing.is_true(query.get("force", ""))
    cascade = listing.is_true(query.get("cascade", ""))
    if force:
        ctx.enforce("volume:force_delete")
    await _delete(ctx, volume_id, cascade=cascade, force=force)


async def force_delete_volume(ctx: Context, volume_id: str) -> None:
    await _delete(ctx, volume_id, cascade=False, force=True)


async def _delete(ctx: Context, volume_id: str, cascade: bool, force: bool) -> None:
    with ctx.db.transaction() as tx:
        row = find_volume(ctx, tx, volume_id)
        if not row["host"]:  # no backend ever had it
            tx.execute(volumes.delete().where(volumes.c.id == volume_id))
            return
        _mark_deleting(ctx, tx, row, cascade, force)
    await cast_manager(ctx, row, "delete_volume", volume_id=volume_id, cascade=cascade)


def _mark_deleting(ctx: Context, tx: Transaction, row: Row, cascade: bool, force: bool) -> None:
    stays = _snapshots_in_the_way(ctx, tx, row["id"], cascade, force)
    if stays or not apply(tx, volumes, row, states.delete(force), ctx.now(), terminated_at=ctx.now()):
        status = "" if force else f"status must be {states.either(states.DELETABLE)} and"
        raise faults.invalid_volume(
            f"Volume {status} must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, "
            "or be disassociated from snapshots after volume transfer."
        )
    if cascade:
        tx.execute(update(snapshots).where(snapshots.c.volume_id == row["id"]).values(status="deleting", updated_at=ctx.now()))


def _snapshots_in_the_way(ctx: Context, tx: Transaction, volume_id: str, cascade: bool, force: bool) -> bool:
    """Any snapshot, or with `cascade` those that may not be deleted along."""
    stmt = select(func.count()).select_from(snapshots).where(snapshots.c.volume_id == volume_id)
    if cascade and force:
        return False
    if cascade:
        blocked = snapshots.c.status.not_in(states.SNAPSHOT_CASCADE_DELETABLE)
        foreign = snapshots.c.project_id != ctx.project_id
        stmt = stmt.where(blocked if is_admin(ctx) else or_(blocked, foreign))
    return bool(tx.scalar(stmt))


async def show_volume_encryption(ctx: Context, volume_id: str) -> Json:
    with ctx.db.transaction() as tx:
        find_volume(ctx, tx, volume_id)
    return {"encryption_key_id": None}
