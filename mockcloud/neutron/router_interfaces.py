"""A router's interfaces: ports that connect it with subnets."""

from __future__ import annotations

import ipaddress

from sqlalchemy import select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import access
from mockcloud.neutron.collection import repeated
from mockcloud.neutron.ports import addresses, discard
from mockcloud.neutron.ports import ports as port_collection
from mockcloud.neutron.routers import INTERFACE, bad, check_apart, router_ports, router_target, routers
from mockcloud.neutron.subnets import subnets as subnet_collection
from mockcloud.neutron.tables import floatingips, ports, subnets


async def add_router_interface(ctx: Context, router_id: str, body: Json) -> Json:
    """By `subnet_id`: a new port with the subnet's gateway address. By `port_id`: that port."""

    def add() -> Json:
        with ctx.db.transaction() as tx:
            router = _router(ctx, tx, router_id, "add_router_interface")
            if "subnet_id" in body and "port_id" in body:
                raise bad("Cannot specify both subnet-id and port-id")
            port = _attach(ctx, tx, router, body["port_id"]) if _by_port(body) else _make(ctx, tx, router, body["subnet_id"])
            return _interface(tx, router_id, port)

    return repeated(add)


async def remove_router_interface(ctx: Context, router_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        router = _router(ctx, tx, router_id, "remove_router_interface")
        if _by_port(body):
            port, chosen = _port_of(tx, router, body["port_id"]), body.get("subnet_id")
        else:
            subnet_collection.find(ctx, tx, body["subnet_id"])
            port, chosen = _port_on(tx, router, body["subnet_id"]), body["subnet_id"]
        removed = _interface(tx, router_id, port)
        if chosen is not None and chosen not in removed["subnet_ids"]:
            raise BadRequest(f"Subnet on port {port['id']} does not match the requested subnet {chosen}.", type="SubnetMismatchForPort")
        _check_not_needed(tx, router, removed["subnet_ids"])
        discard(tx, port["id"])
        return removed


def _router(ctx: Context, tx: Transaction, router_id: str, rule: str) -> Row:
    router = routers.find(ctx, tx, router_id)
    access.enforce(ctx, rule, router_target(router))
    return router


def _by_port(body: Json) -> bool:
    if not body or not ("subnet_id" in body or "port_id" in body):
        raise bad("Either subnet_id or port_id must be specified")
    return "port_id" in body


def _make(ctx: Context, tx: Transaction, router: Row, subnet_id: str) -> Row:
    subnet = subnet_collection.find(ctx, tx, subnet_id)
    if subnet["gateway_ip"] is None:
        raise bad("Subnet for router interface must have a gateway IP")
    if subnet["project_id"] != ctx.project_id and not ctx.can("context_is_admin"):
        raise bad(f"Cannot add interface to router because subnet {subnet_id} is not owned by project making the request")
    check_apart(tx, router["id"], [subnet])
    wanted = {
        "network_id": subnet["network_id"], "fixed_ips": [{"subnet_id": subnet_id, "ip_address": subnet["gateway_ip"]}],
        "device_id": router["id"], "device_owner": INTERFACE, "project_id": router["project_id"], "status": "ACTIVE",
    }  # fmt: skip
    return port_collection.insert(ctx, tx, wanted, allowed=True)


def _attach(ctx: Context, tx: Transaction, router: Row, port_id: str) -> Row:
    port = port_collection.find(ctx, tx, port_id)
    if port["device_id"]:
        raise Conflict(
            f"Unable to complete operation on port {port_id} for network {port['network_id']}. Port already has an attached device "
            f"{port['device_id']}.",
            type="PortInUse",
        )
    found = _subnets(tx, port_id)
    if not found:
        raise bad("Router port must have at least one fixed IP")
    if len([subnet for subnet in found if subnet["ip_version"] == 4]) > 1:
        raise bad("Cannot have multiple IPv4 subnets on router port")
    check_apart(tx, router["id"], found)
    taken = {"device_id": router["id"], "device_owner": INTERFACE, "status": "ACTIVE"}
    tx.execute(update(ports).where(ports.c.id == port_id).values(**taken))
    return port | taken


def _subnets(tx: Transaction, port_id: str) -> list[Row]:
    ids = [one["subnet_id"] for one in addresses(tx, port_id)]
    return tx.all(select(subnets).where(subnets.c.id.in_(ids)))


def _port_of(tx: Transaction, router: Row, port_id: str) -> Row:
    for port in router_ports(tx, router["id"], INTERFACE):
        if port["id"] == port_id:
            return port
    raise NotFound(f"Router {router['id']} does not have an interface with id {port_id}", type="RouterInterfaceNotFound")


def _port_on(tx: Transaction, router: Row, subnet_id: str) -> Row:
    for port in router_ports(tx, router["id"], INTERFACE):
        if subnet_id in [one["subnet_id"] for one in addresses(tx, port["id"])]:
            return port
    raise NotFound(f"Router {router['id']} has no interface on subnet {subnet_id}", type="RouterInterfaceNotFoundForSubnet")


def _check_not_needed(tx: Transaction, router: Row, subnet_ids: list[str]) -> None:
    """Neither a floating IP nor a route leads over the interface."""
    for subnet in tx.all(select(subnets).where(subnets.c.id.in_(subnet_ids))):
        cidr = ipaddress.ip_network(subnet["cidr"])
        fixed = [one["fixed_ip_address"] for one in tx.all(select(floatingips).where(floatingips.c.router_id == router["id"]))]
        for by, kind, needed in (
            ("floating IPs", "RouterInterfaceInUseByFloatingIP", fixed),
            ("routes", "RouterInterfaceInUseByRoute", [route["nexthop"] for route in router["routes"]]),
        ):
            if any(ipaddress.ip_address(address) in cidr for address in needed):
                raise Conflict(
                    f"Router interface for subnet {subnet['id']} on router {router['id']} cannot be deleted, as it is required by one or "
                    f"more {by}.",
                    type=kind,
                )


def _interface(tx: Transaction, router_id: str, port: Row) -> Json:
    ids = [one["subnet_id"] for one in addresses(tx, port["id"])]
    return {
        "id": router_id, "project_id": port["project_id"], "tenant_id": port["project_id"], "port_id": port["id"],
        "network_id": port["network_id"], "subnet_id": ids[0], "subnet_ids": ids,
    }  # fmt: skip
