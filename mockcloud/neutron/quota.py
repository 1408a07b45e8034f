"""Quotas: what a project may have at most. Unlimited is -1."""

from __future__ import annotations

from sqlalchemy import Table, bindparam, delete, func, select

from mockcloud.db.engine import Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import access
from mockcloud.neutron.tables import (
    floatingips,
    networks,
    ports,
    quotas,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)

DEFAULTS = {
    "network": 100, "subnet": 100, "subnetpool": -1, "port": 500, "router": 10, "floatingip": 50, "rbac_policy": 10,
    "security_group": 10, "security_group_rule": 100, "router_route": 30,
}  # fmt: skip
COUNTED: dict[str, Table] = {
    "network": networks, "subnet": subnets, "port": ports, "router": routers, "floatingip": floatingips,
    "security_group": security_groups, "security_group_rule": security_group_rules,
}  # fmt: skip

_LIMITS = Prepared(select(quotas).where(quotas.c.project_id == bindparam("project_id")))
_USED = {
    resource: Prepared(select(func.count().label("used")).select_from(table).where(table.c.project_id == bindparam("project_id")))
    for resource, table in COUNTED.items()
}


def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    rows = tx.all(_LIMITS, project_id=project_id)
    return DEFAULTS | {row["resource"]: row["limit"] for row in rows}


def used(tx: Transaction, project_id: str, resource: str) -> int:
    return int(tx.scalar(_USED[resource], project_id=project_id) or 0) if resource in _USED else 0


def check(tx: Transaction, project_id: str, resource: str, more: int = 1) -> None:
    """Raises 409 OverQuota when the project may not have `more` of it. Routes are counted for each router: `more` is all it has."""
    limit = limits(tx, project_id)[resource]
    if 0 <= limit < used(tx, project_id, resource) + more:
        raise Conflict(f"Quota exceeded for resources: ['{resource}'].", type="OverQuota")


async def list_quotas(ctx: Context) -> Json:
    """Those of the projects that have their own."""
    with ctx.db.transaction() as tx:
        projects = sorted({row["project_id"] for row in tx.all(select(quotas.c.project_id))})
        return {"quotas": [limits(tx, project) | {"project_id": project, "tenant_id": project} for project in projects]}


async def show_quota(ctx: Context, quota_project_id: str) -> Json:
    _see(ctx, quota_project_id)
    with ctx.db.transaction() as tx:
        return {"quota": limits(tx, quota_project_id)}


async def show_default_quota(ctx: Context, quota_project_id: str) -> Json:
    _see(ctx, quota_project_id)
    return {"quota": dict(DEFAULTS)}


async def show_quota_project(ctx: Context) -> Json:
    return {"project": {"project_id": ctx.project_id}}


async def show_quota_tenant(ctx: Context) -> Json:
    return {"tenant": {"tenant_id": ctx.project_id}}


async def show_quota_details(ctx: Context, quota_project_id: str) -> Json:
    if quota_project_id != ctx.project_id and not ctx.can("context_is_admin"):
        reason = "Only admin is authorized to access quotas for another project"
        raise Forbidden(f"User does not have admin privileges: {reason}.", type="AdminRequired")
    with ctx.db.transaction() as tx:
        found = limits(tx, quota_project_id)
        shown = {name: {"limit": limit, "used": used(tx, quota_project_id, name), "reserved": 0} for name, limit in found.items()}
    return {"quota": shown}


async def update_quota(ctx: Context, quota_project_id: str, body: Json) -> Json:
    """Not below what is used, unless `force` says so."""
    asked = {name: int(limit) for name, limit in body["quota"].items() if name in DEFAULTS}
    with ctx.db.transaction() as tx:
        for resource, limit in asked.items():
            if body["quota"].get("force") is not True and 0 <= limit < (count := used(tx, quota_project_id, resource)):
                raise BadRequest(
                    f"Quota limit {limit} for {resource} must be greater than or equal to already used {count}", type="HTTPBadRequest"
                )
            tx.execute(delete(quotas).where(quotas.c.project_id == quota_project_id, quotas.c.resource == resource))
            tx.insert(quotas, project_id=quota_project_id, resource=resource, limit=limit)
        return {"quota": limits(tx, quota_project_id)}


async def delete_quota(ctx: Context, quota_project_id: str) -> None:
    with ctx.db.transaction() as tx:
        if not tx.execute(delete(quotas).where(quotas.c.project_id == quota_project_id)):
            raise NotFound(f"Quota for project {quota_project_id} could not be found.", type="TenantQuotaNotFound")


def _see(ctx: Context, project_id: str) -> None:
    """One's own is for everybody."""
    if project_id != ctx.project_id:
        access.enforce(ctx, "get_quota", {"project_id": ctx.project_id})
