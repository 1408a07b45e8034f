"""nova tells of the choice of a host: what is asked for, and that nothing was found. Both dialects call the same methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockcloud.bus.base import Bus
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.notifications.notifier import UNVERSIONED, VERSIONED, Notifier
from mockcloud.notifications.server_payloads import exception_payload, flavor_payload, nova_object
from mockcloud.objects import data_of
from mockcloud.settings import CONTROLLER, Settings

Json = dict[str, Any]
Spec = Mapping[str, Any]  # the request_spec of docs/rpc.md

SHOWN = ("uuid", "project_id", "user_id", "availability_zone", "root_gb", "ephemeral_gb", "memory_mb", "vcpus")
IMAGE = ("id", "name", "status", "visibility", "protected", "checksum", "owner", "size", "virtual_size", "container_format",
         "disk_format", "created_at", "updated_at", "tags", "direct_url", "min_ram", "min_disk")  # fmt: skip


def spec_of(spec_obj: Mapping[str, Any], instance_uuids: Sequence[str]) -> Spec:
    """The same dict, of the RequestSpec object that cells_v2 sends."""
    spec, flavor = data_of(spec_obj), data_of(data_of(spec_obj)["flavor"])
    properties = {"uuid": instance_uuids[0]} | {name: spec[name] for name in ("project_id", "user_id", "availability_zone")}
    return {
        "num_instances": len(instance_uuids),
        "instance_uuids": list(instance_uuids),
        "image": data_of(spec["image"]),
        "instance_properties": properties | {name: flavor[name] for name in ("root_gb", "ephemeral_gb", "memory_mb", "vcpus")},
        "instance_type": flavor,
        "security_groups": spec["security_groups"],
    }


class SchedulingNotifier:
    def __init__(self, bus: Bus, clock: Clock, settings: Settings, host: str = CONTROLLER) -> None:
        self._told = Notifier(bus, clock, settings.notifications, "nova", "scheduler", host)

    async def choosing(self, ctx: RequestContext, what: str, spec: Spec, **more: Any) -> None:
        """`what` is e.g. run_instance.start or select_destinations.end; only the latter's kind has a versioned form."""
        event_type = f"scheduler.{what}"
        if UNVERSIONED in self._told.topics:
            await self._told.tell(ctx, event_type, {"request_spec": _request_spec(spec)} | more)
        if VERSIONED in self._told.topics and what.startswith("select_destinations."):
            publisher = f"nova-scheduler:{self._told.host}"
            await self._told.tell(ctx, event_type, _spec_payload(spec), publisher=publisher, topic=VERSIONED)

    async def found_none(self, ctx: RequestContext, method: str, spec: Spec, instance_uuid: str, error: BaseException) -> None:
        """A server fails for want of a host: `method` is run_instance of the scheduler, or build_instances of the conductor."""
        told, by_conductor = self._told, method == "build_instances"
        service = "compute_task" if by_conductor else "scheduler"
        if UNVERSIONED in told.topics:
            shown = _request_spec(spec)
            about = {"instance_properties": shown["instance_properties"], "instance_id": instance_uuid, "state": "error", "method": method}
            payload = {"request_spec": shown} | about | {"reason": str(error)}
            await told.tell(ctx, f"{service}.{method}", payload, priority="ERROR", publisher=f"{service}.{told.host}")
        if VERSIONED in told.topics and by_conductor:
            data = {
                "instance_uuid": instance_uuid,
                "request_spec": _spec_payload(spec),
                "state": "error",
                "reason": exception_payload(error, "schedule_and_build_instances"),
            }
            payload = nova_object("ComputeTaskPayload", "1.0", data)
            publisher = f"nova-conductor:{told.host}"
            await told.tell(ctx, f"compute_task.{method}.error", payload, priority="ERROR", publisher=publisher, topic=VERSIONED)


def _request_spec(spec: Spec) -> Json:
    """Without what a user gave the server to keep."""
    properties = spec["instance_properties"]
    return {
        "num_instances": spec["num_instances"],
        "instance_uuids": list(spec["instance_uuids"]),
        "image": {name: value for name, value in (spec.get("image") or {}).items() if name in IMAGE},
        "instance_properties": {name: properties[name] for name in SHOWN},
        "instance_type": dict(spec["instance_type"]),
        "security_groups": spec.get("security_groups") or [],
    }


def _spec_payload(spec: Spec) -> Json:
    properties, image, uuids = spec["instance_properties"], spec.get("image") or {}, spec["instance_uuids"]
    requests = nova_object("InstancePCIRequestsPayload", "1.0", {"instance_uuid": uuids[0], "requests": []})
    image_data = {name: image.get(name) for name in IMAGE} | {"properties": nova_object("ImageMetaPropsPayload", "1.20", {})}
    data = {
        "instance_uuid": uuids[0],
        **{name: properties[name] for name in ("project_id", "user_id", "availability_zone")},
        "flavor": flavor_payload(spec["instance_type"]),
        **dict.fromkeys(("force_hosts", "force_nodes", "ignore_hosts", "instance_group")),
        "image": nova_object("ImageMetaPayload", "1.0", image_data),
        "numa_topology": None,
        "pci_requests": requests,
        "num_instances": spec["num_instances"],
        **dict.fromkeys(("requested_destination", "retry")),
        "scheduler_hints": {},
        "security_groups": spec.get("security_groups") or [],
    }
    return nova_object("RequestSpecPayload", "1.1", data)
