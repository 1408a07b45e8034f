"""Subnets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict
from mockcloud.http.reply import Json
from mockcloud.neutron import ipam, quota
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.networks import SERVED_BY_NEUTRON, network_target, networks
from mockcloud.neutron.tables import ipallocations, ports
from mockcloud.neutron.tables import networks as networks_table
from mockcloud.neutron.tables import subnets as table

UNSET = object()


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    networks.find(ctx, tx, row["network_id"])
    quota.check(tx, row["project_id"], "subnet")
    try:
        network = ipam.parse_cidr(row["cidr"], row["ip_version"])
        if row["gateway_ip"] is UNSET:
            row["gateway_ip"] = ipam.default_gateway(network)
        elif row["gateway_ip"] is not None:
            ipam.check_gateway(row["gateway_ip"], network)
        if row["allocation_pools"] is None:
            row["allocation_pools"] = ipam.default_pools(network, row["gateway_ip"])
        else:
            ipam.check_pools(row["allocation_pools"], network, row["gateway_ip"])
    except ipam.InvalidSubnet as error:
        raise _refused(error) from error
    others = [other["cidr"] for other in tx.all(select(table.c.cidr).where(table.c.network_id == row["network_id"]))]
    if other := ipam.overlapping(network, others):
        raise BadRequest(
            f"Invalid input for operation: Requested subnet with cidr: {network} for network: {row['network_id']} overlaps with "
            f"another subnet with cidr {other}.",
            type="InvalidInput",
        )
    row["cidr"] = str(network)


def _refused(error: ipam.InvalidSubnet) -> BadRequest | Conflict:
    conflict = error.kind in ("OverlappingAllocationPools", "GatewayConflictWithAllocationPools")
    return (Conflict if conflict else BadRequest)(str(error), type=error.kind)


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    network = ipam.parse_cidr(old["cidr"], old["ip_version"])
    try:
        if new["gateway_ip"] is not None and new["gateway_ip"] != old["gateway_ip"]:
            ipam.check_gateway(new["gateway_ip"], network)
        ipam.check_pools(new["allocation_pools"], network, new["gateway_ip"])
    except ipam.InvalidSubnet as error:
        raise _refused(error) from error


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    joined = select(ports.c.id).join(ipallocations, ipallocations.c.port_id == ports.c.id)
    used = joined.where(ipallocations.c.subnet_id == row["id"], ports.c.device_owner.not_in(SERVED_BY_NEUTRON))
    if tx.scalar(used.limit(1)) is not None:
        raise Conflict(
            f"Unable to complete operation on subnet {row['id']}: One or more ports have an IP allocation from this subnet.",
            type="SubnetInUse",
        )
    tx.execute(delete(ipallocations).where(ipallocations.c.subnet_id == row["id"]))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    for view in views:
        view |= {"subnetpool_id": None, "segment_id": None}


def _visible(ctx: Context, subnet: Table) -> Any:
    open_ones = select(networks_table.c.id).where(
        or_(networks_table.c.shared.is_(True), networks_table.c.router_external.is_(True), networks_table.c.project_id == ctx.project_id)
    )
    return subnet.c.network_id.in_(open_ones)


class Subnets(Collection):
    """A gateway that is not named is the first address; one that is named null is none."""

    def _defaults(self) -> Row:
        return super()._defaults() | {"gateway_ip": UNSET, "allocation_pools": None}


subnets = Subnets(
    "subnet",
    table,
    "/v2.0/subnets",
    kind="Subnet",
    sentence="Subnet {id} could not be found.",
    guarded=("service_types",),
    before_create=_new,
    before_update=_changed,
    before_delete=_gone,
    more=_more,
    target=network_target,
    visible=_visible,
)
