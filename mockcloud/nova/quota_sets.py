"""Limits of a project, or of one user in it."""

from __future__ import annotations

from math import inf

from sqlalchemy import delete, func, select

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query
from mockcloud.nova import quota
from mockcloud.nova.identity import verify_project
from mockcloud.nova.tables import project_user_quotas, quotas
from mockcloud.nova.values import is_true

RULE = "os_compute_api:os-quota-sets:"


async def show_quota_set(ctx: Context, quota_project_id: str, query: Query) -> Json:
    await _may(ctx, "show", quota_project_id)
    with ctx.db.transaction() as tx:
        limits = quota.limits_of(tx, quota_project_id, query.get("user_id", ""))
    return {"quota_set": {"id": quota_project_id, **limits}}


async def show_quota_set_detail(ctx: Context, quota_project_id: str, query: Query) -> Json:
    await _may(ctx, "detail", quota_project_id)
    user_id = query.get("user_id", "")
    with ctx.db.transaction() as tx:
        limits, used = quota.limits_of(tx, quota_project_id, user_id), quota.usage_of(tx, quota_project_id, user_id)
    shown = {name: {"limit": limit, "in_use": used[name], "reserved": 0} for name, limit in limits.items()}
    return {"quota_set": {"id": quota_project_id, **shown}}


async def show_quota_set_defaults(ctx: Context, quota_project_id: str) -> Json:
    await _may(ctx, "defaults", quota_project_id)
    with ctx.db.transaction() as tx:
        return {"quota_set": {"id": quota_project_id, **quota.class_limits(tx)}}


async def update_quota_set(ctx: Context, quota_project_id: str, query: Query, body: Json) -> Json:
    """`force` sets a limit below what is used too."""
    await _may(ctx, "update", quota_project_id)
    user_id = query.get("user_id", "")
    asked = {name: int(value) for name, value in body["quota_set"].items() if name != "force"}
    with ctx.db.transaction() as tx:
        if not is_true(body["quota_set"].get("force", False)):
            for name, limit in asked.items():
                _check(name, limit, *_range(tx, quota_project_id, user_id, name))
        for name, limit in asked.items():
            _set(tx, quota_project_id, user_id, name, limit)
        return {"quota_set": quota.limits_of(tx, quota_project_id, user_id)}


async def delete_quota_set(ctx: Context, quota_project_id: str, query: Query) -> None:
    """Back to the defaults. Without a user, the project's users lose their own limits too."""
    ctx.enforce(RULE + "delete", {"project_id": quota_project_id})
    theirs = delete(project_user_quotas).where(project_user_quotas.c.project_id == quota_project_id)
    with ctx.db.transaction() as tx:
        if user_id := query.get("user_id"):
            tx.execute(theirs.where(project_user_quotas.c.user_id == user_id))
        else:
            tx.execute(theirs)
            tx.execute(delete(quotas).where(quotas.c.project_id == quota_project_id))


async def _may(ctx: Context, action: str, project_id: str) -> None:
    ctx.enforce(RULE + action, {"project_id": project_id})
    await verify_project(ctx, project_id)


def _range(tx: Transaction, project_id: str, user_id: str, name: str) -> tuple[float, float]:
    """(least, most): a project keeps what it uses and what its users were given; a user may have what is left."""
    limit, given = quota.limits_of(tx, project_id)[name], _given(tx, project_id, name)
    if not user_id:
        return max(given if limit >= 0 else 0, quota.usage_of(tx, project_id)[name]), inf
    own = quota.own_user_limits(tx, project_id, user_id).get(name, 0)
    left = inf if limit < 0 or own < 0 else limit - given + own
    return quota.usage_of(tx, project_id, user_id)[name], left


def _given(tx: Transaction, project_id: str, name: str) -> int:
    """The sum of the limits of the project's users."""
    t = project_user_quotas
    stmt = select(func.coalesce(func.sum(t.c.hard_limit), 0)).where(t.c.project_id == project_id, t.c.resource == name)
    return int(tx.scalar(stmt))


def _check(name: str, limit: int, least: float, most: float) -> None:
    size = inf if limit == -1 else limit
    if size < least:
        raise BadRequest(f"Quota limit {limit} for {name} must be greater than or equal to already used and reserved {least}.")
    if size > most:
        raise BadRequest(f"Quota limit {limit} for {name} must be less than or equal to {most}.")


def _set(tx: Transaction, project_id: str, user_id: str, name: str, limit: int) -> None:
    of = {"project_id": project_id, "resource": name}
    table = quotas
    if user_id:
        table, of = project_user_quotas, {**of, "user_id": user_id}
    tx.execute(delete(table).filter_by(**of))
    tx.insert(table, hard_limit=limit, **of)
