"""Step 7: the rows that a launch begins with, all in one transaction."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden
from mockcloud.nova import quota
from mockcloud.nova.action_log import record_action
from mockcloud.nova.image_checks import properties_of
from mockcloud.nova.launch import Launch, flavor_copy, wants_config_drive
from mockcloud.nova.launch_request import guest_name
from mockcloud.nova.records import finish_event, record_fault, start_event
from mockcloud.nova.tables import block_device_mapping, instance_actions, instance_group_members, instances

SCHEDULING = (instances.c.vm_state == "building", instances.c.task_state == "scheduling", instances.c.host.is_(None))


def write_entries(ctx: Context, tx: Transaction, launch: Launch) -> list[Row]:
    """The new servers. The quota is checked here again: launches at the same time cannot exceed it together."""
    if launch.given_up:
        return []
    if launch.owner != (ctx.project_id, ctx.user_id):
        raise Forbidden("What was looked up for one user is not launched for another.")
    if known := read_entries(tx, launch):
        return known
    count, flavor, group_id = len(launch.uuids), launch.flavor, launch.request.group_id
    quota.check_servers(tx, ctx.project_id, ctx.user_id, flavor, count, count)
    for index, server_id in enumerate(launch.uuids):
        tx.insert(instances, **columns_of(ctx, launch, server_id, index))
        for device in launch.devices:
            disk = device.columns() | {"created_at": ctx.now(), "updated_at": ctx.now()}
            tx.insert(block_device_mapping, uuid=str(uuid.uuid4()), instance_uuid=server_id, **disk)
        record_action(ctx, tx, server_id, "create")
        if group_id is not None:
            quota.check_group_members(tx, ctx.project_id, ctx.user_id, group_id)
            tx.insert(instance_group_members, group_uuid=group_id, instance_uuid=server_id)
    return read_entries(tx, launch)


def columns_of(ctx: Context, launch: Launch, server_id: str, index: int) -> dict[str, Any]:
    """The row of one of the new servers."""
    return _shared(ctx, launch) | _own(launch, server_id, index)


def _own(launch: Launch, server_id: str, index: int) -> dict[str, Any]:
    """What tells the servers of one launch apart."""
    several, name = len(launch.uuids) > 1, launch.request.name
    hostname = launch.request.hostname or guest_name(name)
    suffix = f"-{index + 1}" if several else ""
    return {
        "uuid": server_id,
        "launch_index": index,
        "display_name": name + suffix,
        "hostname": hostname + suffix if hostname else f"Server-{server_id}",
    }


def _shared(ctx: Context, launch: Launch) -> dict[str, Any]:
    request, server, image, flavor = launch.request, launch.request.server, launch.image, launch.flavor
    now, key, properties = ctx.now(), launch.key, properties_of(launch.image)
    has_kernel = properties.get("kernel_id") not in (None, "nokernel")
    return {
        "created_at": now,
        "updated_at": now,
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        "display_description": request.description,
        "reservation_id": launch.reservation_id,
        "vm_state": "building",
        "task_state": "scheduling",
        "availability_zone": launch.zone,
        "image_ref": request.image_id,
        "kernel_id": properties["kernel_id"] if has_kernel else "",
        "ramdisk_id": properties.get("ramdisk_id") or "" if has_kernel else "",
        "flavor": flavor_copy(flavor),
        **{name: flavor[name] for name in ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap")},
        "key_name": key["name"] if key else None,
        "key_data": key["public_key"] if key else None,
        "user_data": server.get("user_data"),
        "config_drive": wants_config_drive(launch),
        "disk_config": server.get("OS-DCF:diskConfig") or ("AUTO" if _is_auto(image) else "MANUAL"),
        "access_ip_v4": server.get("accessIPv4"),
        "access_ip_v6": server.get("accessIPv6"),
        "root_device_name": _root_device(properties),
        "metadata": request.metadata,
        "tags": request.tags,
        "security_groups": launch.security_groups,
        "scheduler_hints": request.hints,
        "image_properties": properties,
        "trusted_certs": server.get("trusted_image_certificates"),
    }


def _is_auto(image: Any) -> bool:
    return str(image.get("auto_disk_config", "")).lower() in ("true", "1", "yes", "on")


def _root_device(properties: dict[str, Any]) -> str | None:
    name = properties.get("root_device_name")
    return f"/dev/{str(name).removeprefix('/dev/')}" if name else None


def read_entries(tx: Transaction, launch: Launch) -> list[Row]:
    return tx.all(select(instances).where(instances.c.uuid.in_(launch.uuids), instances.c.deleted_at.is_(None)).order_by(instances.c.id))


def erase_entries(tx: Transaction, launch: Launch) -> None:
    """As if nobody had asked: nothing has been told of these servers yet."""
    launch.given_up = True
    for table in (block_device_mapping, instance_actions, instance_group_members):
        tx.execute(delete(table).where(table.c.instance_uuid.in_(launch.uuids)))
    tx.execute(delete(instances).where(instances.c.uuid.in_(launch.uuids)))


def fail_entries(ctx: Context, tx: Transaction, launch: Launch, error: BaseException) -> list[Row]:
    """Servers that nobody found a host for fail; those that have one, or are deleted, stay as they are. What is left of all."""
    now, kind = ctx.now(), type(error).__name__
    for row in read_entries(tx, launch):
        failed = {"vm_state": "error", "task_state": None, "updated_at": now}
        if tx.execute(update(instances).where(instances.c.uuid == row["uuid"], *SCHEDULING).values(**failed)):
            record_fault(tx, now, row["uuid"], kind, f"{kind}: {error}")
            event_id = start_event(tx, now, ctx.request_id, row["uuid"], "schedule", "")
            if event_id is not None:
                finish_event(tx, now, event_id, kind)
    return read_entries(tx, launch)
