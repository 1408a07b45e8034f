"""Ports: addresses, MACs, binding and wiring."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import Table, delete, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict
from mockcloud.http.reply import Json
from mockcloud.neutron import ipam, quota
from mockcloud.neutron.agent import Agent
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.networks import network_target, networks
from mockcloud.neutron.security_groups import ensure_default_group
from mockcloud.neutron.security_groups import security_groups as groups
from mockcloud.neutron.tables import ipallocations, subnets
from mockcloud.neutron.tables import networks as networks_table
from mockcloud.neutron.tables import ports as table

MAC_TRIES = 16
BINDING = ("binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details")
UNBOUND = {"binding_vif_type": "unbound", "binding_vif_details": {}, "status": "DOWN"}
BOUND = {"binding_vif_type": "ovs", "binding_vif_details": {"port_filter": True, "connectivity": "l2", "bridge_name": "br-int"}}


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    networks.find(ctx, tx, row["network_id"])
    quota.check(tx, row["project_id"], "port")
    _no_nulls(row)
    row["mac_address"] = _mac(tx, row["network_id"], row["mac_address"])
    _groups(ctx, tx, row)
    _bind(ctx, row)
    row["fixed_ips"] = _allocate(tx, row, row.pop("fixed_ips", None), [])


def _no_nulls(row: Row) -> None:
    for name, empty in (("binding_host_id", ""), ("binding_profile", {}), ("extra_dhcp_opts", [])):
        if row.get(name) is None:
            row[name] = empty


def _mac(tx: Transaction, network_id: str, asked: str | None) -> str:
    taken = {row["mac_address"] for row in tx.all(select(table.c.mac_address).where(table.c.network_id == network_id))}
    if asked is not None:
        if asked.lower() in taken:
            message = f"Unable to complete operation for network {network_id}. The mac address {asked} is in use."
            raise Conflict(message, type="MacAddressInUse")
        return asked.lower()
    for _ in range(MAC_TRIES):
        mac = "fa:16:3e:" + ":".join(f"{random.randrange(256):02x}" for _ in range(3))
        if mac not in taken:
            return mac
    raise Conflict(f"Unable to generate unique mac on network {network_id}.", type="MacAddressGenerationFailure")


def _groups(ctx: Context, tx: Transaction, row: Row) -> None:
    """The groups asked for, else the project's default one; none where port security is off, or on neutron's own ports."""
    asked = row.get("security_groups")
    if not row["port_security_enabled"]:
        if asked:
            raise Conflict("Port Security must be enabled in order to have allowed address pairs on a port.", type="PortSecurityAndIPRequiredForSecurityGroups")  # fmt: skip  # noqa: E501
        row["security_groups"] = []
    elif asked is None:
        trusted = row["device_owner"].startswith("network:")
        row["security_groups"] = [] if trusted else [ensure_default_group(ctx, tx, row["project_id"])]
    else:
        for group_id in asked:
            groups.find(ctx, tx, group_id)


def _bind(ctx: Context, row: Row) -> None:
    """Binds to the host that is named, as the mechanism driver would."""
    if not row["binding_host_id"]:
        row |= UNBOUND
    elif row["binding_host_id"] in ctx.settings.unbindable_hosts:
        row |= {"binding_vif_type": "binding_failed", "binding_vif_details": {}, "status": "DOWN"}
    else:
        row |= BOUND


def _allocate(tx: Transaction, port: Row, asked: list[Json] | None, kept: list[Row]) -> list[Row]:
    """Addresses for a port: as asked, or one of each version that the network has. Raises neutron's refusals."""
    own = tx.all(select(subnets).where(subnets.c.network_id == port["network_id"]).order_by(subnets.c.created_at))
    taken = _taken(tx, port["network_id"])
    for allocation in kept:
        taken[allocation["subnet_id"]].discard(allocation["ip_address"])
    if asked is None:
        wanted = [_automatic(port, [s for s in own if s["ip_version"] == version], taken) for version in (4, 6)]
        return [found for found in wanted if found]
    made = []
    for wish in asked:
        found = _asked_for(port, wish, own, taken)
        taken.setdefault(found["subnet_id"], set()).add(found["ip_address"])
        made.append(found)
    return made


def _taken(tx: Transaction, network_id: str) -> dict[str, set[str]]:
    taken: dict[str, set[str]] = {}
    for row in tx.all(select(ipallocations).where(ipallocations.c.network_id == network_id)):
        taken.setdefault(row["subnet_id"], set()).add(row["ip_address"])
    return taken


def _automatic(port: Row, candidates: list[Row], taken: dict[str, set[str]]) -> Row | None:
    for subnet in candidates:
        if address := ipam.next_free(subnet["allocation_pools"], taken.get(subnet["id"], ())):
            return {"subnet_id": subnet["id"], "ip_address": address}
    if candidates:
        raise _exhausted(port["network_id"])
    return None


def _exhausted(network_id: str) -> Conflict:
    return Conflict(f"No more IP addresses available on network {network_id}.", type="IpAddressGenerationFailure")


def _asked_for(port: Row, wish: Json, own: list[Row], taken: dict[str, set[str]]) -> Row:
    network_id = port["network_id"]
    subnet = next((s for s in own if s["id"] == wish["subnet_id"]), None) if "subnet_id" in wish else None
    if "subnet_id" in wish and subnet is None:
        raise BadRequest(
            f"Invalid input for operation: Failed to create port on network {network_id}, because fixed_ips included invalid subnet "
            f"{wish['subnet_id']}.",
            type="InvalidInput",
        )
    if "ip_address" not in wish:
        assert subnet is not None  # the schema has one of the two
        address = ipam.next_free(subnet["allocation_pools"], taken.get(subnet["id"], ()))
        if address is None:
            raise _exhausted(network_id)
        return {"subnet_id": subnet["id"], "ip_address": address}
    address = ipam.canonical(wish["ip_address"])
    if subnet is None:
        subnet = next((s for s in own if ipam.is_in(address, s["cidr"])), None)
    if subnet is None:
        raise BadRequest(f"IP address {address} is not a valid IP for any of the subnets on the specified network.", type="InvalidIpForNetwork")  # fmt: skip  # noqa: E501
    if not ipam.is_usable(address, subnet["cidr"]):
        raise BadRequest(f"IP address {address} is not a valid IP for the specified subnet.", type="InvalidIpForSubnet")
    if address in taken.get(subnet["id"], ()):
        raise Conflict(f"IP address {address} already allocated in subnet {subnet['id']}", type="IpAddressAlreadyAllocated")
    return {"subnet_id": subnet["id"], "ip_address": address}


def _keep_addresses(ctx: Context, tx: Transaction, row: Row) -> None:
    for position, allocation in enumerate(row["fixed_ips"]):
        tx.insert(ipallocations, port_id=row["id"], network_id=row["network_id"], position=position, **allocation)


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    _no_nulls(new)
    if new["mac_address"] != old["mac_address"]:
        if old["binding_host_id"]:
            raise Conflict(
                f"Unable to complete operation on port {old['id']}, port is already bound, port type: {old['binding_vif_type']}, "
                f"old_mac {old['mac_address']}, new_mac {new['mac_address']}.",
                type="PortBound",
            )
        new["mac_address"] = _mac(tx, old["network_id"], new["mac_address"])
    if new["security_groups"] != old["security_groups"] or new["port_security_enabled"] != old["port_security_enabled"]:
        _groups(ctx, tx, new)
    if new["binding_host_id"] != old["binding_host_id"]:
        _bind(ctx, new)
    if "fixed_ips" in new:
        kept = tx.all(select(ipallocations).where(ipallocations.c.port_id == old["id"]))
        new["fixed_ips"] = _allocate(tx, new, new["fixed_ips"], kept)
        tx.execute(delete(ipallocations).where(ipallocations.c.port_id == old["id"]))
        _keep_addresses(ctx, tx, new)


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if row["device_owner"] in ("network:router_interface", "network:router_gateway", "network:floatingip"):
        raise Conflict(
            f"Port {row['id']} cannot be deleted directly via the port API: has device owner {row['device_owner']}.",
            type="ServicePortInUse",
        )
    tx.execute(delete(ipallocations).where(ipallocations.c.port_id == row["id"]))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    by_port: dict[str, list[Json]] = {}
    chosen = ipallocations.c.port_id.in_([view["id"] for view in views])
    for row in tx.all(select(ipallocations).where(chosen).order_by(ipallocations.c.position)):
        by_port.setdefault(row["port_id"], []).append({"subnet_id": row["subnet_id"], "ip_address": row["ip_address"]})
    for view in views:
        view |= {"fixed_ips": by_port.get(view["id"], []), "qos_policy_id": None}


def _wire(ctx: Context, row: Row) -> None:
    """After the commit: the agent of the host sees the port."""
    if row["binding_host_id"] and row["binding_vif_type"] == "ovs" and row["status"] == "DOWN" and row["device_id"]:
        ctx.spawn(ctx.part(Agent).wire(row["id"], row["device_id"], ctx.request))


def _visible(ctx: Context, port: Table) -> Any:
    return port.c.network_id.in_(select(networks_table.c.id).where(networks_table.c.project_id == ctx.project_id))


def _by_fixed_ip(values: list[str]) -> Any:
    """`fixed_ips=ip_address=10.0.0.3` or `subnet_id=…`."""
    conditions = []
    for value in values:
        name, _, wanted = value.partition("=")
        if name not in ("ip_address", "subnet_id"):
            raise BadRequest(f"Invalid filter for fixed_ips: {value}", type="HTTPBadRequest")
        conditions.append(table.c.id.in_(select(ipallocations.c.port_id).where(ipallocations.c[name] == wanted)))
    return or_(*conditions)


class Ports(Collection):
    """Groups that are not named are the default one; an empty list is none."""

    def _defaults(self) -> Row:
        return super()._defaults() | {"security_groups": None}


ports = Ports(
    "port",
    table,
    "/v2.0/ports",
    kind="Port",
    sentence="Port {id} could not be found.",
    guarded=(
        "mac_address", "fixed_ips", "device_owner", "port_security_enabled", "allowed_address_pairs", "binding:host_id",
        "binding:profile", "binding:vnic_type",
    ),
    hidden=BINDING,
    before_create=_new,
    after_create=_keep_addresses,
    before_update=_changed,
    before_delete=_gone,
    after_commit=_wire,
    more=_more,
    target=network_target,
    visible=_visible,
    filters={"fixed_ips": _by_fixed_ip},
)  # fmt: skip
