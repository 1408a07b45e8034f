"""Ports: MACs, addresses, security groups, binding to a host."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import Table, bindparam, delete, func, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import allocation, port_security, quota
from mockcloud.neutron.agent import Agent
from mockcloud.neutron.collection import UNSET, Collection
from mockcloud.neutron.listing import among
from mockcloud.neutron.networks import network_target
from mockcloud.neutron.refusal import answered
from mockcloud.neutron.tables import floatingips, ipallocations, routers, subnets
from mockcloud.neutron.tables import networks as networks_table
from mockcloud.neutron.tables import ports as table
from mockcloud.neutron.tags import Tags

MAC_TRIES = 16
BINDING = ("binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details")
UNBOUND = {"binding_vif_type": "unbound", "binding_vif_details": {}, "status": "DOWN"}
FAILED = UNBOUND | {"binding_vif_type": "binding_failed"}
BOUND = UNBOUND | {
    "binding_vif_type": "ovs",
    "binding_vif_details": {
        "connectivity": "l2", "port_filter": True, "ovs_hybrid_plug": False, "datapath_type": "system", "bridge_name": "br-int",
        "bound_drivers": {"0": "openvswitch"},
    },
}  # fmt: skip
UNPLUGGED = ("unbound", "binding_failed")
ROUTER_OWNED = ("network:router_interface", "network:router_gateway", "network:floatingip")

_SUBNETS = Prepared(select(subnets).where(subnets.c.network_id == bindparam("id")).order_by(subnets.c.created_at, subnets.c.id))
_TAKEN = select(func.aggregate_strings(ipallocations.c.ip_address, ",")).where(ipallocations.c.subnet_id == bindparam("id"))
_ADDRESSES = Prepared(select(ipallocations).where(ipallocations.c.port_id == bindparam("id")).order_by(ipallocations.c.position))


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    if row["project_id"]:  # ports of neutron's own belong to nobody
        quota.check(tx, row["project_id"], "port")
    _no_nulls(row)
    _check_device(ctx, tx, row)
    if row["port_security_enabled"] is None:
        its_own = select(networks_table.c.port_security_enabled).where(networks_table.c.id == row["network_id"])
        row["port_security_enabled"] = tx.scalar(its_own)
    row["mac_address"] = _mac(tx, row["network_id"], row["mac_address"])
    port_security.check_new(ctx, tx, row)
    if row["binding_host_id"]:
        _bind(ctx, row)
    _allocate(tx, row, None if row["fixed_ips"] is UNSET else row["fixed_ips"], [])


def _no_nulls(row: Row) -> None:
    for name, empty in (("binding_host_id", ""), ("binding_profile", {}), ("extra_dhcp_opts", []), ("security_groups", [])):
        if row[name] is None:
            row[name] = empty


def _check_device(ctx: Context, tx: Transaction, row: Row) -> None:
    """Nobody gives a port to somebody else's router."""
    if row["device_owner"] != "network:router_interface" or ctx.can("context_is_admin"):
        return
    owner = tx.scalar(select(routers.c.project_id).where(routers.c.id == row["device_id"]))
    if owner is not None and owner != row["project_id"]:
        raise Conflict(
            f"The following device_id {row['device_id']} is not owned by your project or matches another project router.",
            type="DeviceIDNotOwnedByTenant",
        )


def _mac(tx: Transaction, network_id: str, asked: str | None) -> str:
    """The address asked for, else a new one. The table's constraint keeps it the network's only one."""

    def taken(mac: str) -> bool:
        return tx.scalar(select(table.c.id).where(table.c.network_id == network_id, table.c.mac_address == mac)) is not None

    if asked is not None:
        mac = asked.lower().replace("-", ":")
        if taken(mac):
            message = f"Unable to complete operation for network {network_id}. The mac address {mac} is in use."
            raise Conflict(message, type="MacAddressInUse")
        return mac
    for _ in range(MAC_TRIES):
        mac = "fa:16:3e:" + ":".join(f"{random.randrange(256):02x}" for _ in range(3))
        if not taken(mac):
            return mac
    raise Conflict(f"Unable to generate unique mac on network {network_id}.", type="MacAddressGenerationFailure")


def _bind(ctx: Context, row: Row) -> None:
    """Binds to the host that is named, as the mechanism driver would: there must be an agent, and the card a plain one."""
    host = row["binding_host_id"]
    if not host:
        row |= UNBOUND
    elif host in ctx.settings.unbindable_hosts or host not in {seed.name for seed in ctx.settings.hosts}:
        row |= FAILED
    else:
        row |= BOUND if row["binding_vnic_type"] == "normal" else FAILED


def _allocate(tx: Transaction, port: Row, asked: list[Json] | None, current: list[allocation.Allocation]) -> None:
    """Sets the port's `fixed_ips`; `current` are its addresses so far."""
    own = tx.all(_SUBNETS, id=port["network_id"])
    taken = {subnet["id"]: _taken(tx, subnet["id"]) for subnet in own}
    for one in current:
        taken[one["subnet_id"]].remove(one["ip_address"])
    wanted = None if asked is None else allocation.kept_where_possible(asked, current)
    for wish in wanted or ():
        if "subnet_id" in wish and wish["subnet_id"] not in {subnet["id"] for subnet in own}:
            _check_subnet_is_there(tx, wish["subnet_id"])
    wishes = allocation.Wishes(port["network_id"], port["mac_address"], port["device_owner"], wanted)
    with answered():
        port["fixed_ips"] = allocation.allocate(wishes, own, taken)


def _taken(tx: Transaction, subnet_id: str) -> list[str]:
    """Addresses of the subnet that ports have, in one string and from the index alone: a full subnet has many."""
    joined = tx.scalar(_TAKEN.params(id=subnet_id))
    return str(joined).split(",") if joined else []


def _check_subnet_is_there(tx: Transaction, subnet_id: str) -> None:
    if tx.scalar(select(subnets.c.id).where(subnets.c.id == subnet_id)) is None:
        raise NotFound(f"Subnet {subnet_id} could not be found.", type="SubnetNotFound")


def _keep_addresses(ctx: Context, tx: Transaction, row: Row) -> None:
    for position, allocated in enumerate(row["fixed_ips"]):
        tx.insert(ipallocations, port_id=row["id"], network_id=row["network_id"], position=position, **allocated)


def addresses(tx: Transaction, port_id: str) -> list[allocation.Allocation]:
    """A port's fixed_ips."""
    return [{"subnet_id": row["subnet_id"], "ip_address": row["ip_address"]} for row in tx.all(_ADDRESSES, id=port_id)]


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    _no_nulls(new)
    _check_device(ctx, tx, new)
    if new["mac_address"] != old["mac_address"]:
        new["mac_address"] = _changed_mac(tx, old, new)
    if new["binding_vnic_type"] != old["binding_vnic_type"] and old["binding_vif_type"] != "unbound":
        raise Conflict(
            f"Unable to complete operation on port {old['id']} for network {old['network_id']}. Port already has an attached device "
            f"{old['device_id']}.",
            type="PortInUse",
        )
    port_security.check_changed(ctx, tx, old, new)
    if any(new[name] != old[name] for name in ("binding_host_id", "binding_vnic_type", "binding_profile")):
        _bind(ctx, new)
    if "fixed_ips" in new:
        readdress(ctx, tx, new, new["fixed_ips"])


def readdress(ctx: Context, tx: Transaction, port: Row, fixed_ips: list[Json]) -> None:
    """Gives a port the addresses that are asked for, in place of those that it has."""
    _allocate(tx, port, fixed_ips, addresses(tx, port["id"]))
    _check_floating(tx, port)
    tx.execute(delete(ipallocations).where(ipallocations.c.port_id == port["id"]))
    _keep_addresses(ctx, tx, port)


def _check_floating(tx: Transaction, port: Row) -> None:
    """An address that a floating IP leads to stays."""
    left = [one["ip_address"] for one in port["fixed_ips"]]
    needed = tx.all(select(floatingips.c.fixed_ip_address).where(floatingips.c.port_id == port["id"]))
    if any(one["fixed_ip_address"] not in left for one in needed):
        raise BadRequest(
            f"Bad port request: Cannot update the fixed_ips of the port {port['id']}, because its original fixed_ip has been "
            "associated to a floating ip.",
            type="BadRequest",
        )


def _changed_mac(tx: Transaction, old: Row, new: Row) -> str:
    asked = new["mac_address"].lower().replace("-", ":")
    if asked == old["mac_address"]:
        return str(old["mac_address"])
    if new["device_owner"].startswith("network:"):
        raise Conflict(
            f"Operation mac address update is not supported for device_owner {new['device_owner']} on port {old['id']}.",
            type="UnsupportedPortDeviceOwner",
        )
    if old["binding_vif_type"] not in UNPLUGGED:
        raise Conflict(
            f"Unable to complete operation on port {old['id']}, port is already bound, port type: {old['binding_vif_type']}, "
            f"old_mac {old['mac_address']}, new_mac {asked}.",
            type="PortBound",
        )
    return _mac(tx, old["network_id"], asked)


def _check_deletable(ctx: Context, tx: Transaction, row: Row) -> None:
    if row["device_owner"] in ROUTER_OWNED:
        raise Conflict(
            f"Port {row['id']} cannot be deleted directly via the port API: has device owner {row['device_owner']}.",
            type="ServicePortInUse",
        )
    release(tx, row)


def release(tx: Transaction, row: Row) -> None:
    """Gives a port's addresses back; floating IPs lead nowhere then."""
    tx.execute(delete(ipallocations).where(ipallocations.c.port_id == row["id"]))
    free = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
    tx.execute(update(floatingips).where(floatingips.c.port_id == row["id"]).values(**free))


def discard(tx: Transaction, port_id: str) -> None:
    """Deletes a port of neutron's own."""
    release(tx, {"id": port_id})
    tx.execute(delete(table).where(table.c.id == port_id))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    if len(views) == 1:
        views[0]["fixed_ips"] = addresses(tx, views[0]["id"])
        return
    by_port: dict[str, list[Json]] = {}
    chosen = ipallocations.c.port_id.in_([view["id"] for view in views])
    for row in tx.all(select(ipallocations).where(chosen).order_by(ipallocations.c.position)):
        by_port.setdefault(row["port_id"], []).append({"subnet_id": row["subnet_id"], "ip_address": row["ip_address"]})
    for view in views:
        view["fixed_ips"] = by_port.get(view["id"], [])


def _tell_agent(ctx: Context, old: Row | None, new: Row | None) -> None:
    agent: Agent = ctx.part(Agent)
    agent.changed(old, new)


def _visible(ctx: Context, port: Table) -> Any:
    return port.c.network_id.in_(select(networks_table.c.id).where(networks_table.c.project_id == ctx.project_id))


def _by_fixed_ip(values: list[str]) -> Any:
    """`fixed_ips=ip_address=10.0.0.3` or `subnet_id=…`: each of the names that are given, any of its values."""
    wanted: dict[str, list[str]] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or name not in ("ip_address", "subnet_id"):
            raise BadRequest(f"Invalid input for operation: '{value}' is not of the form <key>=[value].", type="InvalidInput")
        wanted.setdefault(name, []).append(text)
    chosen = [ipallocations.c[name].in_(texts) for name, texts in wanted.items()]
    return table.c.id.in_(select(ipallocations.c.port_id).where(*chosen))


def _by_mac(values: list[str]) -> Any:
    return among(table.c.mac_address, [value.lower().replace("-", ":") for value in values])


ports = Collection(
    "port",
    table,
    "/v2.0/ports",
    kind="Port",
    sentence="Port {id} could not be found.",
    guarded=(
        "mac_address", "fixed_ips", "device_id", "device_owner", "port_security_enabled", "allowed_address_pairs", "binding:host_id",
        "binding:profile", "binding:vnic_type",
    ),
    hidden=BINDING,
    # not named: addresses of the network's choice, the project's default group, the network's port security
    defaults={"fixed_ips": UNSET, "security_groups": UNSET, "port_security_enabled": None},
    before_create=_new,
    after_create=_keep_addresses,
    before_update=_changed,
    before_delete=_check_deletable,
    after_commit=_tell_agent,
    more=_more,
    adds=("fixed_ips",),
    target=network_target,
    visible=_visible,
    filters={"fixed_ips": _by_fixed_ip, "mac_address": _by_mac},
)  # fmt: skip
tags = Tags(ports)
