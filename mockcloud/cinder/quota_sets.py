"""Limits: of a project, of the defaults, and as the client's own `limits` call shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete

from mockcloud.cinder import faults, quota
from mockcloud.cinder.listing import is_true
from mockcloud.cinder.lookup import is_admin
from mockcloud.cinder.tables import quota_classes, quotas
from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query

SHOWN_LIMITS = {
    "maxTotalVolumes": "volumes",
    "maxTotalVolumeGigabytes": "gigabytes",
    "maxTotalSnapshots": "snapshots",
    "maxTotalBackups": "backups",
    "maxTotalBackupGigabytes": "backup_gigabytes",
}
SHOWN_USAGE = {
    "totalVolumesUsed": "volumes",
    "totalGigabytesUsed": "gigabytes",
    "totalSnapshotsUsed": "snapshots",
    "totalBackupsUsed": "backups",
    "totalBackupGigabytesUsed": "backup_gigabytes",
}
NOT_QUOTA = ("tenant_id", "id")


async def show_limits(ctx: Context, query: Query) -> Json:
    project_id = ctx.project_id
    if is_admin(ctx) and ctx.at_least("3.39"):
        project_id = query.get("project_id", query.get("tenant_id", project_id))
    with ctx.db.transaction() as tx:
        allowed = quota.limits(tx, project_id)
        in_use, _ = quota.usage(tx, project_id)
    absolute = {shown: allowed[name] for shown, name in SHOWN_LIMITS.items()}
    if ctx.can("limits_extension:used_limits"):
        absolute |= {shown: in_use.get(name, 0) for shown, name in SHOWN_USAGE.items()}
    return {"limits": {"rate": [], "absolute": absolute}}


async def show_quota_set(ctx: Context, quota_project_id: str, query: Query) -> Json:
    ctx.enforce("volume_extension:quotas:show", {"project_id": quota_project_id})
    with ctx.db.transaction() as tx:
        shown: dict[str, Any] = dict(quota.limits(tx, quota_project_id))
        if is_true(query.get("usage", "")):
            in_use, reserved = quota.usage(tx, quota_project_id)
            shown = {
                name: {"limit": limit, "in_use": in_use.get(name, 0), "reserved": reserved.get(name, 0)} for name, limit in shown.items()
            }
    return {"quota_set": {**shown, "id": quota_project_id}}


async def show_quota_set_defaults(ctx: Context, quota_project_id: str) -> Json:
    ctx.enforce("volume_extension:quotas:show", {"project_id": quota_project_id})
    with ctx.db.transaction() as tx:
        return {"quota_set": {**quota.class_limits(tx, quota.DEFAULT_CLASS), "id": quota_project_id}}


async def update_quota_set(ctx: Context, quota_project_id: str, body: Json) -> Json:
    wanted = {name: value for name, value in body["quota_set"].items() if name not in NOT_QUOTA}
    with ctx.db.transaction() as tx:
        limits = _checked(tx, wanted)
        in_use, reserved = quota.usage(tx, quota_project_id)
        for name, limit in limits.items():
            used = in_use.get(name, 0) + reserved.get(name, 0)
            if name != "per_volume_gigabytes" and -1 < limit < used:
                raise BadRequest(
                    f"Quota {name} limit must be equal or greater than existing resources. "
                    f"Current usage is {used} and the requested limit is {limit}."
                )
        _replace(tx, quotas, "project_id", quota_project_id, limits)
        return {"quota_set": quota.limits(tx, quota_project_id)}


async def delete_quota_set(ctx: Context, quota_project_id: str) -> None:
    with ctx.db.transaction() as tx:
        tx.execute(delete(quotas).where(quotas.c.project_id == quota_project_id))


async def show_quota_class_set(ctx: Context, class_name: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"quota_class_set": {**quota.class_limits(tx, class_name), "id": class_name}}


async def update_quota_class_set(ctx: Context, class_name: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        _replace(tx, quota_classes, "class_name", class_name, _checked(tx, body["quota_class_set"]))
        return {"quota_class_set": quota.class_limits(tx, class_name)}


def _checked(tx: Transaction, wanted: dict[str, Any]) -> dict[str, int]:
    """New limits as numbers, all of them of resources that there are."""
    known = quota.resources(tx)
    if bad := [name for name in wanted if name not in known]:
        raise faults.invalid_input(f"Bad key(s) in quota set: {', '.join(bad)}")
    limits = {name: int(value) for name, value in wanted.items()}
    for name, limit in limits.items():
        if limit < -1:
            raise BadRequest(f"{name} must be >= -1")
    return limits


def _replace(tx: Transaction, table: Table, owner: str, value: str, limits: dict[str, int]) -> None:
    for name, limit in limits.items():
        tx.execute(delete(table).where(table.c[owner] == value, table.c.resource == name))
        tx.insert(table, resource=name, hard_limit=limit, **{owner: value})
