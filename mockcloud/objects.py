"""nova's objects as they travel on the bus: oslo.versionedobjects' primitives, and which of them stand for which call.

In the dialect cells_v2 a compute has no methods of its own to call at the conductor: it says which object's method is to be
performed there (`object_action` of an object that it has, `object_class_action_versions` of a class). Each of those means
one of the conductor's methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
NAME, DATA, CHANGES = "nova_object.name", "nova_object.data", "nova_object.changes"
VERSIONS = {  # of the objects that nova 34 sends
    "BlockDeviceMapping": "1.21", "BlockDeviceMappingList": "1.18", "BuildRequest": "1.3", "ComputeNode": "1.19", "Flavor": "1.2",
    "ImageMeta": "1.8", "Instance": "2.8", "InstanceActionEvent": "1.4", "InstanceFault": "1.2", "InstanceGroup": "1.11",
    "InstanceInfoCache": "1.5", "InstanceList": "2.6", "Migration": "1.7", "RequestSpec": "1.15", "Selection": "1.1", "Service": "1.22",
}  # fmt: skip


def primitive(name: str, data: Mapping[str, Any], changes: list[str] | None = None) -> Json:
    """An object of class `name`, as it travels."""
    made: Json = {NAME: name, "nova_object.namespace": "nova", "nova_object.version": VERSIONS[name], DATA: dict(data)}
    return made | ({CHANGES: changes} if changes is not None else {})


def data_of(thing: Mapping[str, Any]) -> Json:
    """The fields of an object that came over the bus; of what is no object, itself."""
    return dict(thing.get(DATA, thing))


@dataclass(frozen=True, slots=True)
class Remotable:
    """A method of an object, and the conductor's method that it means.

    `keys` are arguments that say which row is meant, with the names that the object's fields have; `values` is the argument
    that holds further fields; what is in `options` are arguments of the object's method. Everything else is a field.
    `performs` is the conductor's method where it has another name: the classic one is a part of the launch.
    """

    method: str
    object: str
    act: str
    of_class: bool = False
    keys: tuple[tuple[str, str], ...] = ()
    values: str = ""
    options: tuple[str, ...] = ()
    performs: str = ""

    def fields(self, args: Mapping[str, Any]) -> Json:
        """The object's, for these arguments of the conductor's method."""
        renamed = dict(self.keys)
        left = {renamed.get(name, name): value for name, value in args.items() if name not in (self.values, *self.options)}
        return left | (args[self.values] if self.values else {})

    def arguments(self, fields: Mapping[str, Any], options: Mapping[str, Any]) -> Json:
        """The other way round."""
        names = {field: argument for argument, field in self.keys}
        if not self.values:
            return {names.get(field, field): value for field, value in fields.items()} | dict(options)
        keys = {argument: fields[field] for field, argument in names.items()}
        return keys | {self.values: {name: value for name, value in fields.items() if name not in names}} | dict(options)


_UUID, _ID = (("instance_uuid", "uuid"),), "id"
REMOTABLES = (
    Remotable("instance_get_by_uuid", "Instance", "get_by_uuid", of_class=True, performs="instance_read"),
    Remotable("instance_get_all_by_host", "InstanceList", "get_by_host", of_class=True),
    Remotable("instance_update", "Instance", "save", keys=_UUID, values="updates", options=("expected_task_state", "expected_vm_state")),
    Remotable("instance_destroy", "Instance", "destroy", keys=_UUID),
    Remotable("instance_info_cache_update", "InstanceInfoCache", "save"),
    Remotable("instance_fault_create", "InstanceFault", "create"),
    Remotable("instance_group_get", "InstanceGroup", "get_by_uuid", of_class=True),
    Remotable("action_event_start", "InstanceActionEvent", "event_start", of_class=True),
    Remotable("action_event_finish", "InstanceActionEvent", "event_finish_with_failure", of_class=True),
    Remotable("block_device_mapping_get_all_by_instance", "BlockDeviceMappingList", "get_by_instance_uuid", of_class=True),
    Remotable("block_device_mapping_create", "BlockDeviceMapping", "create", values="values"),
    Remotable("block_device_mapping_update", "BlockDeviceMapping", "save", keys=(("bdm_id", _ID),), values="values"),
    Remotable("block_device_mapping_destroy", "BlockDeviceMapping", "destroy", keys=(("bdm_id", _ID),)),
    Remotable("migration_create", "Migration", "create", values="values"),
    Remotable("migration_update", "Migration", "save", keys=(("migration_id", _ID),), values="values"),
    Remotable("migration_get_open", "Migration", "get_by_instance_and_status", of_class=True),
    Remotable("compute_node_update", "ComputeNode", "save", keys=(("host", "host"), ("node", "hypervisor_hostname")), values="values"),
    Remotable("service_update", "Service", "save"),
)
BY_METHOD = {remotable.method: remotable for remotable in REMOTABLES}
BY_OBJECT = {(remotable.object, remotable.act): remotable for remotable in REMOTABLES}
