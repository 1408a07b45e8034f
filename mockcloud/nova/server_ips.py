"""Servers' addresses, by the names of their networks."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json
from mockcloud.nova.lookup import find_server
from mockcloud.nova.views import addresses


async def list_server_ips(ctx: Context, server_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"addresses": addresses(find_server(ctx, tx, server_id)["network_info"], extended=False)}


async def show_server_ips(ctx: Context, server_id: str, network_label: str) -> Json:
    with ctx.db.transaction() as tx:
        found = addresses(find_server(ctx, tx, server_id)["network_info"], extended=False)
    if network_label not in found:
        raise NotFound("Instance is not a member of specified network")
    return {network_label: found[network_label]}
