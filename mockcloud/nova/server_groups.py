"""Server groups: servers that belong together, or apart."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Select, delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.nova import quota
from mockcloud.nova.api_tables import build_requests
from mockcloud.nova.links import MAX_LIMIT
from mockcloud.nova.lookup import is_admin
from mockcloud.nova.tables import instance_group_members, instance_groups, instances

MAX_GROUPS = 2**31  # nobody has more: a larger offset is no different


async def list_server_groups(ctx: Context, query: Query) -> Json:
    stmt = select(instance_groups).order_by(instance_groups.c.id)
    if "all_projects" in query and is_admin(ctx):
        ctx.enforce("os_compute_api:os-server-groups:index:all_projects")
    else:
        stmt = stmt.where(instance_groups.c.project_id == ctx.project_id)
    limit = min(int(query.get("limit") or MAX_LIMIT), MAX_LIMIT)
    with ctx.db.transaction() as tx:
        rows = tx.all(stmt.limit(limit).offset(min(int(query.get("offset") or 0), MAX_GROUPS)))
        members = _members(tx, [row["uuid"] for row in rows])
    return {"server_groups": [_view(row, members) for row in rows]}


async def create_server_group(ctx: Context, body: Json) -> Json:
    asked = body["server_group"]
    policy = asked["policy"] if ctx.at_least("2.64") else asked["policies"][0]
    rules = {name: int(value) for name, value in asked.get("rules", {}).items()}
    row = {
        "uuid": str(uuid.uuid4()),
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        "name": asked["name"],
        "policy": policy,
        "rules": rules,
    }
    with ctx.db.transaction() as tx:
        quota.check(tx, ctx.project_id, {"server_groups": 1}, ctx.user_id)
        if rules and policy != "anti-affinity":
            raise BadRequest("Only anti-affinity policy supports rules.")
        tx.insert(instance_groups, created_at=ctx.now(), **row)
    return {"server_group": _view(row, {})}


async def show_server_group(ctx: Context, server_group_id: str) -> Json:
    with ctx.db.transaction() as tx:
        row = _find(ctx, tx, server_group_id, "show")
        return {"server_group": _view(row, _members(tx, [row["uuid"]]))}


async def delete_server_group(ctx: Context, server_group_id: str) -> None:
    """Its servers stay."""
    with ctx.db.transaction() as tx:
        row = _find(ctx, tx, server_group_id, "delete")
        tx.execute(delete(instance_group_members).where(instance_group_members.c.group_uuid == row["uuid"]))
        tx.execute(delete(instance_groups).where(instance_groups.c.id == row["id"]))


def _find(ctx: Context, tx: Transaction, group_id: str, action: str) -> Row:
    stmt: Select[tuple[object, ...]] = select(instance_groups).where(instance_groups.c.uuid == group_id)
    if not is_admin(ctx):
        stmt = stmt.where(instance_groups.c.project_id == ctx.project_id)
    row = tx.one(stmt)
    if row is None:
        raise NotFound(f"Instance group {group_id} could not be found.")
    ctx.enforce(f"os_compute_api:os-server-groups:{action}", {"project_id": row["project_id"]})
    return row


def _members(tx: Transaction, groups: Sequence[str]) -> dict[str, list[str]]:
    """The living members of each group, those that have no cell yet behind the others."""
    members = instance_group_members
    found: dict[str, list[str]] = defaultdict(list)
    for table in (instances, build_requests):
        if tx.knows(table):
            stmt = select(members).join(table, table.c.uuid == members.c.instance_uuid)
            stmt = stmt.where(members.c.group_uuid.in_(groups), table.c.deleted_at.is_(None)).order_by(table.c.id)
            for row in tx.all(stmt):
                found[row["group_uuid"]].append(row["instance_uuid"])
    return found


def _view(row: Row, members: dict[str, list[str]]) -> Json:
    return {
        "id": row["uuid"],
        "name": row["name"],
        "policy": row["policy"],
        "rules": row["rules"],
        "policies": [row["policy"]],
        "metadata": {},
        "members": members.get(row["uuid"], []),
        "project_id": row["project_id"],
        "user_id": row["user_id"],
    }
