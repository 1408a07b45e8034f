"""How many addresses of networks there are and how many are used."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query
from mockcloud.neutron import ipam
from mockcloud.neutron.networks import networks as collection
from mockcloud.neutron.tables import ipallocations, networks, subnets

FILTERS = {"network_id": networks.c.id, "network_name": networks.c.name, "project_id": networks.c.project_id}
FILTERS |= {"tenant_id": networks.c.project_id}


async def list_network_ip_availabilities(ctx: Context, query: Query) -> Json:
    """Also by `ip_version`, which chooses subnets."""
    conditions, version = [], query.extra.get("ip_version", [])
    for name, values in query.extra.items():
        if name not in FILTERS and name != "ip_version":
            raise BadRequest(f"{[name]} is invalid attribute for filtering", type="HTTPBadRequest")
        if name in FILTERS:
            conditions.append(FILTERS[name].in_(values))
    with ctx.db.transaction() as tx:
        rows = tx.all(select(networks).where(*conditions).order_by(networks.c.id))
        found = [_availability(tx, row, version) for row in rows]
    return {"network_ip_availabilities": found}


async def show_network_ip_availability(ctx: Context, network_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"network_ip_availability": _availability(tx, collection.find(ctx, tx, network_id), [])}


def _availability(tx: Transaction, network: Row, versions: list[str]) -> Json:
    used_by_subnet = select(func.count()).select_from(ipallocations)
    parts: list[dict[str, Any]] = []
    for subnet in tx.all(select(subnets).where(subnets.c.network_id == network["id"]).order_by(subnets.c.created_at)):
        if versions and str(subnet["ip_version"]) not in versions:
            continue
        used = int(tx.scalar(used_by_subnet.where(ipallocations.c.subnet_id == subnet["id"])) or 0)
        parts.append(
            {
                "subnet_id": subnet["id"], "subnet_name": subnet["name"], "ip_version": subnet["ip_version"], "cidr": subnet["cidr"],
                "used_ips": used, "total_ips": ipam.size(subnet["allocation_pools"]),
            }
        )  # fmt: skip
    return {
        "network_id": network["id"], "network_name": network["name"], "project_id": network["project_id"],
        "tenant_id": network["project_id"], "subnet_ip_availability": parts, "used_ips": sum(p["used_ips"] for p in parts),
        "total_ips": sum(p["total_ips"] for p in parts),
    }  # fmt: skip
