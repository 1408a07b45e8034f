"""The rows around a server: its events, disks, migrations; and the computes' own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, delete, select, update

from mockcloud.conductor.errors import MigrationNotFound, VolumeBDMNotFound
from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.records import finish_event, from_message
from mockcloud.nova.tables import (
    block_device_mapping,
    compute_nodes,
    instance_actions,
    instance_actions_events,
    instance_group_members,
    instance_groups,
    instances,
    migrations,
)

Values = Mapping[str, Any]
_DISKS_OF = Prepared(
    select(block_device_mapping).where(block_device_mapping.c.instance_uuid == bindparam("uuid")).order_by(block_device_mapping.c.id)
)

_ITS_ACTIONS = select(instance_actions.c.id).where(
    instance_actions.c.instance_uuid == bindparam("uuid"), instance_actions.c.request_id == bindparam("request_id")
)
_OPEN_EVENT = Prepared(
    select(instance_actions_events.c.id)
    .where(
        instance_actions_events.c.action_id.in_(_ITS_ACTIONS),
        instance_actions_events.c.event == bindparam("event"),
        instance_actions_events.c.finish_time.is_(None),
    )
    .order_by(instance_actions_events.c.id.desc())
    .limit(1)
)


_ITS_EVENT = Prepared(
    select(instance_actions_events.c.id).where(
        instance_actions_events.c.action_id.in_(_ITS_ACTIONS),
        instance_actions_events.c.event == bindparam("event"),
        instance_actions_events.c.host == bindparam("host"),
    )
)


def has_event(tx: Transaction, request_id: str, instance_uuid: str, event: str, host: str) -> bool:
    return tx.one(_ITS_EVENT, uuid=instance_uuid, request_id=request_id, event=event, host=host) is not None


def close_event(
    tx: Transaction, now: datetime, request_id: str, instance_uuid: str, event: str, exc: str | None, traceback: str | None
) -> None:
    """Closes the latest open event of that name; a second closing finds none."""
    event_id = tx.scalar(_OPEN_EVENT, uuid=instance_uuid, request_id=request_id, event=event)
    if event_id is not None:
        finish_event(tx, now, event_id, exc, traceback)


def read_mappings(tx: Transaction, instance_uuid: str) -> list[Row]:
    return tx.all(_DISKS_OF, uuid=instance_uuid)


def create_mapping(tx: Transaction, now: datetime, values: Values) -> Row:
    return _create(tx, now, block_device_mapping, values)


def update_mapping(tx: Transaction, now: datetime, bdm_id: int, values: Values) -> Row:
    row = _update(tx, now, block_device_mapping, bdm_id, values)
    if row is None:
        raise VolumeBDMNotFound(bdm_id)
    return row


def destroy_mapping(tx: Transaction, bdm_id: int) -> None:
    tx.execute(delete(block_device_mapping).where(block_device_mapping.c.id == bdm_id))


def create_migration(tx: Transaction, now: datetime, values: Values) -> Row:
    return _create(tx, now, migrations, values)


def update_migration(tx: Transaction, now: datetime, migration_id: int, values: Values) -> Row:
    row = _update(tx, now, migrations, migration_id, values)
    if row is None:
        raise MigrationNotFound(migration_id)
    return row


def read_open_migration(tx: Transaction, instance_uuid: str) -> Row | None:
    t = migrations
    latest = tx.one(select(t).where(t.c.instance_uuid == instance_uuid).order_by(t.c.id.desc()).limit(1))
    return None if latest is None or latest["status"] in ("confirmed", "reverted") else latest


def read_group(tx: Transaction, group_uuid: str) -> Row | None:
    group = tx.one(select(instance_groups).where(instance_groups.c.uuid == group_uuid))
    if group is None:
        return None
    mine = select(instance_group_members.c.instance_uuid).where(instance_group_members.c.group_uuid == group_uuid)
    placed = select(instances.c.uuid, instances.c.host).where(
        instances.c.uuid.in_(mine), instances.c.host.is_not(None), instances.c.deleted_at.is_(None)
    )
    return {"policy": group["policy"], "rules": group["rules"], "hosts": {row["uuid"]: row["host"] for row in tx.all(placed)}}


def save_compute_node(tx: Transaction, now: datetime, host: str, node: str, values: Values) -> Row:
    """Creates it at the first report."""
    t = compute_nodes
    mine = (t.c.host == host, t.c.hypervisor_hostname == node)
    written = from_message(t, values)
    if not tx.execute(update(t).where(*mine).values(**{"updated_at": now} | written)):
        return _create(tx, now, t, {"host": host, "hypervisor_hostname": node, **values})
    row = tx.one(select(t).where(*mine))
    assert row is not None
    return row


def _create(tx: Transaction, now: datetime, table: Table, values: Values) -> Row:
    row = {"uuid": str(uuid.uuid4()), "created_at": now, "updated_at": now} | from_message(table, values)
    key = tx.insert(table, **row)
    made = tx.one(select(table).where(table.c.id == key))
    assert made is not None
    return made


def _update(tx: Transaction, now: datetime, table: Table, key: int, values: Values) -> Row | None:
    changed = {"updated_at": now} | from_message(table, values)
    tx.execute(update(table).where(table.c.id == key).values(**changed))
    return tx.one(select(table).where(table.c.id == key))
