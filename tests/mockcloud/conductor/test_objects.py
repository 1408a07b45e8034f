"""Objects' methods stand for the conductor's own: whatever a compute says in one way arrives as if it had said it in the other."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from mockcloud.conductor.manager import ConductorManager
from mockcloud.context import RequestContext, new_request_id
from mockcloud.objects import BY_METHOD, BY_OBJECT, REMOTABLES, VERSIONS, data_of, primitive
from tests.conftest import MakeCloud

CALLS: dict[str, dict[str, Any]] = {
    "instance_update": {"instance_uuid": "s", "updates": {"task_state": None, "host": "h"}, "expected_task_state": "spawning"},
    "instance_destroy": {"instance_uuid": "s"},
    "instance_info_cache_update": {"instance_uuid": "s", "network_info": [{"id": "p"}]},
    "instance_fault_create": {"instance_uuid": "s", "code": 500, "message": "m", "details": "d"},
    "block_device_mapping_create": {"values": {"instance_uuid": "s", "volume_id": "v"}},
    "block_device_mapping_update": {"bdm_id": 7, "values": {"attachment_id": None}},
    "block_device_mapping_destroy": {"bdm_id": 7},
    "migration_create": {"values": {"status": "migrating"}},
    "migration_update": {"migration_id": 3, "values": {"status": "finished"}},
    "compute_node_update": {"host": "h", "node": "n", "values": {"vcpus": 4}},
    "service_update": {"host": "h", "binary": "nova-compute", "topic": "compute"},
}


@pytest.mark.parametrize("method", CALLS)
def test_arguments_come_out_as_they_went_in(method: str) -> None:
    remotable, args = BY_METHOD[method], CALLS[method]
    sent = primitive(remotable.object, remotable.fields(args))
    options = {name: value for name, value in args.items() if name in remotable.options}
    assert remotable.arguments(data_of(sent), options) == args


def test_every_method_of_the_conductor_that_a_compute_calls_has_one_object_and_one_version() -> None:
    assert len(BY_METHOD) == len(BY_OBJECT) == len(REMOTABLES)
    assert {remotable.object for remotable in REMOTABLES} <= set(VERSIONS)
    assert all(hasattr(ConductorManager, remotable.performs or remotable.method) for remotable in REMOTABLES)
    assert {remotable.method for remotable in REMOTABLES if not remotable.of_class} == set(CALLS)


async def test_an_object_or_method_that_is_not_there_is_refused(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    ctx = RequestContext(new_request_id())
    args = {"objname": "Instance", "objmethod": "vanish", "object_versions": {}, "args": [], "kwargs": {}}
    with pytest.raises(RemoteError, match="vanish") as refused:
        await cloud.bus.call(ctx, "conductor", "object_class_action_versions", version="3.0", args=args)
    assert refused.value.type == "UnsupportedObjectError"


async def test_a_save_answers_what_the_object_has_become_and_the_guard_holds(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    ctx = RequestContext(new_request_id())
    node = {"host": "compute1", "hypervisor_hostname": "compute1", "running_vms": 5}
    saved = {"objinst": primitive("ComputeNode", node), "objmethod": "save", "args": [], "kwargs": {}}
    became, returned = await cloud.bus.call(ctx, "conductor", "object_action", version="3.0", args=saved)
    assert (became["running_vms"], returned) == (5, None)
    lost = {"objinst": primitive("Instance", {"uuid": "nobody", "task_state": None}), "objmethod": "save", "args": []}
    lost["kwargs"] = {"expected_task_state": ["scheduling", None]}
    with pytest.raises(RemoteError) as missing:
        await cloud.bus.call(ctx, "conductor", "object_action", version="3.0", args=lost)
    assert missing.value.type == "InstanceNotFound"
