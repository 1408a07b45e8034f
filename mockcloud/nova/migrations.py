"""Servers' moves from host to host. Those of one server are live migrations only, which this cloud does not have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, or_, select

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query
from mockcloud.nova.links import limit_of, next_links
from mockcloud.nova.lookup import find_server
from mockcloud.nova.tables import migrations
from mockcloud.nova.times import changed, precise

RULE = "os_compute_api:os-migrations:index"
FILTERS = ("instance_uuid", "source_compute", "status", "migration_type", "user_id", "project_id")
PLACES = ("source_compute", "source_node", "dest_compute", "dest_host", "dest_node")
NEWEST_FIRST = (("created_at", "desc"), ("id", "desc"))


async def list_migrations(ctx: Context, query: Query) -> Json:
    """Whoever may not see all projects' moves names their own."""
    if query.get("project_id", query.extra.get("project_id", [""])[-1]) != ctx.project_id:
        ctx.enforce(f"{RULE}:all_projects")
    with_hosts = ctx.can(f"{RULE}:host")
    with ctx.db.transaction() as tx:
        try:
            limit = limit_of(query)
            rows, _ = page(tx, _filtered(query), migrations, key="uuid", sort=NEWEST_FIRST, marker=query.get("marker"), limit=limit)
        except MarkerNotFound as unknown:
            raise BadRequest(f"Marker {unknown.marker} could not be found.") from None
    more = next_links(ctx, query, "os-migrations", rows, "uuid")
    return {"migrations": [_view(row, with_hosts) for row in rows]} | ({"migrations_links": more} if more else {})


def _filtered(query: Query) -> Select[Any]:
    stmt = select(migrations).where(*changed(query, migrations))
    for name in FILTERS:
        if name in query:
            stmt = stmt.where(migrations.c[name] == query[name])
    if "host" in query:
        stmt = stmt.where(or_(migrations.c.source_compute == query["host"], migrations.c.dest_compute == query["host"]))
    return stmt


def _view(row: Row, with_hosts: bool) -> Json:
    shown = {name: row[name] for name in ("id", "uuid", "instance_uuid", "status", "migration_type", "user_id", "project_id")}
    shown |= {"created_at": precise(row["created_at"]), "updated_at": precise(row["updated_at"])}
    shown |= {name: row[name] if with_hosts else None for name in PLACES}
    for age in ("old", "new"):
        shown[f"{age}_instance_type_id"] = (row[f"{age}_flavor"] or {}).get("id")
    return shown


async def list_server_migrations(ctx: Context, server_id: str) -> Json:
    with ctx.db.transaction() as tx:
        find_server(ctx, tx, server_id)
    return {"migrations": []}


async def show_server_migration(ctx: Context, server_id: str, migration_id: str) -> Json:
    with ctx.db.transaction() as tx:
        find_server(ctx, tx, server_id)
        mine = (migrations.c.instance_uuid == server_id, migrations.c.id == (int(migration_id) if migration_id.isdecimal() else -1))
        found = tx.one(select(migrations).where(*mine))
    if found is None:
        raise NotFound(f"In-progress live migration {migration_id} is not found for server {server_id}.")
    raise NotFound(f"Migration {migration_id} for server {server_id} is not live-migration.")
