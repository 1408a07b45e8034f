"""Subnets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import ipam, quota
from mockcloud.neutron.collection import UNSET, Collection
from mockcloud.neutron.listing import among
from mockcloud.neutron.networks import AUTO_DELETED, network_target
from mockcloud.neutron.refusal import answered
from mockcloud.neutron.tables import ipallocations, ports
from mockcloud.neutron.tables import networks as networks_table
from mockcloud.neutron.tables import subnets as table
from mockcloud.neutron.tags import Tags


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    quota.check(tx, row["project_id"], "subnet")
    _without_pool(row)
    row["gateway_ip"] = row["gateway_ip"] or None if row["gateway_ip"] is not UNSET else UNSET
    with answered():
        network = ipam.parse_cidr(row["cidr"], row["ip_version"])
        if row["gateway_ip"] is UNSET:
            row["gateway_ip"] = ipam.default_gateway(network)
            ipam.check_subnet(row | {"gateway_ip": None}, network)
        else:
            ipam.check_subnet(row, network)
        if row["enable_dhcp"]:
            ipam.check_dhcp(network)
        if row["allocation_pools"] is None:
            row["allocation_pools"] = ipam.default_pools(network, row["gateway_ip"])
        else:
            ipam.check_pools(row["allocation_pools"], network, row["gateway_ip"])
    others = [other["cidr"] for other in tx.all(select(table.c.cidr).where(table.c.network_id == row["network_id"]))]
    if ipam.overlapping(network, others):
        raise BadRequest(
            f"Invalid input for operation: Requested subnet with cidr: {network} for network: {row['network_id']} overlaps with "
            "another subnet.",
            type="InvalidInput",
        )
    row["cidr"] = str(network)


def _without_pool(row: Row) -> None:
    """There are no subnet pools here, so only a cidr says what the subnet shall be."""
    if pool := row.pop("subnetpool_id", None):
        raise NotFound(f"Subnet pool {pool} could not be found.", type="SubnetPoolNotFound")
    if row.pop("use_default_subnetpool", None):
        raise _bad(f"No default subnetpool found for IPv{row['ip_version']}")
    if row["cidr"] is None:
        raise _bad("a subnetpool must be specified in the absence of a cidr")


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad subnets request: {reason}.", type="BadRequest")


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    network = ipam.parse_cidr(old["cidr"], old["ip_version"])
    moved = new["gateway_ip"] != old["gateway_ip"]
    with answered():
        ipam.check_subnet(new if moved else new | {"gateway_ip": None}, network)
        if new["enable_dhcp"] and not old["enable_dhcp"]:
            ipam.check_dhcp(network)
        if moved or new["allocation_pools"] != old["allocation_pools"]:
            ipam.check_pools(new["allocation_pools"], network, new["gateway_ip"])
    if moved:
        _check_gateway_free(tx, old)


def _check_gateway_free(tx: Transaction, subnet: Row) -> None:
    """A router's port that has the gateway's address holds it."""
    joined = select(ports.c.id).join(ipallocations, ipallocations.c.port_id == ports.c.id)
    mine = (ipallocations.c.subnet_id == subnet["id"], ipallocations.c.ip_address == subnet["gateway_ip"])
    port_id = tx.scalar(joined.where(*mine, ports.c.device_owner == "network:router_interface"))
    if port_id is not None:
        raise Conflict(
            f"Current gateway ip {subnet['gateway_ip']} already in use by port {port_id}. Unable to update.", type="GatewayIpInUse"
        )


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    joined = select(ports.c.id).join(ipallocations, ipallocations.c.port_id == ports.c.id)
    used = joined.where(ipallocations.c.subnet_id == row["id"], ports.c.device_owner.not_in(AUTO_DELETED))
    if tx.scalar(used.limit(1)) is not None:
        raise Conflict(
            f"Unable to complete operation on subnet {row['id']}: One or more ports have an IP allocation from this subnet.",
            type="SubnetInUse",
        )
    tx.execute(delete(ipallocations).where(ipallocations.c.subnet_id == row["id"]))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    parents = list({view["network_id"] for view in views})
    chosen = select(networks_table.c.id, networks_table.c.router_external).where(among(networks_table.c.id, parents))
    external = {row["id"]: row["router_external"] for row in tx.all(chosen)}
    for view in views:
        view |= {"subnetpool_id": None, "router:external": external[view["network_id"]]}


def _visible(ctx: Context, subnet: Table) -> Any:
    open_ones = select(networks_table.c.id).where(
        or_(networks_table.c.shared.is_(True), networks_table.c.router_external.is_(True), networks_table.c.project_id == ctx.project_id)
    )
    return subnet.c.network_id.in_(open_ones)


subnets = Collection(
    "subnet",
    table,
    "/v2.0/subnets",
    kind="Subnet",
    sentence="Subnet {id} could not be found.",
    guarded=("service_types",),
    defaults={"gateway_ip": UNSET, "allocation_pools": None, "cidr": None},  # no gateway named: the first address; null: none
    before_create=_new,
    before_update=_changed,
    before_delete=_gone,
    more=_more,
    target=network_target,
    visible=_visible,
)
tags = Tags(subnets)
