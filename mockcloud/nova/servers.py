"""Servers: list, show, update, delete. Launching them is server_launch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.nova.build_requests import table_of, with_requests
from mockcloud.nova.deletion import destroy
from mockcloud.nova.links import MAX_LIMIT, limit_of, links, next_links, select_page
from mockcloud.nova.lookup import find_server, is_admin
from mockcloud.nova.server_filters import address_patterns, has_address, select_servers, sort_of
from mockcloud.nova.views import addresses, show_servers, zone_of
from mockcloud.nova.zones import read_zones

COLUMNS = {  # of what an update may say
    "name": "display_name",
    "description": "display_description",
    "hostname": "hostname",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
    "OS-DCF:diskConfig": "disk_config",
    "pinned_availability_zone": "availability_zone",
}


async def list_servers(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        rows = _listed(ctx, tx, query, "index")
    brief = [{"id": row["uuid"], "name": row["display_name"], "links": links(ctx, "servers", row["uuid"])} for row in rows]
    return _page(ctx, query, "servers", rows, brief)


async def list_servers_detail(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        rows = _listed(ctx, tx, query, "detail")
    shown = await show_servers(ctx, rows)
    for view in shown:
        del view["server_groups"]  # only a single server's view has them
    return _page(ctx, query, "servers/detail", rows, shown)


def _listed(ctx: Context, tx: Transaction, query: Query, list_name: str) -> list[Row]:
    stmt = select_servers(ctx, tx, query, list_name)
    sort = sort_of(ctx, query)
    if stmt is None:
        return []
    stmt, table = with_requests(tx, stmt)
    if not (patterns := address_patterns(ctx, query)):
        chosen = (table.c.uuid, table.c.display_name) if list_name == "index" else table.c  # what it shows, and no more
        return select_page(tx, stmt.with_only_columns(*chosen), table, query, key="uuid", sort=sort)
    everything = Query({**query, "limit": MAX_LIMIT})  # addresses are not the database's to compare
    rows = select_page(tx, stmt.with_only_columns(*table.c), table, everything, key="uuid", sort=sort)
    return [row for row in rows if has_address(row, patterns)][: limit_of(query)]


def _page(ctx: Context, query: Query, path: str, rows: list[Row], shown: list[Json]) -> Json:
    more = next_links(ctx, query, path, rows, "uuid")
    return {"servers": shown} | ({"servers_links": more} if more else {})


async def show_server(ctx: Context, server_id: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_server(ctx, tx, server_id, "os_compute_api:servers:show")
    return {"server": (await show_servers(ctx, [row]))[0]}


async def update_server(ctx: Context, server_id: str, body: Json) -> Json:
    asked = body["server"]
    with ctx.db.transaction() as tx:
        row = find_server(ctx, tx, server_id, "os_compute_api:servers:update")
        if "pinned_availability_zone" in asked:
            _check_pin(ctx, tx, row, asked["pinned_availability_zone"])
        changed: dict[str, Any] = {COLUMNS[name]: value for name, value in asked.items()} | {"updated_at": ctx.now()}
        table = table_of(row)
        if not tx.execute(update(table).where(table.c.uuid == server_id, table.c.deleted_at.is_(None)).values(**changed)):
            raise NotFound("Instance could not be found")
        row = tx.one(select(table).where(table.c.uuid == server_id)) or row
    view = (await show_servers(ctx, [row]))[0]
    if not ctx.at_least("2.75") and view["addresses"]:
        view["addresses"] = addresses(row["network_info"], extended=False)
    return {"server": view}


def _check_pin(ctx: Context, tx: Transaction, row: Row, zone: str | None) -> None:
    """A server is pinned to the zone where it is, or set free."""
    if zone is None:
        return
    if row["availability_zone"]:
        if zone != row["availability_zone"]:
            raise Conflict("Cannot change pinned availability zone directly. Unpin first by setting pinned_availability_zone to null.")
        return
    current = zone_of(row, read_zones(tx), ctx.settings.default_availability_zone)
    if zone != current:
        raise Conflict(f"Server can only be pinned to its current availability zone '{current}', but '{zone}' was requested.")


async def delete_server(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_server(ctx, tx, server_id, "os_compute_api:servers:delete")
    if row["locked"] and not is_admin(ctx):
        raise Conflict(f"Instance {server_id} is locked")
    await destroy(ctx, row)
