"""What the scheduler reads and writes of servers in nova's database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.records import finish_event, record_fault, start_event
from mockcloud.nova.tables import compute_nodes, instance_group_members, instance_groups, instances
from mockcloud.scheduler.selection import NoValidHost, Selection
from mockcloud.scheduler.spec import Group

EVENT = "schedule"


def _members() -> Select[Any]:
    """Groups, a row for each member with its place."""
    g, m = instance_groups, instance_group_members
    return (
        select(g.c.uuid, g.c.policy, g.c.rules, m.c.instance_uuid, instances.c.host)
        .outerjoin(m, m.c.group_uuid == g.c.uuid)
        .outerjoin(instances, and_(instances.c.uuid == m.c.instance_uuid, instances.c.deleted_at.is_(None)))
    )


_GROUP = Prepared(_members().where(instance_groups.c.uuid == bindparam("uuid")))
_ITS_GROUPS = select(instance_group_members.c.group_uuid).where(instance_group_members.c.instance_uuid == bindparam("instance_uuid"))
_ITS_GROUP = Prepared(_members().where(instance_groups.c.uuid.in_(_ITS_GROUPS)))


def read_servers(tx: Transaction, uuids: Collection[str]) -> dict[str, Row]:
    """Rows by uuid, in the order asked for; deleted servers are missing."""
    alive = select(instances).where(instances.c.uuid.in_(uuids), instances.c.deleted_at.is_(None))
    rows = {row["uuid"]: row for row in tx.all(alive)}
    return {uuid: rows[uuid] for uuid in uuids if uuid in rows}


def read_group(tx: Transaction, instance_uuid: str, hint: str | None) -> Group | None:
    """The group of the hint, or the one that the server is a member of, with the places of its members."""
    rows = tx.all(_GROUP, uuid=hint) if hint else tx.all(_ITS_GROUP, instance_uuid=instance_uuid)
    if not rows:
        return None
    members = frozenset(row["instance_uuid"] for row in rows if row["instance_uuid"])
    hosts = {row["host"] for row in rows if row["host"]}
    limit = int((rows[0]["rules"] or {}).get("max_server_per_host", 1))
    return Group(rows[0]["uuid"], rows[0]["policy"], members, hosts, limit)


def read_node(tx: Transaction, host: str, node: str) -> str | None:
    """The uuid of a compute node."""
    found = select(compute_nodes.c.uuid).where(compute_nodes.c.host == host, compute_nodes.c.hypervisor_hostname == node)
    uuid: str | None = tx.scalar(found)
    return uuid


def place(tx: Transaction, now: datetime, instance_uuid: str, selection: Selection) -> bool:
    """Writes the chosen host. False: the server is gone or no longer waits for one."""
    here = and_(instances.c.host == selection.host, instances.c.node == selection.node)
    written: dict[str, Any] = {"host": selection.host, "node": selection.node, "host_zone": selection.zone}
    written |= {"scheduled_at": now, "updated_at": now}
    return bool(tx.execute(_waiting(instance_uuid).where(or_(instances.c.host.is_(None), here)).values(**written)))


def give_up(tx: Transaction, now: datetime, instance_uuid: str, error: Exception) -> bool:
    """The server fails, with a fault that says why. False: it is gone or no longer waits for a host."""
    failed: dict[str, Any] = {"vm_state": "error", "task_state": None, "host": None, "node": None, "updated_at": now}
    if not tx.execute(_waiting(instance_uuid).values(**failed)):
        return False
    explain(tx, now, instance_uuid, error)
    return True


def explain(tx: Transaction, now: datetime, instance_uuid: str, error: Exception) -> None:
    """The fault of a server without a host: nova's sentence for all, the rejections for the admin."""
    rejections = error.rejections if isinstance(error, NoValidHost) else ()
    message = str(error) if isinstance(error, NoValidHost) else type(error).__name__
    details = "\n".join([f"{type(error).__name__}: {error}", *map(str, rejections)])
    record_fault(tx, now, instance_uuid, message, details)


def record_event(
    tx: Transaction, began: datetime, now: datetime, instance_uuid: str, about: tuple[str, str], error: Exception | None = None
) -> None:
    """The event `schedule` of the server's action; `about` is the request's id and the scheduler's host."""
    event_id = start_event(tx, began, about[0], instance_uuid, EVENT, about[1])
    if event_id is not None:
        finish_event(tx, now, event_id, None if error is None else str(error) or type(error).__name__)


def _waiting(instance_uuid: str) -> Any:
    waiting = (instances.c.uuid == instance_uuid, instances.c.deleted_at.is_(None), instances.c.task_state == "scheduling")
    return update(instances).where(*waiting)
