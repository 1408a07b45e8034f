"""What a request asks of a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mockcloud.objects import data_of


@dataclass(slots=True)
class Group:
    """A server group as the choice sees it; hosts chosen within one request are added while it lasts."""

    uuid: str
    policy: str
    members: frozenset[str] = frozenset()
    hosts: set[str] = field(default_factory=set)  # where members are
    max_server_per_host: int = 1


@dataclass(slots=True)
class RequestSpec:
    """One request for hosts: for one server or for the servers of a multi-create, which are alike."""

    instance_uuids: tuple[str, ...]
    project_id: str
    user_id: str
    flavor: Mapping[str, Any]
    image_properties: Mapping[str, Any] = field(default_factory=dict)
    boots_from_volume: bool = False
    availability_zone: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    force_hosts: tuple[str, ...] = ()
    force_nodes: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = ()
    destination: tuple[str, str] | None = None  # (host, node) to be tried alone, but filtered; either may be empty
    tried: tuple[tuple[str, str], ...] = ()  # (host, node) of earlier attempts
    group: Group | None = None
    instance_uuid: str = ""  # the one being placed right now

    @property
    def extra_specs(self) -> Mapping[str, Any]:
        return self.flavor.get("extra_specs") or {}

    @property
    def forced(self) -> bool:
        return bool(self.force_hosts or self.force_nodes)

    def hint(self, name: str) -> Any:
        """A scheduler hint; one that came as a list of one is that one."""
        value = self.hints.get(name)
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    def hinted_servers(self, name: str) -> frozenset[str]:
        value = self.hint(name)
        return frozenset([value] if isinstance(value, str) else value or ())


def from_message(request_spec: Mapping[str, Any], filter_properties: Mapping[str, Any]) -> RequestSpec:
    """The two dicts of the classic message as one object."""
    instance = request_spec.get("instance_properties") or {}
    image = request_spec.get("image") or {}
    retry = filter_properties.get("retry") or {}
    return RequestSpec(
        instance_uuids=tuple(request_spec.get("instance_uuids") or [instance["uuid"]]),
        project_id=instance["project_id"],
        user_id=instance["user_id"],
        flavor=request_spec["instance_type"],
        image_properties=image_properties(image) or instance.get("image_properties") or {},
        boots_from_volume=boots_from_volume(image, request_spec.get("block_device_mapping") or ()),
        availability_zone=instance.get("availability_zone") or "",
        hints=filter_properties.get("scheduler_hints") or instance.get("scheduler_hints") or {},
        force_hosts=_names(filter_properties.get("force_hosts")),
        force_nodes=_names(filter_properties.get("force_nodes")),
        ignore_hosts=_names(filter_properties.get("ignore_hosts")),
        destination=_destination(filter_properties.get("requested_destination")),
        tried=tuple((host, node) for host, node in retry.get("hosts") or ()),
        instance_uuid=instance.get("uuid") or "",
    )


def from_object(spec_obj: Mapping[str, Any], instance_uuids: Sequence[str]) -> RequestSpec:
    """The same of nova's own RequestSpec, as cells_v2 sends it."""
    spec = data_of(spec_obj)
    return RequestSpec(
        instance_uuids=tuple(instance_uuids),
        project_id=spec["project_id"],
        user_id=spec["user_id"],
        flavor=data_of(spec["flavor"]),
        image_properties=image_properties(data_of(spec["image"] or {})),
        boots_from_volume=spec["is_bfv"],
        availability_zone=spec["availability_zone"] or "",
        hints=spec["scheduler_hints"] or {},
        force_hosts=_names(spec["force_hosts"]),
        force_nodes=_names(spec["force_nodes"]),
        ignore_hosts=_names(spec["ignore_hosts"]),
        destination=_destination(spec["requested_destination"]),
        instance_uuid=instance_uuids[0],
    )


def image_properties(image: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of glance's image body: v2 has them flat beside the image's own fields."""
    nested = image.get("properties")
    if isinstance(nested, Mapping):
        return dict(nested)
    return {name: value for name, value in image.items() if name.startswith(_PROPERTY_PREFIXES) or name in _PROPERTIES}


_PROPERTY_PREFIXES = ("hw_", "img_", "os_", "trait:")
_PROPERTIES = frozenset({"architecture", "hypervisor_type", "vm_mode"})


def boots_from_volume(image: Mapping[str, Any], mappings: Sequence[Mapping[str, Any]]) -> bool:
    """A root disk on a volume takes no disk of the host."""
    roots = [mapping for mapping in mappings if mapping.get("boot_index") in (0, "0")]
    if roots:
        return any(mapping.get("destination_type") == "volume" for mapping in roots)
    return not image


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _destination(value: Mapping[str, Any] | None) -> tuple[str, str] | None:
    return ((value.get("host") or "", value.get("node") or "")) if value else None
