"""Rows by id, as far as the caller may see them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, bindparam, or_, select, update

from mockcloud.cinder import faults
from mockcloud.cinder.states import Change
from mockcloud.cinder.tables import messages, snapshots, volume_attachment, volume_type_projects, volume_types, volumes
from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import InternalError

UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
DEFAULT_TYPE = "__DEFAULT__"


_VOLUME = Prepared(select(volumes).where(volumes.c.id == bindparam("id")))
_ATTACHMENTS = Prepared(
    select(volume_attachment)
    .where(volume_attachment.c.volume_id == bindparam("id"))
    .order_by(volume_attachment.c.created_at, volume_attachment.c.id)
)


def is_admin(ctx: Context) -> bool:
    return ctx.can("context_is_admin")


def own(ctx: Context, stmt: Select[Any], table: Table) -> Select[Any]:
    """Only the caller's project's rows, unless an administrator asks."""
    return stmt if is_admin(ctx) else stmt.where(table.c.project_id == ctx.project_id)


def find_volume(ctx: Context, tx: Transaction, volume_id: str) -> Row:
    row = tx.one(_VOLUME, id=volume_id)
    if row is None or not (row["project_id"] == ctx.project_id or is_admin(ctx)):
        raise faults.volume_not_found(volume_id)
    return row


def find_snapshot(ctx: Context, tx: Transaction, snapshot_id: str) -> Row:
    row = tx.one(own(ctx, select(snapshots).where(snapshots.c.id == snapshot_id), snapshots))
    if row is None:
        raise faults.snapshot_not_found(snapshot_id)
    return row


def find_attachment(ctx: Context, tx: Transaction, attachment_id: str) -> Row:
    joined = select(volume_attachment).join(volumes, volumes.c.id == volume_attachment.c.volume_id)
    row = tx.one(own(ctx, joined.where(volume_attachment.c.id == attachment_id), volumes))
    if row is None:
        raise faults.attachment_not_found(attachment_id)
    return row


def find_message(ctx: Context, tx: Transaction, message_id: str) -> Row:
    row = tx.one(own(ctx, select(messages).where(messages.c.id == message_id), messages))
    if row is None:
        raise faults.message_not_found(message_id)
    return row


def visible_types(ctx: Context) -> Select[Any]:
    """Public types, and the private ones that the caller's project was given."""
    if is_admin(ctx):
        return select(volume_types)
    given = select(volume_type_projects.c.volume_type_id).where(volume_type_projects.c.project_id == ctx.project_id)
    return select(volume_types).where(or_(volume_types.c.is_public, volume_types.c.id.in_(given)))


def find_type(ctx: Context, tx: Transaction, type_id: str) -> Row:
    row = tx.one(visible_types(ctx).where(volume_types.c.id == type_id))
    if row is None:
        raise faults.type_not_found(type_id)
    return row


def find_type_by_name_or_id(ctx: Context, tx: Transaction, identity: str) -> Row:
    if UUID.match(identity):
        row = tx.one(visible_types(ctx).where(volume_types.c.id == identity))
        if row is not None:
            return row
    row = tx.one(visible_types(ctx).where(volume_types.c.name == identity))
    if row is None:
        raise faults.type_not_found_by_name(identity)
    return row


def default_type(tx: Transaction) -> Row:
    row = tx.one(select(volume_types).where(volume_types.c.name == DEFAULT_TYPE))
    if row is None:
        raise InternalError(f"The request cannot be fulfilled as the default volume type {DEFAULT_TYPE} cannot be found.")
    return row


def attachments_of(tx: Transaction, volume_id: str) -> list[Row]:
    return tx.all(_ATTACHMENTS, id=volume_id)


def apply(tx: Transaction, table: Table, row: Row, change: Change, now: datetime, **values: Any) -> bool:
    """Compare and set in one UPDATE; False when the row no longer allows the change."""
    stmt = update(table).where(table.c.id == row["id"])
    if change.allowed is not None:
        stmt = stmt.where(table.c.status.in_(change.allowed))
    for column, wanted in change.conditions.items():
        fits = table.c[column].in_([value for value in wanted if value is not None])
        stmt = stmt.where(or_(fits, table.c[column].is_(None)) if None in wanted else fits)
    if change.keep_previous:
        stmt = stmt.values(previous_status=table.c.status)
    return tx.execute(stmt.values(status=change.status, updated_at=now, **values)) == 1
