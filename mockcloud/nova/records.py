"""Rows of nova's database that its API, scheduler and conductor all write, and the shape a row has on the bus."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Table, bindparam, delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.api_tables import build_requests
from mockcloud.nova.tables import block_device_mapping, instance_actions, instance_actions_events, instance_faults, instances, services

_LATEST_ACTION = Prepared(
    select(instance_actions.c.id)
    .where(instance_actions.c.instance_uuid == bindparam("uuid"), instance_actions.c.request_id == bindparam("request_id"))
    .order_by(instance_actions.c.id.desc())
    .limit(1)
)


def to_message(row: Mapping[str, Any]) -> Row:
    """A row as it travels on the bus: times as ISO strings."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def from_message(table: Table, values: Mapping[str, Any]) -> Row:
    """Column values that came over the bus: ISO strings of time columns become times; a name that is no column is an error."""
    if unknown := sorted(name for name in values if name not in table.c):
        raise ValueError(f"{table.name} has no column {', '.join(unknown)}")
    return {
        name: datetime.fromisoformat(value) if isinstance(value, str) and isinstance(table.c[name].type, DateTime) else value
        for name, value in values.items()
    }


def alive(instance_uuid: str) -> ColumnElement[bool]:
    """The server's row while it is not deleted."""
    return (instances.c.uuid == instance_uuid) & instances.c.deleted_at.is_(None)


def in_cell_without_host(uuids: Collection[str]) -> ColumnElement[bool]:
    """Rows that no compute has taken up."""
    here = instances.c
    return here.uuid.in_(uuids) & here.deleted_at.is_(None) & (here.task_state == "scheduling") & here.host.is_(None)


def without_host(tx: Transaction, uuids: Collection[str]) -> set[str]:
    """In cells_v2, those of these servers that somebody still wants a host for: with a cell, or with a build request only."""
    asked = tx.all(select(build_requests.c.uuid).where(build_requests.c.uuid.in_(uuids)))
    return {row["uuid"] for row in (*asked, *tx.all(select(instances.c.uuid).where(in_cell_without_host(uuids))))}


def mark_deleted(tx: Transaction, now: datetime, instance_uuid: str) -> None:
    """The server's disks' rows are gone with it. Doing so twice is fine."""
    gone = {"deleted_at": now, "terminated_at": now, "updated_at": now, "vm_state": "deleted", "task_state": None, "progress": 0}
    tx.execute(update(instances).where(alive(instance_uuid)).values(**gone))
    tx.execute(delete(block_device_mapping).where(block_device_mapping.c.instance_uuid == instance_uuid))


def record_fault(
    tx: Transaction, now: datetime, instance_uuid: str, message: str, details: str, *, code: int = 500, host: str | None = None
) -> None:
    values = {"code": code, "message": message[:255], "details": details, "host": host}
    tx.insert(instance_faults, instance_uuid=instance_uuid, created_at=now, **values)


def start_event(tx: Transaction, now: datetime, request_id: str, instance_uuid: str, event: str, host: str) -> int | None:
    """Opens an event of the action that this request began; None when the request began none."""
    action_id = tx.scalar(_LATEST_ACTION, uuid=instance_uuid, request_id=request_id)
    if action_id is None:
        return None
    event_id: int = tx.insert(instance_actions_events, action_id=action_id, event=event, start_time=now, host=host)
    return event_id


def finish_event(tx: Transaction, now: datetime, event_id: int, exc: str | None = None, traceback: str | None = None) -> None:
    """Closes an event. One that ends with an error marks its action, as nova does."""
    events = instance_actions_events
    result = {"result": "Error" if exc else "Success", "traceback": traceback, "details": exc}
    tx.execute(update(events).where(events.c.id == event_id).values(finish_time=now, **result))
    marked = {"updated_at": now} | ({"message": "Error"} if exc else {})
    action_id = select(events.c.action_id).where(events.c.id == event_id).scalar_subquery()
    tx.execute(update(instance_actions).where(instance_actions.c.id == action_id).values(**marked))


def heartbeat(tx: Transaction, now: datetime, host: str, binary: str, topic: str) -> Row:
    """One sign of life of a service; its first one makes its row."""
    mine = (services.c.host == host, services.c.binary == binary)
    beat = {"last_seen_up": now, "updated_at": now, "report_count": services.c.report_count + 1}
    if not tx.execute(update(services).where(*mine).values(**beat)):
        row = {"host": host, "binary": binary, "topic": topic, "created_at": now, "last_seen_up": now, "report_count": 1}
        tx.insert(services, uuid=str(uuid.uuid4()), **row)
    found = tx.one(select(services).where(*mine))
    assert found is not None
    return found
