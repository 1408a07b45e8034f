"""Networks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, bindparam, delete, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import quota, segments
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.listing import among
from mockcloud.neutron.refusal import answered
from mockcloud.neutron.security_groups import ensure_default_group
from mockcloud.neutron.tables import ipallocations, ports, subnets
from mockcloud.neutron.tables import networks as table
from mockcloud.neutron.tags import Tags

PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
SEGMENT = ("network_type", "physical_network", "segmentation_id")
AUTO_DELETED = ("network:dhcp", "network:distributed", "network:floatingip_agent_gateway")  # owners of ports that go with their network
ZONES = ("nova",)


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    ensure_default_group(ctx, tx, row["project_id"])
    quota.check(tx, row["project_id"], "network")
    for zone in row["availability_zone_hints"]:
        if zone not in ZONES:
            raise NotFound(f"AvailabilityZone {zone} could not be found.", type="AvailabilityZoneNotFound")
    with answered():
        segments.check(_segment(row))
        row["provider_network_type"] = row["provider_network_type"] or segments.DEFAULT_TYPE
        row["provider_segmentation_id"] = segments.number_for(_segment(row), _used(tx, row))
    row["mtu"] = _mtu(row)


def _segment(row: Row) -> segments.Segment:
    return {name: row[f"provider_{name}"] for name in SEGMENT}


def _used(tx: Transaction, row: Row) -> list[int]:
    """Segmentation ids that other networks of the type have (of a VLAN: on the same physical network)."""
    same = [table.c[name] == row[name] for name in ("provider_network_type", "provider_physical_network") if row[name] is not None]
    found = tx.all(select(table.c.provider_segmentation_id).where(*same, table.c.id != row["id"]))
    return [one["provider_segmentation_id"] for one in found if one["provider_segmentation_id"] is not None]


def _mtu(row: Row) -> int:
    """0 asks for the largest."""
    largest = segments.mtu_for(row["provider_network_type"])
    if row["mtu"] > largest:
        raise BadRequest(f"Invalid input for operation: Requested MTU is too big, maximum is {largest}.", type="InvalidInput")
    return row["mtu"] or largest


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    if any(new[f"provider_{name}"] != old[f"provider_{name}"] for name in SEGMENT):
        raise BadRequest("Invalid input for operation: Plugin does not support updating provider attributes.", type="InvalidInput")
    new["mtu"] = _mtu(new)
    if old["shared"] and not new["shared"]:
        foreign = [kind.c.network_id == old["id"] for kind in (subnets, ports)]
        users = tx.all(select(subnets.c.project_id).where(foreign[0], subnets.c.project_id != old["project_id"]))
        users += tx.all(
            select(ports.c.project_id).where(
                foreign[1], ports.c.project_id != old["project_id"], ports.c.device_owner.not_like("network:%")
            )
        )
        if users:
            raise Conflict(
                f"Unable to reconfigure sharing settings for network {old['id']}. Multiple projects are using it.",
                type="InvalidSharedSetting",
            )


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    used = tx.all(select(ports.c.id).where(ports.c.network_id == row["id"], ports.c.device_owner.not_in(AUTO_DELETED)))
    if used:
        raise Conflict(
            f"Unable to complete operation on network {row['id']}. There are one or more ports still in use on the network, id for "
            f"these ports is: {','.join(port['id'] for port in used)}.",
            type="NetworkInUse",
        )
    tx.execute(delete(ipallocations).where(ipallocations.c.network_id == row["id"]))
    tx.execute(delete(ports).where(ports.c.network_id == row["id"]))
    tx.execute(delete(subnets).where(subnets.c.network_id == row["id"]))


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    by_network: dict[str, list[str]] = {}
    ids = [view["id"] for view in views]
    order = (subnets.c.created_at, subnets.c.id)
    for row in tx.all(select(subnets.c.id, subnets.c.network_id).where(among(subnets.c.network_id, ids)).order_by(*order)):
        by_network.setdefault(row["network_id"], []).append(row["id"])
    for view in views:
        found = by_network.get(view["id"], [])
        view |= {
            "subnets": found,
            "availability_zones": list(ZONES) if found else [],
            "ipv4_address_scope": None,
            "ipv6_address_scope": None,
        }
        if not view["router:external"]:
            view.pop("is_default")


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
    defaults={"provider_network_type": None},
    before_create=_new,
    before_update=_changed,
    before_delete=_gone,
    more=_more,
    visible=_visible,
)
tags = Tags(networks)


_OWNER = Prepared(select(table.c.project_id, table.c.shared, table.c.router_external).where(table.c.id == bindparam("id")))


def network_target(tx: Transaction, row: Row) -> dict[str, Any]:
    """What rules on a network's children ask of the network; 404 when there is none."""
    parent = tx.one(_OWNER, id=row["network_id"])
    if parent is None:
        raise networks.not_found(row["network_id"])
    return {
        "network:project_id": parent["project_id"], "network:tenant_id": parent["project_id"], "shared": parent["shared"],
        "router:external": parent["router_external"],
    }  # fmt: skip
