"""Which projects may use a private flavor."""

from __future__ import annotations

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova.identity import verify_project
from mockcloud.nova.lookup import find_flavor
from mockcloud.nova.tables import flavor_projects


async def list_flavor_access(ctx: Context, flavor_id: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        if row["is_public"]:
            raise NotFound("Access list not available for public flavors.")
        return _view(tx, row)


async def add_flavor_access(ctx: Context, flavor_id: str, body: Json) -> Json:
    project_id = body["tenant"]
    await verify_project(ctx, project_id)
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        if row["is_public"] and ctx.at_least("2.7"):
            raise Conflict("Can not add access to a public flavor.")
        if project_id in _projects(tx, row):
            raise Conflict(f"Flavor access already exists for flavor {row['id']} and project {project_id} combination.")
        tx.insert(flavor_projects, flavor_id=row["id"], project_id=project_id)
        return _view(tx, row)


async def remove_flavor_access(ctx: Context, flavor_id: str, body: Json) -> Json:
    """A project that is gone may be taken off the list too: keystone is not asked."""
    project_id = body["tenant"]
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        given = (flavor_projects.c.flavor_id == row["id"], flavor_projects.c.project_id == project_id)
        if not tx.execute(delete(flavor_projects).where(*given)):
            raise NotFound(f"Flavor access not found for {row['id']} / {project_id} combination.")
        return _view(tx, row)


def _projects(tx: Transaction, row: Row) -> list[str]:
    stmt = select(flavor_projects.c.project_id).where(flavor_projects.c.flavor_id == row["id"])
    return [given["project_id"] for given in tx.all(stmt.order_by(flavor_projects.c.project_id))]


def _view(tx: Transaction, row: Row) -> Json:
    return {"flavor_access": [{"flavor_id": row["flavorid"], "tenant_id": project_id} for project_id in _projects(tx, row)]}
