"""What is known of a server's inside. Guests here have no NUMA nodes and leave no password with the metadata service."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.reply import Json
from mockcloud.nova.lookup import find_server


async def show_server_topology(ctx: Context, server_id: str) -> Json:
    _find(ctx, server_id)
    return {"nodes": [], "pagesize_kb": None}


async def show_server_password(ctx: Context, server_id: str) -> Json:
    _find(ctx, server_id)
    return {"password": ""}


async def clear_server_password(ctx: Context, server_id: str) -> None:
    _find(ctx, server_id)


def _find(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        find_server(ctx, tx, server_id)
