"""Routers: a gateway to an external network, and routes. Their interfaces are in router_interfaces."""

from __future__ import annotations

import ipaddress
from typing import Any

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import ipam, quota
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.networks import ZONES, networks
from mockcloud.neutron.ports import addresses, discard, readdress
from mockcloud.neutron.ports import ports as port_collection
from mockcloud.neutron.tables import floatingips, ipallocations, ports, subnets
from mockcloud.neutron.tables import routers as table
from mockcloud.neutron.tags import Tags

GATEWAY, INTERFACE = "network:router_gateway", "network:router_interface"


def bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad router request: {reason}.", type="BadRequest")


def router_ports(tx: Transaction, router_id: str, owner: str) -> list[Row]:
    mine = (ports.c.device_id == router_id, ports.c.device_owner == owner)
    return tx.all(select(ports).where(*mine).order_by(ports.c.created_at, ports.c.id))


def subnets_of(tx: Transaction, router_id: str) -> list[Row]:
    """What the router is connected with: its interfaces' subnets, and all of its external network."""
    joined = select(subnets).join(ipallocations, ipallocations.c.subnet_id == subnets.c.id)
    joined = joined.join(ports, ports.c.id == ipallocations.c.port_id)
    found = tx.all(joined.where(ports.c.device_id == router_id, ports.c.device_owner == INTERFACE))
    for gateway in router_ports(tx, router_id, GATEWAY):
        found += tx.all(select(subnets).where(subnets.c.network_id == gateway["network_id"]))
    return found


def check_apart(tx: Transaction, router_id: str, added: list[Row]) -> None:
    """A router's subnets do not overlap."""
    for there in subnets_of(tx, router_id):
        for new in added:
            if there["id"] == new["id"]:
                raise bad(f"Router already has a port on subnet {new['id']}")
            if ipam.overlapping(ipaddress.ip_network(new["cidr"]), [there["cidr"]]):
                raise bad(f"Cidr {new['cidr']} of subnet {new['id']} overlaps with cidr {there['cidr']} of subnet {there['id']}")


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    quota.check(tx, row["project_id"], "router")
    for zone in row["availability_zone_hints"]:
        if zone not in ZONES:
            raise NotFound(f"AvailabilityZone {zone} could not be found.", type="AvailabilityZoneNotFound")
    row["enable_snat"] = (row["external_gateway_info"] or {}).get("enable_snat", True)


def _with_gateway(ctx: Context, tx: Transaction, row: Row) -> None:
    if row["external_gateway_info"]:
        _open_gateway(ctx, tx, row, row["external_gateway_info"])


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    if "external_gateway_info" in new:
        info = new.pop("external_gateway_info") or {}
        new["enable_snat"] = info.get("enable_snat", True)
        _move_gateway(ctx, tx, new, info)
    new["routes"] = new["routes"] or []
    if new["routes"] != old["routes"]:
        _check_routes(tx, new)
        quota.check(tx, new["project_id"], "router_route", len(new["routes"]))


def _move_gateway(ctx: Context, tx: Transaction, router: Row, info: Json) -> None:
    current = router_ports(tx, router["id"], GATEWAY)
    if info:
        _check_external(ctx, tx, info)
    if current and info and current[0]["network_id"] == info["network_id"]:
        if info.get("external_fixed_ips"):
            readdress(ctx, tx, current[0], info["external_fixed_ips"])
        return
    _close_gateway(tx, router["id"])
    if info:
        _open_gateway(ctx, tx, router, info)


def _check_external(ctx: Context, tx: Transaction, info: Json) -> Row:
    network = networks.find(ctx, tx, info["network_id"])
    if not network["router_external"]:
        raise bad(f"Network {network['id']} is not an external network")
    gateways = {s["gateway_ip"] for s in tx.all(select(subnets).where(subnets.c.network_id == network["id"]))}
    for wish in info.get("external_fixed_ips", ()):
        if wish.get("ip_address") in gateways:
            raise bad(f"External IP {wish['ip_address']} is the same as the gateway IP")
    return network


def _open_gateway(ctx: Context, tx: Transaction, router: Row, info: Json) -> None:
    network = _check_external(ctx, tx, info)
    check_apart(tx, router["id"], tx.all(select(subnets).where(subnets.c.network_id == network["id"])))
    wanted: Json = {"network_id": network["id"], "device_id": router["id"], "device_owner": GATEWAY, "status": "ACTIVE"}
    if info.get("external_fixed_ips"):
        wanted["fixed_ips"] = info["external_fixed_ips"]
    port_collection.insert(ctx, tx, wanted | {"project_id": ""}, allowed=True)


def _close_gateway(tx: Transaction, router_id: str) -> None:
    for port in router_ports(tx, router_id, GATEWAY):
        if tx.scalar(select(floatingips.c.id).where(floatingips.c.router_id == router_id).limit(1)) is not None:
            raise Conflict(
                f"Gateway cannot be updated for router {router_id}, since a gateway to external network {port['network_id']} is required "
                "by one or more floating IPs.",
                type="RouterExternalGatewayInUseByFloatingIp",
            )
        discard(tx, port["id"])


def _check_routes(tx: Transaction, router: Row) -> None:
    """Each leads over a neighbour: an address of a connected subnet that is not the router's own."""
    connected = [ipaddress.ip_network(subnet["cidr"]) for subnet in subnets_of(tx, router["id"])]
    mine = [
        one["ip_address"] for kind in (INTERFACE, GATEWAY) for p in router_ports(tx, router["id"], kind) for one in addresses(tx, p["id"])
    ]
    for route in router["routes"]:
        try:
            ipaddress.ip_network(route["destination"])
        except ValueError as error:
            raise BadRequest(
                f"Invalid input for routes. Reason: '{route['destination']}' is not a valid CIDR.", type="HTTPBadRequest"
            ) from error
        nexthop = ipaddress.ip_address(route["nexthop"])
        if not any(nexthop in cidr for cidr in connected):
            raise _invalid_routes(router, "the nexthop is not connected with router")
        if str(nexthop) in mine:
            raise _invalid_routes(router, "the nexthop is used by router")


def _invalid_routes(router: Row, reason: str) -> BadRequest:
    return BadRequest(f"Invalid format for routes: {router['routes']}, {reason}.", type="InvalidRoutes")


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if attached := router_ports(tx, row["id"], INTERFACE):
        listed = ", ".join(port["id"] for port in attached)
        raise Conflict(f"Router {row['id']} has ports still attached: {listed}", type="RouterInUse")
    _close_gateway(tx, row["id"])
    tx.execute(delete(ports).where(ports.c.device_id == row["id"], ports.c.device_owner == GATEWAY))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    for view in views:
        snat, info = view.pop("enable_snat"), None
        for port in router_ports(tx, view["id"], GATEWAY):
            info = {"network_id": port["network_id"], "external_fixed_ips": addresses(tx, port["id"]), "enable_snat": snat}
        view |= {"external_gateway_info": info, "availability_zones": list(ZONES)}


def router_target(row: Row) -> dict[str, Any]:
    return {"project_id": row["project_id"], "tenant_id": row["project_id"]}


routers = Collection(
    "router",
    table,
    "/v2.0/routers",
    kind="Router",
    sentence="Router {id} could not be found",
    guarded=("external_gateway_info",),
    defaults={"external_gateway_info": None},
    before_create=_new,
    after_create=_with_gateway,
    before_update=_changed,
    before_delete=_gone,
    more=_more,
)
tags = Tags(routers)
