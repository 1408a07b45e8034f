"""Servers' addresses, by the names of their networks."""

from __future__ import annotations

from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json
from mockcloud.nova.lookup import find_server

Addresses = dict[str, list[dict[str, Any]]]


async def list_server_ips(ctx: Context, server_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"addresses": _addresses(find_server(ctx, tx, server_id))}


async def show_server_ips(ctx: Context, server_id: str, network_label: str) -> Json:
    with ctx.db.transaction() as tx:
        found = _addresses(find_server(ctx, tx, server_id))
    if network_label not in found:
        raise NotFound("Instance is not a member of specified network")
    return {network_label: found[network_label]}


def _addresses(server: Row) -> Addresses:
    found: Addresses = {}
    for vif in server["network_info"]:
        mine = found.setdefault(vif["network"]["label"], [])
        for subnet in vif["network"]["subnets"]:
            for ip in subnet["ips"]:
                mine += [{"addr": each["address"], "version": each["version"]} for each in (ip, *ip.get("floating_ips", ()))]
    return found
