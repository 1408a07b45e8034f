"""Rows as the API shows them. Everything is in a view; what the microversion does not know, the document drops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from mockcloud.cinder.lookup import attachments_of, is_admin
from mockcloud.cinder.tables import volume_attachment, volume_types
from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.reply import Json

_TYPES = Prepared(select(volume_types.c.id, volume_types.c.name))
SHOWN_STATUS = {"managing": "creating", "error_managing": "error", "error_managing_deleting": "deleting"}
USER_VISIBLE_EXTRA_SPECS = ("RESKEY:availability_zones", "multiattach", "replication_enabled")


def shown_time(value: datetime | None) -> str | None:
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.%f")


def links(ctx: Context, collection: str, id: str) -> Json:
    return [
        {"rel": "self", "href": ctx.url(f"/v3/{ctx.project_id}/{collection}/{id}")},
        {"rel": "bookmark", "href": ctx.url(f"/{ctx.project_id}/{collection}/{id}")},
    ]


def brief_volume(ctx: Context, row: Row) -> Json:
    return {"id": row["id"], "name": row["display_name"], "links": links(ctx, "volumes", row["id"])}


def show_volumes(ctx: Context, tx: Transaction, rows: Sequence[Row]) -> list[Json]:
    """Volumes in full, with their types' names and attachments read in two statements for all of them."""
    types = {row["id"]: row["name"] for row in tx.all(_TYPES)}
    attached = defaultdict(list)
    for attachment in _attachments(tx, [row["id"] for row in rows]):
        if attachment["attach_status"] == "attached":
            attached[attachment["volume_id"]].append(attachment)
    return [_volume(ctx, row, types.get(row["volume_type_id"]), attached[row["id"]]) for row in rows]


def _attachments(tx: Transaction, volume_ids: Sequence[str]) -> list[Row]:
    if len(volume_ids) == 1:
        return attachments_of(tx, volume_ids[0])
    stmt = select(volume_attachment).where(volume_attachment.c.volume_id.in_(volume_ids))
    return tx.all(stmt.order_by(volume_attachment.c.created_at, volume_attachment.c.id)) if volume_ids else []


def show_volume_row(ctx: Context, tx: Transaction, row: Row) -> Json:
    return {"volume": show_volumes(ctx, tx, [row])[0]}


def _volume(ctx: Context, row: Row, type_name: str | None, attachments: list[Row]) -> Json:
    view = {
        "id": row["id"],
        "status": SHOWN_STATUS.get(row["status"], row["status"]),
        "size": row["size"],
        "availability_zone": row["availability_zone"],
        "created_at": shown_time(row["created_at"]),
        "updated_at": shown_time(row["updated_at"]),
        "name": row["display_name"],
        "description": row["display_description"],
        "volume_type": type_name,
        "volume_type_id": row["volume_type_id"],
        "snapshot_id": row["snapshot_id"],
        "source_volid": row["source_volid"],
        "metadata": {**row["metadata"], **row["admin_metadata"]},
        "links": links(ctx, "volumes", row["id"]),
        "user_id": row["user_id"],
        "bootable": str(row["bootable"]).lower(),
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "group_id": None,
        "multiattach": row["multiattach"],
        "attachments": [_volume_attachment(ctx, attachment) for attachment in attachments],
        "shared_targets": False,
        "service_uuid": row["service_uuid"],
        "consumes_quota": True,
    }
    if row["glance_metadata"] and ctx.can("volume_extension:volume_image_metadata:show", row):
        view["volume_image_metadata"] = {name: _text(value) for name, value in row["glance_metadata"].items()}
    return view | _restricted(ctx, row)


def _restricted(ctx: Context, row: Row) -> Json:
    view: dict[str, Any] = {}
    if is_admin(ctx):
        view |= {"migration_status": row["migration_status"], "provider_id": None, "cluster_name": None}
    if ctx.can("volume_extension:volume_tenant_attribute", row):
        view["os-vol-tenant-attr:tenant_id"] = row["project_id"]
    if ctx.can("volume_extension:volume_host_attribute", row):
        view["os-vol-host-attr:host"] = row["host"]
    if ctx.can("volume_extension:volume_mig_status_attribute", row):
        view |= {"os-vol-mig-status-attr:migstat": row["migration_status"], "os-vol-mig-status-attr:name_id": None}
    return view


def _volume_attachment(ctx: Context, row: Row) -> Json:
    knows_hosts = is_admin(ctx) or "service" in ctx.roles
    return {
        "id": row["volume_id"],
        "attachment_id": row["id"],
        "volume_id": row["volume_id"],
        "server_id": row["instance_uuid"],
        "host_name": row["attached_host"] if knows_hosts else None,
        "device": row["mountpoint"],
        "attached_at": shown_time(row["attach_time"]),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def brief_attachment(row: Row) -> Json:
    return {"id": row["id"], "status": row["attach_status"], "instance": row["instance_uuid"], "volume_id": row["volume_id"]}


def show_attachment_row(row: Row) -> Json:
    return brief_attachment(row) | {
        "attached_at": shown_time(row["attach_time"]) or "",
        "detached_at": shown_time(row["detach_time"]) or "",
        "attach_mode": row["attach_mode"],
        "connection_info": row["connection_info"] or {},
    }


def show_snapshot_row(ctx: Context, row: Row, detail: bool = True) -> Json:
    view = {
        "id": row["id"],
        "created_at": shown_time(row["created_at"]),
        "updated_at": shown_time(row["updated_at"]),
        "name": row["display_name"],
        "description": row["display_description"],
        "volume_id": row["volume_id"],
        "status": row["status"],
        "size": row["volume_size"],
        "metadata": row["metadata"],
    }
    if not detail:
        return view
    view |= {"group_snapshot_id": None, "user_id": row["user_id"], "consumes_quota": True}
    if ctx.can("volume_extension:extended_snapshot_attributes", row):
        view["os-extended-snapshot-attributes:project_id"] = row["project_id"]
        view["os-extended-snapshot-attributes:progress"] = row["progress"]
    return view


def show_type_row(ctx: Context, row: Row) -> Json:
    view = {"id": row["id"], "name": row["name"], "is_public": row["is_public"], "description": row["description"]}
    if ctx.can("volume_extension:access_types_extra_specs"):
        view["extra_specs"] = visible_extra_specs(ctx, row["extra_specs"])
    if ctx.can("volume_extension:access_types_qos_specs_id"):
        view["qos_specs_id"] = None
    if ctx.can("volume_extension:volume_type_access"):
        view["os-volume-type-access:is_public"] = row["is_public"]
    return view


def visible_extra_specs(ctx: Context, specs: Mapping[str, Any]) -> Json:
    """Users see only the specs that concern them."""
    if ctx.can("volume_extension:types_extra_specs:read_sensitive"):
        return dict(specs)
    return {name: specs[name] for name in USER_VISIBLE_EXTRA_SPECS if name in specs}
