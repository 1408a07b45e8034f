"""What nova tells of a server, in both its formats. Pure: a server is a dict as it travels on the bus (docs/rpc.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Server = Mapping[str, Any]
POWER_STATES = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}


def nova_object(name: str, version: str, data: Json) -> Json:
    return {"nova_object.name": name, "nova_object.namespace": "nova", "nova_object.version": version, "nova_object.data": data}


# unversioned


def usage(server: Server, zone: str) -> Json:
    """`zone` is the one of a host that is in no other."""
    flavor = server["flavor"]
    return {
        "tenant_id": server["project_id"],
        "user_id": server["user_id"],
        "instance_id": server["uuid"],
        "display_name": server["display_name"],
        "reservation_id": server["reservation_id"],
        "hostname": server["hostname"],
        "instance_type": flavor.get("name", ""),
        "instance_type_id": flavor.get("id"),
        "instance_flavor_id": flavor.get("flavorid", ""),
        "architecture": server["image_properties"].get("architecture"),
        "memory_mb": server["memory_mb"],
        "disk_gb": server["root_gb"] + server["ephemeral_gb"],
        "vcpus": server["vcpus"],
        "root_gb": server["root_gb"],
        "ephemeral_gb": server["ephemeral_gb"],
        "host": server["host"],
        "node": server["node"],
        "availability_zone": _zone(server, zone),
        "cell_name": "",
        "created_at": f"{server['created_at'][:19].replace('T', ' ')}+00:00",
        **{name: _precise(server[name]) for name in ("terminated_at", "deleted_at", "launched_at")},
        "image_ref_url": server["image_ref"] or "",
        "os_type": server["image_properties"].get("os_type"),
        "kernel_id": server["kernel_id"] or "",
        "ramdisk_id": server["ramdisk_id"] or "",
        "state": server["vm_state"],
        "state_description": server["task_state"] or "",
        "progress": server["progress"] or "",
        "access_ip_v4": server["access_ip_v4"],
        "access_ip_v6": server["access_ip_v6"],
        "image_meta": {name: str(value) for name, value in server["image_properties"].items()}
        | {"base_image_ref": server["image_ref"] or ""},
        "metadata": server["metadata"],
    }


def states(old: Server | None, new: Server) -> Json:
    """What is not known of before, or was nothing, is called as it is now: so nova tells it."""
    before = old or {}
    return {
        "old_state": before.get("vm_state") or new["vm_state"],
        "state": new["vm_state"],
        "old_task_state": before.get("task_state") or new["task_state"],
        "new_task_state": new["task_state"],
    }


def audit_period(now: str) -> Json:
    """The current month up to `now`, which is in ISO form."""
    return {"audit_period_beginning": f"{now[:7]}-01T00:00:00.000000", "audit_period_ending": _precise(now)}


def fixed_ips(server: Server) -> list[Json]:
    return [
        {
            **{name: ip[name] for name in ("address", "type", "version")},
            "meta": {},
            "floating_ips": ip.get("floating_ips", []),
            "label": vif["network"]["label"],
            "vif_mac": vif["address"],
        }
        for vif, ip in _addresses(server)
    ]


def failure(error: BaseException) -> Json:
    return {"message": str(error), "exception": type(error).__name__, "code": 500}


# versioned


def described(server: Server, zone: str, request_id: str, about: Mapping[str, str]) -> Json:
    """What all versioned payloads of a server share; `about` are the ids of the user and the project that act."""
    return {
        "uuid": server["uuid"],
        "user_id": server["user_id"],
        "tenant_id": server["project_id"],
        "reservation_id": server["reservation_id"],
        "display_name": server["display_name"],
        "display_description": server["display_description"],
        "host_name": server["hostname"],
        "host": server["host"],
        "node": server["node"],
        "os_type": server["image_properties"].get("os_type"),
        "architecture": server["image_properties"].get("architecture"),
        "availability_zone": _zone(server, zone),
        "flavor": flavor_payload(server["flavor"]),
        "image_uuid": server["image_ref"] or "",
        "key_name": server["key_name"],
        "kernel_id": server["kernel_id"] or "",
        "ramdisk_id": server["ramdisk_id"] or "",
        **{name: _short(server[name]) for name in ("created_at", "launched_at", "terminated_at", "deleted_at", "updated_at")},
        "state": server["vm_state"],
        "power_state": POWER_STATES.get(server["power_state"], "pending"),
        "task_state": server["task_state"],
        "progress": server["progress"],
        "ip_addresses": [_ip(vif, ip) for vif, ip in _addresses(server)],
        "block_devices": None,
        "metadata": server["metadata"],
        "locked": server["locked"],
        "auto_disk_config": server["disk_config"],
        "request_id": request_id,
        "action_initiator_user": about["user_id"],
        "action_initiator_project": about["project_id"],
        "locked_reason": server["locked_reason"],
        "shares": None,
    }


def update_payload(common: Json, old: Server | None, new: Server, now: str) -> Json:
    period = {"audit_period_beginning": f"{now[:7]}-01T00:00:00Z", "audit_period_ending": _short(now)}
    own = {
        "state_update": nova_object("InstanceStateUpdatePayload", "1.0", states(old, new)),
        "audit_period": nova_object("AuditPeriodPayload", "1.0", period),
        "old_display_name": None,
        "tags": [nova_object("TagPayload", "1.0", {"tag": tag}) for tag in new["tags"]],
    }
    return nova_object("InstanceUpdatePayload", "2.1", own | common)


def create_payload(common: Json, server: Server, fault: Json | None) -> Json:
    own = {
        "keypairs": [],
        "tags": list(server["tags"]),
        "trusted_image_certificates": server["trusted_certs"],
        "instance_name": f"instance-{server['id']:08x}",
        "fault": fault,
    }
    return nova_object("InstanceCreatePayload", "1.13", own | common)


def action_payload(common: Json, fault: Json | None) -> Json:
    return nova_object("InstanceActionPayload", "1.9", {"fault": fault} | common)


def volume_payload(common: Json, volume_id: str) -> Json:
    return nova_object("InstanceActionVolumePayload", "1.7", {"volume_id": volume_id, "fault": None} | common)


def block_devices(rows: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Volumes, as rows of block_device_mapping."""
    shown = ("device_name", "boot_index", "delete_on_termination", "volume_id", "tag")
    return [nova_object("BlockDevicePayload", "1.0", {name: row.get(name) for name in shown}) for row in rows if row.get("volume_id")]


def exception_payload(error: BaseException, where: str) -> Json:
    """`where` is the function that it is told from."""
    told = {"module_name": type(error).__module__, "function_name": where, "exception": type(error).__name__}
    return nova_object("ExceptionPayload", "1.1", told | {"exception_message": str(error), "traceback": None})


def flavor_payload(flavor: Mapping[str, Any]) -> Json:
    same = ("flavorid", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "name", "swap", "rxtx_factor")
    rest = {"vcpu_weight": 0, "disabled": False, "is_public": True, "extra_specs": flavor.get("extra_specs") or {}, "projects": None}
    return nova_object(
        "FlavorPayload", "1.4", {name: flavor.get(name) for name in same} | rest | {"description": flavor.get("description")}
    )


def _addresses(server: Server) -> list[tuple[Json, Json]]:
    return [(vif, ip) for vif in server["network_info"] or () for subnet in vif["network"]["subnets"] for ip in subnet["ips"]]


def _ip(vif: Json, ip: Json) -> Json:
    told = {
        "label": vif["network"]["label"],
        "mac": vif["address"],
        "meta": {},
        "port_uuid": vif["id"],
        "version": ip["version"],
        "address": ip["address"],
        "device_name": vif.get("devname"),
    }
    return nova_object("IpPayload", "1.0", told)


def _zone(server: Server, default: str) -> str | None:
    return server["host_zone"] or server["availability_zone"] or (default if server["host"] else None)


def _short(time: str | None) -> str | None:
    return f"{time[:19]}Z" if time else None


def _precise(time: str | None) -> str:
    """With microseconds; empty for a time that has not come."""
    if not time:
        return ""
    return time if "." in time else f"{time}.000000"
