"""How a server comes into its cell: its rows are written there, its mapping filled, its build request deleted, all at once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from mockcloud.context import RequestContext
from mockcloud.db.engine import Row, Transaction
from mockcloud.nova.api_tables import CELL0, CELL1, build_requests, instance_mappings
from mockcloud.nova.records import alive, finish_event, in_cell_without_host, record_fault, start_event
from mockcloud.nova.tables import block_device_mapping, instance_actions, instances

EVENT = "conductor_schedule_and_build_instances"
NOWHERE = {"vm_state": "error", "task_state": None, "host": None, "node": None}


def under_way(tx: Transaction, uuids: Collection[str]) -> set[str]:
    """Those that a compute builds or has built: their claims are theirs."""
    here = instances.c
    built = select(here.uuid).where(here.uuid.in_(uuids), here.deleted_at.is_(None), here.vm_state != "error")
    return {row["uuid"] for row in tx.all(built)}


def move_in(tx: Transaction, now: datetime, ctx: RequestContext, instance_uuid: str) -> Row | None:
    """The server's row in its cell. None: it was deleted meanwhile, or has a host by now.

    A compute that has begun with it and has no host written yet will find that its room is elsewhere.
    """
    request = tx.one(select(build_requests).where(build_requests.c.uuid == instance_uuid))
    if request is not None:
        _write(tx, now, ctx, request, CELL1)
    to_build = (alive(instance_uuid), instances.c.vm_state == "building", instances.c.host.is_(None))
    return tx.one(select(instances).where(*to_build))


def bury(tx: Transaction, now: datetime, ctx: RequestContext, instance_uuid: str, error: Exception) -> bool:
    """A server without a host fails, with the reason; one that has no cell yet gets cell0. False: it is gone, or is being built."""
    request = tx.one(select(build_requests).where(build_requests.c.uuid == instance_uuid))
    if request is not None:
        _write(tx, now, ctx, request, CELL0)
    if not tx.execute(update(instances).where(in_cell_without_host([instance_uuid])).values(**NOWHERE, updated_at=now)):
        return False
    explain(tx, now, instance_uuid, error)
    return True


def record_failure(tx: Transaction, now: datetime, ctx: RequestContext, instance_uuid: str, error: Exception, host: str) -> None:
    """The conductor's event of the action: all that a server ever has that no host was found for."""
    event_id = start_event(tx, now, ctx.request_id, instance_uuid, EVENT, host)
    if event_id is not None:
        finish_event(tx, now, event_id, str(error) or type(error).__name__)


def asked_before(tx: Transaction, when: datetime) -> list[str]:
    """Servers that were asked for before then and that no compute has: without a cell, or not yet taken up."""
    here = instances.c
    idle = select(here.uuid).where(here.created_at < when, here.vm_state == "building", here.deleted_at.is_(None))
    found = tx.all(idle.where(or_(here.host.is_(None), here.task_state == "scheduling")))
    if tx.knows(build_requests):
        found += tx.all(select(build_requests.c.uuid).where(build_requests.c.created_at < when))
    return [row["uuid"] for row in found]


def end(tx: Transaction, now: datetime, ctx: RequestContext, instance_uuid: str, error: Exception) -> None:
    """Such a server fails."""
    request = tx.one(select(build_requests).where(build_requests.c.uuid == instance_uuid)) if tx.knows(build_requests) else None
    if request is not None:
        _write(tx, now, ctx, request, CELL0)
    tx.execute(update(instances).where(alive(instance_uuid), instances.c.vm_state == "building").values(**NOWHERE, updated_at=now))
    explain(tx, now, instance_uuid, error)


def explain(tx: Transaction, now: datetime, instance_uuid: str, error: Exception) -> None:
    """The fault, as users read it; where the error came over the bus, what it was there."""
    record_fault(tx, now, instance_uuid, str(error) or type(error).__name__, getattr(error, "traceback", "") or repr(error))


def _write(tx: Transaction, now: datetime, ctx: RequestContext, request: Row, cell: str) -> None:
    uuid_ = request["uuid"]
    tx.insert(instances, **{column.name: request[column.name] for column in instances.c if column.name != "id"})
    _write_disks(tx, now, uuid_, request["block_device_mappings"])
    began = {"created_at": now, "updated_at": now, "start_time": now, "request_id": ctx.request_id}
    who = {"user_id": request["user_id"], "project_id": request["project_id"]}
    tx.insert(instance_actions, instance_uuid=uuid_, action="create", **began, **who)
    mapped = update(instance_mappings).where(instance_mappings.c.instance_uuid == uuid_)
    tx.execute(mapped.values(cell_id=cell, updated_at=now))
    tx.execute(delete(build_requests).where(build_requests.c.uuid == uuid_))


def _write_disks(tx: Transaction, now: datetime, instance_uuid: str, disks: Sequence[Row]) -> None:
    for disk in disks:
        own = {"uuid": str(uuid.uuid4()), "instance_uuid": instance_uuid, "created_at": now, "updated_at": now}
        tx.insert(block_device_mapping, **disk, **own)
