"""Quotas: what a project may have at most."""

from __future__ import annotations

from sqlalchemy import Table, delete, func, select

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, Forbidden
from mockcloud.http.reply import Json
from mockcloud.neutron.tables import networks, ports, quotas, security_group_rules, security_groups, subnets

DEFAULTS = {
    "network": 100, "subnet": 100, "port": 500, "security_group": 10, "security_group_rule": 100, "router": 10, "floatingip": 50,
    "subnetpool": -1, "rbac_policy": 10, "trunk": -1,
}  # fmt: skip
COUNTED: dict[str, Table] = {
    "network": networks, "subnet": subnets, "port": ports, "security_group": security_groups, "security_group_rule": security_group_rules,
}  # fmt: skip


def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    rows = tx.all(select(quotas).where(quotas.c.project_id == project_id))
    return DEFAULTS | {row["resource"]: row["limit"] for row in rows}


def used(tx: Transaction, project_id: str, resource: str) -> int:
    table = COUNTED.get(resource)
    if table is None:
        return 0
    return int(tx.scalar(select(func.count()).select_from(table).where(table.c.project_id == project_id)) or 0)


def check(tx: Transaction, project_id: str, resource: str, more: int = 1) -> None:
    """Raises 409 OverQuota when the project may not have `more` of it."""
    limit = limits(tx, project_id)[resource]
    if 0 <= limit < used(tx, project_id, resource) + more:
        raise Conflict(f"Quota exceeded for resources: ['{resource}'].", type="OverQuota")


async def list_quotas(ctx: Context) -> Json:
    with ctx.db.transaction() as tx:
        projects = sorted({row["project_id"] for row in tx.all(select(quotas.c.project_id))})
        if not ctx.can("context_is_admin"):
            projects = [project for project in projects if project == ctx.project_id]
        return {"quotas": [limits(tx, project) | {"project_id": project, "tenant_id": project} for project in projects]}


async def show_quota(ctx: Context, quota_project_id: str) -> Json:
    _allow(ctx, quota_project_id)
    with ctx.db.transaction() as tx:
        return {"quota": limits(tx, quota_project_id)}


async def show_default_quota(ctx: Context, quota_project_id: str) -> Json:
    return {"quota": dict(DEFAULTS)}


async def show_quota_details(ctx: Context, quota_project_id: str) -> Json:
    _allow(ctx, quota_project_id)
    with ctx.db.transaction() as tx:
        found = limits(tx, quota_project_id)
        shown = {name: {"limit": limit, "used": used(tx, quota_project_id, name), "reserved": 0} for name, limit in found.items()}
    return {"quota": shown}


async def update_quota(ctx: Context, quota_project_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        for resource, limit in body["quota"].items():
            if resource in DEFAULTS:
                mine = (quotas.c.project_id == quota_project_id) & (quotas.c.resource == resource)
                tx.execute(delete(quotas).where(mine))
                tx.insert(quotas, project_id=quota_project_id, resource=resource, limit=limit)
        return {"quota": limits(tx, quota_project_id)}


async def delete_quota(ctx: Context, quota_project_id: str) -> None:
    with ctx.db.transaction() as tx:
        tx.execute(delete(quotas).where(quotas.c.project_id == quota_project_id))


def _allow(ctx: Context, project_id: str) -> None:
    """As nova needs it: a member reads the quota of its own project."""
    if not ctx.can("get_quota", {"project_id": project_id}) and project_id != ctx.project_id:
        raise Forbidden("(rule:get_quota) is disallowed by policy", type="PolicyNotAuthorized")
