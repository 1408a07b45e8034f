"""Floating IPs: addresses of an external network that lead over a router to a port's fixed one."""

from __future__ import annotations

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import ipam, quota
from mockcloud.neutron.agent import Agent
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.networks import networks
from mockcloud.neutron.ports import addresses, discard
from mockcloud.neutron.ports import ports as port_collection
from mockcloud.neutron.routers import GATEWAY, INTERFACE
from mockcloud.neutron.tables import floatingips as table
from mockcloud.neutron.tables import ipallocations, ports, subnets
from mockcloud.neutron.tags import Tags

FREE = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad floatingip request: {reason}.", type="BadRequest")


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    quota.check(tx, row["project_id"], "floatingip")
    network = networks.find(ctx, tx, row["floating_network_id"])
    if not network["router_external"]:
        raise _bad(f"Network {network['id']} is not a valid external network")
    four = select(subnets.c.id).where(subnets.c.network_id == network["id"], subnets.c.ip_version == 4)
    if tx.scalar(four.limit(1)) is None:
        raise _bad(f"Network {network['id']} does not contain any IPv4 subnet")
    _take_address(ctx, tx, row)
    _associate(ctx, tx, row)


def _take_address(ctx: Context, tx: Transaction, row: Row) -> None:
    """A port of neutron's own holds the address."""
    wish = {"subnet_id": row.pop("subnet_id", None), "ip_address": row["floating_ip_address"]}
    wanted: Json = {"network_id": row["floating_network_id"], "device_id": row["id"], "device_owner": "network:floatingip", "status": "N/A"}
    if any(wish.values()):
        wanted["fixed_ips"] = [{name: value for name, value in wish.items() if value}]
    port = port_collection.insert(ctx, tx, wanted | {"project_id": ""}, allowed=True)
    held = [one["ip_address"] for one in port["fixed_ips"] if ":" not in one["ip_address"]]
    if not held:
        raise BadRequest(
            f"Unable to find any IP address on external network {row['floating_network_id']}.", type="ExternalIpAddressExhausted"
        )
    row |= {"floating_port_id": port["id"], "floating_ip_address": held[0]}


def _associate(ctx: Context, tx: Transaction, row: Row) -> None:
    """Sets where the address leads: to the port that is named, or nowhere."""
    port_id, wanted = row["port_id"], row["fixed_ip_address"]
    if not port_id:
        if wanted:
            raise _bad("fixed_ip_address cannot be specified without a port_id")
        row |= FREE
        return
    port = port_collection.find(ctx, tx, port_id)
    if port["project_id"] != row["project_id"] and not ctx.can("context_is_admin"):
        raise _bad(f"Cannot process floating IP association with Port {port_id}, since that port is owned by a different project")
    inside = _inside(tx, port, wanted)
    router_id = _router_for(tx, port, inside["subnet_id"], row["floating_network_id"])
    same = (table.c.port_id == port_id, table.c.fixed_ip_address == inside["ip_address"], table.c.id != row["id"])
    if tx.scalar(select(table.c.id).where(*same, table.c.floating_network_id == row["floating_network_id"])) is not None:
        raise Conflict(
            f"Cannot associate floating IP {row['floating_ip_address']} ({row['id']}) with port {port_id} using fixed IP "
            f"{inside['ip_address']}, as that fixed IP already has a floating IP on external network {row['floating_network_id']}.",
            type="FloatingIPPortAlreadyAssociated",
        )
    row |= {"fixed_ip_address": inside["ip_address"], "router_id": router_id, "status": "ACTIVE"}


def _inside(tx: Transaction, port: Row, wanted: str | None) -> dict[str, str]:
    """The fixed address: the one named, else the port's only one of IPv4."""
    own = addresses(tx, port["id"])
    if wanted:
        if ":" in wanted:
            raise _bad(f"Cannot process floating IP association with {wanted}, since that is not an IPv4 address")
        for one in own:
            if one["ip_address"] == ipam.canonical(wanted):
                return one
        raise _bad(f"Port {port['id']} does not have fixed ip {wanted}")
    four = [one for one in own if ":" not in one["ip_address"]]
    if not four:
        raise _bad(f"Cannot add floating IP to port {port['id']} that has no fixed IPv4 addresses")
    if len(four) > 1:
        raise _bad(
            f"Port {port['id']} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP"
        )
    return four[0]


def _router_for(tx: Transaction, port: Row, subnet_id: str, external_id: str) -> str:
    """A router between the subnet and the external network; one that is the subnet's gateway before others."""
    gateways = select(ports.c.device_id).where(ports.c.network_id == external_id, ports.c.device_owner == GATEWAY)
    joined = select(ports.c.device_id, ipallocations.c.ip_address).join(ipallocations, ipallocations.c.port_id == ports.c.id)
    found = tx.all(joined.where(ipallocations.c.subnet_id == subnet_id, ports.c.device_owner == INTERFACE, ports.c.device_id.in_(gateways)))
    gateway_ip = tx.scalar(select(subnets.c.gateway_ip).where(subnets.c.id == subnet_id))
    found.sort(key=lambda one: one["ip_address"] != gateway_ip)
    if not found:
        raise NotFound(
            f"External network {external_id} is not reachable from subnet {subnet_id}.  Therefore, cannot associate Port {port['id']} "
            "with a Floating IP.",
            type="ExternalGatewayForFloatingIPNotFound",
        )
    return str(found[0]["device_id"])


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    """A description alone leaves the association as it is; another port starts anew with its only address."""
    if new["port_id"] != old["port_id"] and new["fixed_ip_address"] == old["fixed_ip_address"]:
        new["fixed_ip_address"] = None
    if (new["port_id"], new["fixed_ip_address"]) != (old["port_id"], old["fixed_ip_address"]):
        _associate(ctx, tx, new)


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    discard(tx, row["floating_port_id"])


def _tell(ctx: Context, old: Row | None, new: Row | None) -> None:
    """nova shows floating addresses: it learns when one comes or goes."""
    before, after = (one["port_id"] if one else None for one in (old, new))
    agent: Agent = ctx.part(Agent)
    for port_id in dict.fromkeys([before, after]):
        if port_id is not None and (port := ctx.db.one(select(ports).where(ports.c.id == port_id))) is not None:
            agent.readdressed(port)


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    for view in views:
        view.pop("floating_port_id")


floatingips = Collection(
    "floatingip",
    table,
    "/v2.0/floatingips",
    kind="FloatingIP",
    sentence="Floating IP {id} could not be found",
    guarded=("floating_ip_address",),
    before_create=_new,
    before_update=_changed,
    before_delete=_gone,
    after_commit=_tell,
    more=_more,
)
tags = Tags(floatingips)
