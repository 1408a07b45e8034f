"""Networks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, func, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict
from mockcloud.http.reply import Json
from mockcloud.neutron import quota
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.tables import ipallocations, ports, subnets
from mockcloud.neutron.tables import networks as table

PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
SERVED_BY_NEUTRON = ("network:dhcp", "network:router_interface")  # ports that go with their network


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    quota.check(tx, row["project_id"], "network")
    if row["provider_segmentation_id"] is None and row["provider_network_type"] in ("vlan", "vxlan", "gre", "geneve"):
        row["provider_segmentation_id"] = 1 + int(tx.scalar(select(func.max(table.c.provider_segmentation_id))) or 0)


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    used = select(ports.c.id).where(ports.c.network_id == row["id"], ports.c.device_owner.not_in(SERVED_BY_NEUTRON))
    if tx.scalar(used.limit(1)) is not None:
        raise Conflict(
            f"Unable to complete operation on network {row['id']}. There are one or more ports still in use on the network.",
            type="NetworkInUse",
        )
    tx.execute(delete(ipallocations).where(ipallocations.c.network_id == row["id"]))
    tx.execute(delete(ports).where(ports.c.network_id == row["id"]))
    tx.execute(delete(subnets).where(subnets.c.network_id == row["id"]))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    by_network: dict[str, list[str]] = {}
    ids = [view["id"] for view in views]
    for row in tx.all(select(subnets.c.id, subnets.c.network_id).where(subnets.c.network_id.in_(ids))):
        by_network.setdefault(row["network_id"], []).append(row["id"])
    for view in views:
        found = by_network.get(view["id"], [])
        view |= {
            "subnets": found, "availability_zones": ["nova"] if found else [], "ipv4_address_scope": None, "ipv6_address_scope": None,
            "qos_policy_id": None,
        }  # fmt: skip


def _visible(ctx: Context, network: Table) -> Any:
    return or_(network.c.shared.is_(True), network.c.router_external.is_(True))


networks = Collection(
    "network",
    table,
    "/v2.0/networks",
    kind="Network",
    sentence="Network {id} could not be found.",
    guarded=("shared", "router:external", "is_default", "port_security_enabled", *PROVIDER),
    hidden=PROVIDER,
    before_create=_new,
    before_delete=_gone,
    more=_more,
    visible=_visible,
    filters={"subnets": lambda values: table.c.id.in_(select(subnets.c.network_id).where(subnets.c.id.in_(values)))},
)


def network_target(tx: Transaction, row: Row) -> dict[str, Any]:
    """What rules on a network's children ask of the network."""
    parent = tx.one(select(table).where(table.c.id == row["network_id"]))
    if parent is None:
        return {}
    return {
        "network:project_id": parent["project_id"], "network:tenant_id": parent["project_id"], "shared": parent["shared"],
        "router:external": parent["router_external"],
    }  # fmt: skip
