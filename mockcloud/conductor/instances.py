"""Servers' rows: read, and saved by compare and set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select, update

from mockcloud.conductor.errors import InstanceNotFound, UnexpectedTaskStateError
from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.records import alive, from_message
from mockcloud.nova.tables import instances
from mockcloud.nova.zones import read_zones

_BY_UUID = Prepared(select(instances).where(instances.c.uuid == bindparam("uuid"), instances.c.deleted_at.is_(None)))
KEPT = ("id", "uuid", "created_at", "deleted_at", "project_id", "user_id")


def read(tx: Transaction, instance_uuid: str) -> Row:
    row = tx.one(_BY_UUID, uuid=instance_uuid)
    if row is None:
        raise InstanceNotFound(instance_uuid)
    return row


def read_of_host(tx: Transaction, host: str) -> list[Row]:
    return tx.all(select(instances).where(instances.c.host == host, instances.c.deleted_at.is_(None)).order_by(instances.c.id))


def save(tx: Transaction, now: datetime, instance_uuid: str, updates: Mapping[str, Any], expected: Mapping[str, Sequence[Any]]) -> Row:
    """Writes, and reads what is there then."""
    write(tx, now, instance_uuid, updates, expected)
    return read(tx, instance_uuid)


def write(tx: Transaction, now: datetime, instance_uuid: str, updates: Mapping[str, Any], expected: Mapping[str, Sequence[Any]]) -> None:
    """Writes only while each expected column holds one of its values. The zone goes with the host."""
    values: dict[str, Any] = {"updated_at": now} | from_message(instances, updates)
    if refused := sorted(set(values) & set(KEPT)):
        raise ValueError(f"instance_update does not change {', '.join(refused)}")
    if "host" in values:
        values["host_zone"] = read_zones(tx).get(values["host"] or "")
    conditions = [_one_of(instances.c[name], allowed) for name, allowed in expected.items()]
    if not tx.execute(update(instances).where(alive(instance_uuid), *conditions).values(**values)):
        row = read(tx, instance_uuid)
        raise UnexpectedTaskStateError(instance_uuid, dict(expected), {name: row[name] for name in expected})


def _one_of(column: ColumnElement[Any], allowed: Sequence[Any]) -> ColumnElement[bool]:
    """SQL's IN never matches NULL, and costs three times what an equality does."""
    matched: ColumnElement[bool]
    if len(allowed) == 1:
        matched = column == allowed[0]
        return matched
    matched = column.in_([value for value in allowed if value is not None])
    return or_(matched, column.is_(None)) if None in allowed else matched
