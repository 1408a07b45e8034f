"""The conductor over the bus, as the computes use it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.bus.base import RemoteError
from mockcloud.cloud import Cloud
from mockcloud.conductor.manager import ConductorManager
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.nova import tables as nova

MakeCloud = Callable[..., Awaitable[Cloud]]
FLAVOR = {"flavorid": "1", "name": "small", "vcpus": 1, "memory_mb": 512, "root_gb": 1, "extra_specs": {}}


class Office:
    """A conductor on a bus, and a nova database to look into."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = Database("nova", nova.metadata)
        self.manager = ConductorManager(cloud.component("nova-conductor", "controller"), self.db)
        cloud.bus.serve("conductor", "controller", self.manager, service="nova-conductor")
        self.ctx = RequestContext("req-boot", user_id="u", project_id="p")

    async def call(self, method: str, **args: Any) -> Any:
        return await self.cloud.bus.call(self.ctx, "conductor", method, args=args)

    async def refused(self, method: str, **args: Any) -> RemoteError:
        with pytest.raises(RemoteError) as caught:
            await self.call(method, **args)
        return caught.value

    def server(self, **values: Any) -> str:
        server, now = str(uuid.uuid4()), self.cloud.clock.now()
        row = {"uuid": server, "created_at": now, "project_id": "p", "user_id": "u", "display_name": "n", "flavor": FLAVOR}
        row |= {"memory_mb": 512, "vcpus": 1, "root_gb": 1, "vm_state": "building", "task_state": "scheduling"}
        with self.db.transaction() as tx:
            tx.insert(nova.instances, **{**row, **values})
            action = {"instance_uuid": server, "action": "create", "request_id": "req-boot", "created_at": now}
            tx.insert(nova.instance_actions, start_time=now, **action)
        return server

    def all(self, table: Any) -> list[dict[str, Any]]:
        return self.db.all(select(table))


@pytest.fixture
async def office(make_cloud: MakeCloud) -> Office:
    return Office(await make_cloud(services=("keystone",)))


async def test_a_compute_gets_the_instance_with_the_flavor_of_its_request(office: Office) -> None:
    server = office.server(host="one")
    found = await office.call("instance_get_by_uuid", instance_uuid=server)
    assert (found["uuid"], found["host"], found["project_id"], found["memory_mb"]) == (server, "one", "p", 512)
    assert found["flavor"] == FLAVOR
    assert json.loads(json.dumps(found)) == found
    assert found["created_at"].startswith("20")


@pytest.mark.parametrize("method", ["instance_get_by_uuid", "instance_update", "instance_info_cache_update"])
@pytest.mark.parametrize("deleted", [True, False])
async def test_a_server_that_is_gone_is_not_found(office: Office, method: str, deleted: bool) -> None:
    server = office.server(deleted_at=office.cloud.clock.now()) if deleted else str(uuid.uuid4())
    extra: dict[str, dict[str, Any]] = {"instance_update": {"updates": {"progress": 1}}, "instance_info_cache_update": {"network_info": []}}
    error = await office.refused(method, instance_uuid=server, **extra.get(method, {}))
    assert (error.type, error.message) == ("InstanceNotFound", f"Instance {server} could not be found.")


async def test_the_servers_of_a_host(office: Office) -> None:
    first, second = office.server(host="one"), office.server(host="one")
    office.server(host="two")
    office.server(host="one", deleted_at=office.cloud.clock.now())
    assert [row["uuid"] for row in await office.call("instance_get_all_by_host", host="one")] == [first, second]


@pytest.mark.parametrize(
    ("state", "expected", "allowed"),
    [
        ("scheduling", {}, True),
        ("scheduling", {"expected_task_state": "scheduling"}, True),
        ("scheduling", {"expected_task_state": ["networking", "scheduling"]}, True),
        ("scheduling", {"expected_task_state": None}, False),
        ("scheduling", {"expected_task_state": "networking"}, False),
        ("scheduling", {"expected_task_state": ["networking", None]}, False),
        ("deleting", {"expected_task_state": ["scheduling", None]}, False),
        (None, {"expected_task_state": None}, True),
        (None, {"expected_task_state": [None, "scheduling"]}, True),
        (None, {"expected_task_state": "scheduling"}, False),
        ("scheduling", {"expected_vm_state": "building"}, True),
        ("scheduling", {"expected_vm_state": ["active", None]}, False),
        ("scheduling", {"expected_task_state": "scheduling", "expected_vm_state": "active"}, False),
    ],
)
async def test_a_save_compares_and_sets(office: Office, state: str | None, expected: dict[str, Any], allowed: bool) -> None:
    server = office.server(task_state=state)
    save = {"instance_uuid": server, "updates": {"progress": 7, "launched_at": "2026-01-02T03:04:05"}, **expected}
    if allowed:
        saved = await office.call("instance_update", **save)
        assert (saved["progress"], saved["launched_at"]) == (7, "2026-01-02T03:04:05")
        assert saved["updated_at"] is not None
    else:
        error = await office.refused("instance_update", **save)
        assert error.type == "UnexpectedTaskStateError"
        assert error.message.startswith(f"Conflict updating instance {server}. Expected: ")
        assert office.all(nova.instances)[0]["progress"] == 0


async def test_of_many_that_expect_the_same_state_one_wins(office: Office) -> None:
    server = office.server()
    save = {"instance_uuid": server, "updates": {"task_state": None}, "expected_task_state": "scheduling"}
    results = await asyncio.gather(*(office.call("instance_update", **save) for _ in range(10)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["RemoteError"] * 9 + ["dict"]


@pytest.mark.parametrize("updates", [{"no_such_column": 1}, {"uuid": "x"}, {"project_id": "thief"}, {"deleted_at": None}])
async def test_a_save_takes_only_what_may_change(office: Office, updates: dict[str, Any]) -> None:
    server = office.server()
    assert (await office.refused("instance_update", instance_uuid=server, updates=updates)).type == "ValueError"
    assert office.all(nova.instances)[0]["project_id"] == "p"


async def test_destroying_marks_the_row_and_can_be_repeated(office: Office) -> None:
    server, other = office.server(), office.server()
    for owner in (server, other):
        await office.call("block_device_mapping_create", values=disk(owner))
    await office.call("instance_destroy", instance_uuid=server)
    gone, kept = office.all(nova.instances)
    assert (gone["vm_state"], gone["task_state"], kept["vm_state"]) == ("deleted", None, "building")
    assert gone["deleted_at"] is not None
    assert [row["instance_uuid"] for row in office.all(nova.block_device_mapping)] == [other]
    office.cloud.clock.advance(5)
    await office.call("instance_destroy", instance_uuid=server)
    assert office.all(nova.instances)[0]["deleted_at"] == gone["deleted_at"]


async def test_network_info_is_kept(office: Office) -> None:
    server = office.server()
    await office.call("instance_info_cache_update", instance_uuid=server, network_info=[{"id": "port"}])
    assert (await office.call("instance_get_by_uuid", instance_uuid=server))["network_info"] == [{"id": "port"}]


async def test_a_fault_is_trimmed(office: Office) -> None:
    server = office.server()
    await office.call("instance_fault_create", instance_uuid=server, code=500, message="x" * 300, details="y" * 300)
    (fault,) = office.all(nova.instance_faults)
    assert (fault["code"], fault["message"], len(fault["details"])) == (500, "x" * 255, 300)


@pytest.mark.parametrize(("exc", "result", "message"), [(None, "Success", None), ("BuildAbortException", "Error", "Error")])
async def test_an_event_is_opened_and_closed(office: Office, exc: str | None, result: str, message: str | None) -> None:
    server = office.server()
    about = {"instance_uuid": server, "event": "compute_run_instance", "host": "one"}
    await office.call("action_event_start", **about)
    (opened,) = office.all(nova.instance_actions_events)
    assert (opened["event"], opened["host"], opened["finish_time"], opened["result"]) == ("compute_run_instance", "one", None, None)
    await office.call("action_event_finish", **about, exc=exc, traceback="trace" if exc else None)
    await office.call("action_event_finish", **about, exc="Late", traceback="too late")
    (closed,) = office.all(nova.instance_actions_events)
    assert (closed["result"], closed["traceback"], closed["details"]) == (result, "trace" if exc else None, exc)
    assert closed["finish_time"] is not None
    (action,) = office.all(nova.instance_actions)
    assert action["message"] == message
    assert action["updated_at"] is not None


async def test_an_event_belongs_to_the_action_of_its_request(office: Office) -> None:
    server = office.server()
    office.ctx = RequestContext("req-other")
    await office.call("action_event_start", instance_uuid=server, event="e", host="one")
    assert office.all(nova.instance_actions_events) == []


def disk(server: str) -> dict[str, Any]:
    return {"instance_uuid": server, "source_type": "volume", "destination_type": "volume", "volume_id": "v", "boot_index": 0}


async def test_the_life_of_a_disks_row(office: Office) -> None:
    server = office.server()
    made = await office.call("block_device_mapping_create", values=disk(server))
    values = {"connection_info": {"driver": "fake"}, "attachment_id": "a"}
    changed = await office.call("block_device_mapping_update", bdm_id=made["id"], values=values)
    assert (changed["connection_info"], changed["attachment_id"], changed["volume_id"]) == ({"driver": "fake"}, "a", "v")
    assert await office.call("block_device_mapping_get_all_by_instance", instance_uuid=server) == [changed]
    await office.call("block_device_mapping_destroy", bdm_id=made["id"])
    await office.call("block_device_mapping_destroy", bdm_id=made["id"])
    assert await office.call("block_device_mapping_get_all_by_instance", instance_uuid=server) == []
    assert (await office.refused("block_device_mapping_update", bdm_id=made["id"], values=values)).type == "VolumeBDMNotFound"


async def test_the_life_of_a_migration(office: Office) -> None:
    server = office.server()
    values = {"instance_uuid": server, "status": "pre-migrating", "migration_type": "resize", "source_compute": "one"}
    made = await office.call("migration_create", values=values)
    assert (made["status"], len(made["uuid"])) == ("pre-migrating", 36)
    changed = await office.call("migration_update", migration_id=made["id"], values={"status": "finished"})
    assert (changed["status"], changed["source_compute"]) == ("finished", "one")
    assert (await office.call("migration_get_open", instance_uuid=server))["id"] == made["id"]
    await office.call("migration_update", migration_id=made["id"], values={"status": "confirmed"})
    assert await office.call("migration_get_open", instance_uuid=server) is None
    assert (await office.refused("migration_update", migration_id=99, values={"status": "x"})).type == "MigrationNotFound"


async def test_a_compute_node_is_made_by_its_first_report(office: Office) -> None:
    size = {"uuid": str(uuid.uuid4()), "hypervisor_type": "fake", "hypervisor_version": 1, "vcpus": 4, "memory_mb": 9, "local_gb": 9}
    made = await office.call("compute_node_update", host="one", node="n", values=size)
    assert (made["host"], made["hypervisor_hostname"], made["uuid"]) == ("one", "n", size["uuid"])
    changed = await office.call("compute_node_update", host="one", node="n", values={"vcpus_used": 2, "stats": {"failed_builds": 1}})
    assert (changed["id"], changed["vcpus"], changed["vcpus_used"], changed["stats"]) == (made["id"], 4, 2, {"failed_builds": 1})


async def test_a_service_reports_and_learns_whether_it_is_disabled(office: Office) -> None:
    about = {"host": "one", "binary": "nova-compute", "topic": "compute"}
    first = await office.call("service_update", **about)
    office.cloud.clock.advance(10)
    second = await office.call("service_update", **about)
    assert (first["report_count"], second["report_count"]) == (1, 2)
    assert second["last_seen_up"] > first["last_seen_up"]
    assert (second["disabled"], second["forced_down"], second["id"]) == (False, False, first["id"])


@pytest.mark.parametrize("number", [15, 16, 17])
async def test_a_fault_at_a_step_reaches_the_compute(office: Office, number: int) -> None:
    office.cloud.faults.add(number, "fail")
    assert (await office.refused("instance_get_by_uuid", instance_uuid=office.server())).type == "InjectedFault"


async def test_the_conductor_reports_that_it_lives(office: Office) -> None:
    (report,) = office.manager.tasks
    task = asyncio.ensure_future(report())
    for seconds in (0, 10, 10):
        office.cloud.clock.advance(seconds)
        for _ in range(20):
            await office.cloud.clock.sleep(0)
    task.cancel()
    (row,) = office.all(nova.services)
    assert (row["binary"], row["topic"], row["host"], row["report_count"]) == ("nova-conductor", "conductor", "controller", 3)
