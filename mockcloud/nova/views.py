"""Servers as the API shows them: everything that any version shows; the document drops what the asked one lacks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, bindparam, func, select

from mockcloud.clients import EndpointDown
from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.reply import Json
from mockcloud.nova.links import links
from mockcloud.nova.lookup import is_admin, owner
from mockcloud.nova.status import WITH_FAULT, WITH_PROGRESS, status_of
from mockcloud.nova.tables import block_device_mapping, instance_faults, instance_group_members, services
from mockcloud.nova.zones import is_up, read_zones

HOST_STATUS = "os_compute_api:servers:show:host_status"
IMAGE_PROPERTIES = ("hw_", "img_", "os_")  # what nova knows the names of begins so, or is one of its old names:
OLD_IMAGE_PROPERTIES = frozenset({
    "architecture", "owner_id", "vmware_disktype", "vmware_image_version", "vmware_ostype", "auto_disk_config", "ipxe_boot", "vm_mode",
    "cache_in_nova", "root_device_name", "hypervisor_version_requires", "hypervisor_type",
})  # fmt: skip


@dataclass(slots=True)
class Surroundings:
    """What is shown of servers but does not stand in their rows: by server, or by host."""

    faults: dict[str, Row] = field(default_factory=dict)
    volumes: dict[str, list[Row]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    security_groups: dict[str, list[Json]] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    host_status: dict[str, str] = field(default_factory=dict)


class OfServers:
    """Rows of several servers; those of a single one, which is asked for most, are prepared."""

    def __init__(self, table: Table, statement: Select[Any]) -> None:
        self._column, self._statement = table.c.instance_uuid, statement
        self._of_one = Prepared(statement.where(self._column == bindparam("uuid")))

    def read(self, tx: Transaction, uuids: Sequence[str]) -> list[Row]:
        return tx.all(self._of_one, uuid=uuids[0]) if len(uuids) == 1 else tx.all(self._statement.where(self._column.in_(uuids)))


_DISKS = block_device_mapping.c
_VOLUMES = OfServers(
    block_device_mapping,
    select(_DISKS.instance_uuid, _DISKS.volume_id, _DISKS.delete_on_termination).where(_DISKS.volume_id.is_not(None)).order_by(_DISKS.id),
)
_GROUPS = OfServers(instance_group_members, select(instance_group_members))


async def show_servers(ctx: Context, rows: Sequence[Row]) -> list[Json]:
    """Details of several servers, with one question for all of them to each place that is asked."""
    with ctx.db.transaction() as tx:
        around = _read_surroundings(ctx, tx, rows)
    around.security_groups = await _security_groups(ctx, [row["uuid"] for row in rows if row["network_info"]])
    return [show_server_row(ctx, row, around) for row in rows]


def _read_surroundings(ctx: Context, tx: Transaction, rows: Sequence[Row]) -> Surroundings:
    """Only what will be shown: most servers have no fault to show, and most callers may not see how hosts are."""
    uuids = [row["uuid"] for row in rows]
    return Surroundings(
        faults=_last_faults(tx, [row["uuid"] for row in rows if _status(row) in WITH_FAULT]),
        volumes=_volumes(tx, uuids),
        groups=_groups(tx, uuids),
        zones=read_zones(tx),
        host_status=_host_status(ctx, tx) if any(ctx.can(HOST_STATUS, owner(row)) for row in rows) else {},
    )


def _last_faults(tx: Transaction, uuids: Sequence[str]) -> dict[str, Row]:
    if not uuids:
        return {}
    t = instance_faults
    newest = select(func.max(t.c.id)).where(t.c.instance_uuid.in_(uuids)).group_by(t.c.instance_uuid)
    return {row["instance_uuid"]: row for row in tx.all(select(t).where(t.c.id.in_(newest)))}


def _volumes(tx: Transaction, uuids: Sequence[str]) -> dict[str, list[Row]]:
    found = defaultdict(list)
    for row in _VOLUMES.read(tx, uuids):
        found[row["instance_uuid"]].append(row)
    return found


def _groups(tx: Transaction, uuids: Sequence[str]) -> dict[str, list[str]]:
    return {row["instance_uuid"]: [row["group_uuid"]] for row in _GROUPS.read(tx, uuids)}


def _host_status(ctx: Context, tx: Transaction) -> dict[str, str]:
    now, limit = ctx.now(), ctx.settings.service_down_time
    found = {}
    for row in tx.all(select(services).where(services.c.binary == "nova-compute")):
        status = "UP" if is_up(row, now, limit) else "UNKNOWN"
        found[row["host"]] = "DOWN" if row["forced_down"] else "MAINTENANCE" if row["disabled"] else status
    return found


async def _security_groups(ctx: Context, uuids: Sequence[str]) -> dict[str, list[Json]]:
    """Names of the groups of the servers' ports, which neutron knows; without an answer there are none."""
    if not uuids:
        return {}
    asked = [("fields", "security_groups"), ("fields", "device_id"), *(("device_id", uuid) for uuid in uuids)]
    try:
        answer = await ctx.rest.get("network", "/v2.0/ports", params=asked)
        ports = answer.json()["ports"] if answer.ok else []
        ids = sorted({group for port in ports for group in port["security_groups"]})
        wanted = [("fields", "id"), ("fields", "name"), *(("id", id) for id in ids)]
        groups = await ctx.rest.get("network", "/v2.0/security-groups", params=wanted) if ids else None
    except EndpointDown:
        return {}
    names = {group["id"]: group["name"] for group in groups.json()["security_groups"]} if groups and groups.ok else {}
    found: dict[str, list[Json]] = defaultdict(list)
    for port in ports:
        found[port["device_id"]] += [{"name": names.get(group, group)} for group in port["security_groups"]]
    return found


def show_server_row(ctx: Context, row: Row, around: Surroundings) -> Json:
    """One server in full."""
    target = owner(row)
    view = _own_view(ctx, row, target)
    if view["status"] in WITH_FAULT and (fault := around.faults.get(row["uuid"])):
        view["fault"] = _fault(fault, is_admin(ctx))
    if view["status"] in WITH_PROGRESS:
        view["progress"] = row["progress"]
    view["server_groups"] = around.groups.get(row["uuid"], [])
    if groups := around.security_groups.get(row["uuid"]):
        view["security_groups"] = groups
    view["os-extended-volumes:volumes_attached"] = [
        {"id": disk["volume_id"], "delete_on_termination": disk["delete_on_termination"]} for disk in around.volumes.get(row["uuid"], ())
    ]
    view["OS-EXT-AZ:availability_zone"] = zone_of(row, around.zones, ctx.settings.default_availability_zone)
    if ctx.can(HOST_STATUS, target):
        view["host_status"] = around.host_status.get(row["host"], "") if row["host"] else ""
    if ctx.can("os_compute_api:os-extended-server-attributes", target):
        view |= _extended(row)
    elif ctx.at_least("2.90"):
        view["OS-EXT-SRV-ATTR:hostname"] = row["hostname"]
    return view


def _own_view(ctx: Context, row: Row, target: dict[str, Any]) -> Json:
    """What the row alone says."""
    return {
        "id": row["uuid"],
        "name": row["display_name"],
        "description": row["display_description"],
        "status": _status(row),
        "tenant_id": row["project_id"],
        "user_id": row["user_id"],
        "links": links(ctx, "servers", row["uuid"]),
        "metadata": row["metadata"],
        "tags": row["tags"],
        "image": _image(ctx, row),
        "flavor": _flavor(ctx, row["flavor"], ctx.can("os_compute_api:servers:show:flavor-extra-specs", target)),
        "addresses": {} if row["vm_state"] == "building" else addresses(row["network_info"]),
        "accessIPv4": row["access_ip_v4"] or "",
        "accessIPv6": row["access_ip_v6"] or "",
        "hostId": host_id(row["project_id"], row["host"]),
        "key_name": row["key_name"],
        "config_drive": "True" if row["config_drive"] else "",
        "locked": bool(row["locked"]),
        "locked_reason": row["locked_reason"],
        "trusted_image_certificates": row["trusted_certs"],
        "scheduler_hints": {name: value if isinstance(value, list) else [value] for name, value in row["scheduler_hints"].items()},
        "pinned_availability_zone": row["availability_zone"],
        "created": isotime(row["created_at"]),
        "updated": isotime(row["updated_at"] or row["created_at"]),
        "OS-DCF:diskConfig": row["disk_config"],
        "OS-EXT-STS:vm_state": row["vm_state"],
        "OS-EXT-STS:task_state": row["task_state"],
        "OS-EXT-STS:power_state": row["power_state"],
        "OS-SRV-USG:launched_at": _precise(row["launched_at"]),
        "OS-SRV-USG:terminated_at": _precise(row["terminated_at"]),
    }


def _status(row: Row) -> str:
    return "DELETED" if row["deleted_at"] else status_of(row["vm_state"], row["task_state"])


def _extended(row: Row) -> Json:
    """For administrators."""
    named = ("hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id", "root_device_name", "user_data", "host")
    return {f"OS-EXT-SRV-ATTR:{name}": row[name] for name in named} | {
        "OS-EXT-SRV-ATTR:instance_name": instance_name(row),
        "OS-EXT-SRV-ATTR:hypervisor_hostname": row["node"],
    }


def instance_name(row: Row) -> str:
    """What the hypervisor calls it."""
    return f"instance-{row['id']:08x}"


def addresses(network_info: Sequence[Mapping[str, Any]], extended: bool = True) -> Json:
    """Addresses by the network's name; `extended` tells their kind and the port's MAC too."""
    found: dict[str, list[Json]] = {}
    for vif in network_info:
        ips = [ip for subnet in vif["network"]["subnets"] for ip in subnet["ips"]]
        ips += [floating for ip in ips for floating in ip.get("floating_ips", ())]
        shown = found.setdefault(vif["network"]["label"], [])
        for ip in ips:
            more = {"OS-EXT-IPS:type": ip["type"], "OS-EXT-IPS-MAC:mac_addr": vif["address"]} if extended else {}
            shown.append({"version": ip["version"], "addr": ip["address"], **more})
    return found


def zone_of(row: Row, zones: Mapping[str, str], default: str) -> str:
    """Of the host; before there is one, as asked."""
    return zones.get(row["host"], default) if row["host"] else row["availability_zone"] or ""


def host_id(project_id: str, host: str | None) -> str:
    """Tells users which of their servers share a host, and nothing else."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""


def isotime(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _precise(when: datetime | None) -> str | None:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f") if when else None


def _image(ctx: Context, row: Row) -> Json:
    if not row["image_ref"]:
        return ""
    known = {
        name: value if value is None else str(value)
        for name, value in row["image_properties"].items()
        if name.startswith(IMAGE_PROPERTIES) or name in OLD_IMAGE_PROPERTIES
    }
    return {"id": row["image_ref"], "links": links(ctx, "images", row["image_ref"])[1:], "properties": known}


def _flavor(ctx: Context, flavor: Mapping[str, Any], with_extra_specs: bool) -> Json:
    shown = {
        "id": flavor["flavorid"],
        "links": links(ctx, "flavors", flavor["flavorid"])[1:],
        "original_name": flavor["name"],
        "vcpus": flavor["vcpus"],
        "ram": flavor["memory_mb"],
        "disk": flavor["root_gb"],
        "ephemeral": flavor["ephemeral_gb"],
        "swap": flavor["swap"],
    }
    return shown | ({"extra_specs": flavor.get("extra_specs") or {}} if with_extra_specs else {})


def _fault(fault: Row, for_admin: bool) -> Json:
    shown = {"code": fault["code"], "created": isotime(fault["created_at"]), "message": fault["message"]}
    if fault["details"] and (for_admin or fault["code"] != 500):
        shown["details"] = fault["details"]
    return shown
