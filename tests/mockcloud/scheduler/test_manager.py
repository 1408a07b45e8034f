"""The scheduler between queue and queue: choice, claim, row, reply, launch; and what is left when it fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from mockcloud.nova.tables import services
from mockcloud.scheduler.manager import SchedulerManager
from mockcloud.settings import SettingsError

from .conftest import PROJECT, SMALL, USER, Yard

NO_VALID_HOST = "No valid host was found. There are not enough hosts available."
HUGE = {**SMALL, "flavorid": "9", "name": "huge", "memory_mb": 9_000_000}
MakeYard = Callable[..., Awaitable[Yard]]


async def test_a_server_is_placed_claimed_answered_and_launched(yard: Yard) -> None:
    node = await yard.host("one")
    server = yard.server()
    reply = await yard.boot([server])
    assert [(i["uuid"], i["host"], i["node"]) for i in reply] == [(server, "one", "one")]
    row = yard.row(server)
    assert (row["host"], row["vm_state"], row["task_state"]) == ("one", "building", "scheduling")
    assert row["scheduled_at"] is not None
    assert await yard.allocation(server) == {node: {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 10}}
    await yard.settle()
    ((host, method, args),) = yard.heard
    assert (host, method, args["node"], args["instance"]["uuid"]) == ("one", "run_instance", "one", server)
    assert args["instance"]["host"] == "one"
    assert args["filter_properties"]["retry"] == {"num_attempts": 1, "hosts": [["one", "one"]]}
    assert (args["admin_password"], args["requested_networks"], args["is_first_time"]) == ("secret", "none", True)
    (event,) = yard.events(server)
    assert (event["event"], event["result"], event["host"]) == ("schedule", "Success", "controller")


async def test_the_claim_is_the_owners(yard: Yard) -> None:
    await yard.host("one")
    server = yard.server()
    await yard.boot([server])
    body = (await yard.rest.get("placement", f"/allocations/{server}", version="1.36")).json()
    assert (body["project_id"], body["user_id"]) == (PROJECT, USER)


async def test_the_reply_comes_before_the_launch(yard: Yard) -> None:
    await yard.host("one")
    await yard.boot_one()
    await yard.settle()
    order = [fact.kind for fact in yard.cloud.recorder.facts("req-test") if fact.kind in ("rpc.publish", "rpc.reply")]
    assert order == ["rpc.reply", "rpc.publish"]


async def test_the_host_with_more_free_ram_wins(yard: Yard) -> None:
    await yard.host("less", memory_mb=4_096)
    await yard.host("more", memory_mb=8_192)
    assert (await yard.boot_one())["host"] == "more"


async def test_claims_count_before_the_computes_report_them(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two")
    hosts = Counter([(await yard.boot_one())["host"] for _ in range(6)])
    assert hosts == {"one": 3, "two": 3}


async def test_without_a_host_the_server_fails_and_says_why(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two", memory_mb=4_096)
    failed = await yard.boot_one(HUGE)
    assert (failed["vm_state"], failed["task_state"], failed["host"]) == ("error", None, None)
    (fault,) = yard.faults(failed["uuid"])
    assert (fault["code"], fault["message"]) == (500, NO_VALID_HOST)
    assert "one: placement: MEMORY_MB 9000000 asked, 8192 free" in fault["details"]
    assert "two: placement: MEMORY_MB 9000000 asked, 4096 free" in fault["details"]
    (event,) = yard.events(failed["uuid"])
    assert (event["event"], event["result"]) == ("schedule", "Error")
    assert await yard.allocation(failed["uuid"]) == {}
    await yard.settle()
    assert yard.heard == []


async def test_each_filter_explains_its_rejection(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two")
    yard.aggregate("rack", ["two"], availability_zone="east")
    failed = (await yard.boot([yard.server(availability_zone="west")]))[0]
    details = yard.faults(failed["uuid"])[0]["details"].splitlines()
    assert "one: AvailabilityZoneFilter: is in availability zone nova, asked is west" in details
    assert "two: AvailabilityZoneFilter: is in availability zone east, asked is west" in details


async def test_a_server_goes_to_its_zone(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two", memory_mb=2_048)
    yard.aggregate("rack", ["two"], availability_zone="east")
    assert (await yard.boot([yard.server(availability_zone="east")]))[0]["host"] == "two"
    assert (await yard.boot([yard.server(availability_zone="nova")]))[0]["host"] == "one"


async def test_fifty_at_once_on_room_for_forty_take_exactly_forty(yard: Yard) -> None:
    nodes = [await yard.host(f"host{n}", vcpus=8) for n in range(5)]
    replies = await asyncio.gather(*(yard.boot_one() for _ in range(50)))
    assert Counter(reply["vm_state"] for reply in replies) == {"building": 40, "error": 10}
    assert {yard.faults(reply["uuid"])[0]["message"] for reply in replies if reply["vm_state"] == "error"} == {NO_VALID_HOST}
    for node in nodes:
        usages = (await yard.rest.get("placement", f"/resource_providers/{node}/usages", version="1.36")).json()["usages"]
        assert usages["VCPU"] == 8


async def test_of_a_multi_create_those_beyond_the_room_fail(yard: Yard) -> None:
    await yard.host("one", vcpus=2)
    await yard.host("two", vcpus=1)
    servers = [yard.server() for _ in range(4)]
    reply = await yard.boot(servers)
    assert [instance["uuid"] for instance in reply] == servers
    assert Counter(instance["host"] for instance in reply) == {"one": 2, "two": 1, None: 1}
    assert [bool(await yard.allocation(uuid)) for uuid in servers] == [True, True, True, False]
    await yard.settle()
    assert sorted(args["request_spec"]["instance_uuids"] for _, _, args in yard.heard) == sorted([uuid] for uuid in servers[:3])


async def test_members_of_an_anti_affinity_group_never_meet_even_at_once(yard: Yard) -> None:
    for n in range(4):
        await yard.host(f"host{n}", vcpus=64 if n == 0 else 8)
    group = yard.group("anti-affinity")
    replies = await asyncio.gather(*(yard.boot_one(group=group) for _ in range(6)))
    assert sorted(reply["host"] for reply in replies if reply["host"]) == ["host0", "host1", "host2", "host3"]
    failed = [reply for reply in replies if not reply["host"]]
    assert "ServerGroupAntiAffinityFilter: has 1 of server group" in yard.faults(failed[0]["uuid"])[0]["details"]


async def test_an_anti_affinity_group_may_allow_several_on_a_host(yard: Yard) -> None:
    await yard.host("one")
    group = yard.group("anti-affinity", max_server_per_host=2)
    replies = [await yard.boot_one(group=group) for _ in range(3)]
    assert [reply["host"] for reply in replies] == ["one", "one", None]


@pytest.mark.parametrize(("policy", "spread"), [("affinity", 1), ("soft-affinity", 1), ("anti-affinity", 3), ("soft-anti-affinity", 3)])
async def test_a_multi_create_keeps_its_groups_policy(make_yard: MakeYard, policy: str, spread: int) -> None:
    yard = await make_yard(soft_affinity_weight_multiplier=100.0, soft_anti_affinity_weight_multiplier=100.0)
    for name in ("one", "two", "three"):
        await yard.host(name)
    group = yard.group(policy)
    servers = [yard.server(group) for _ in range(3)]
    reply = await yard.boot(servers, scheduler_hints={"group": group})
    assert len({instance["host"] for instance in reply}) == spread


async def test_a_disabled_host_gets_nothing(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two", memory_mb=2_048)
    with yard.db.transaction() as tx:
        tx.execute(update(services).where(services.c.host == "one").values(disabled=True, disabled_reason="repair"))
    assert (await yard.boot_one())["host"] == "two"
    failed = (await yard.boot([yard.server()], ignore_hosts=["two"]))[0]
    assert "one: ComputeFilter: the compute service is disabled, reason: repair" in yard.faults(failed["uuid"])[0]["details"]


async def test_a_host_unheard_of_for_a_minute_gets_nothing(yard: Yard) -> None:
    await yard.host("one")
    yard.cloud.clock.advance(61)
    failed = await yard.boot_one()
    assert "has not been heard from in a while" in yard.faults(failed["uuid"])[0]["details"]


async def test_a_forced_host_passes_all_filters_but_not_the_claim(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two", vcpus=1)
    forced = (await yard.boot([yard.server(availability_zone="nowhere")], force_hosts=["two"]))[0]
    assert forced["host"] == "two"
    await yard.settle()
    assert "retry" not in yard.heard[0][2]["filter_properties"]
    assert (await yard.boot([yard.server()], force_hosts=["two"]))[0]["vm_state"] == "error"


async def test_a_forced_host_that_nobody_knows_is_named_in_the_fault(yard: Yard) -> None:
    await yard.host("one")
    failed = (await yard.boot([yard.server()], force_hosts=["ghost"]))[0]
    assert yard.faults(failed["uuid"])[0]["message"] == "No valid host was found. No such host - host: ghost node: None "


async def test_a_requested_destination_is_tried_alone_and_filtered(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two", vcpus=1)
    destination = {"host": "two", "node": "two"}
    assert (await yard.boot([yard.server()], requested_destination=destination))[0]["host"] == "two"
    assert (await yard.boot([yard.server(availability_zone="x")], requested_destination={"host": "one"}))[0]["vm_state"] == "error"


@pytest.mark.parametrize(("hint", "expected"), [("same_host", "one"), ("different_host", "two")])
async def test_hints_look_at_where_servers_are(yard: Yard, hint: str, expected: str) -> None:
    await yard.host("one")
    await yard.host("two")
    first = (await yard.boot([yard.server()], force_hosts=["one"]))[0]["uuid"]
    assert (await yard.boot([yard.server()], scheduler_hints={hint: [first]}))[0]["host"] == expected
    assert (await yard.boot([yard.server()], scheduler_hints={hint: first}))[0]["host"] == expected


async def sent_back(yard: Yard, server: str, properties: dict[str, Any]) -> None:
    """What a compute does whose build failed."""
    yard.change(server, host=None, node=None)
    arguments = {**yard.message([server]), "filter_properties": properties, "is_first_time": False}
    await yard.cloud.bus.cast(yard.ctx, "scheduler", "run_instance", args=arguments)
    for _ in range(100):
        await yard.settle()
        if await yard.cloud.bus.depth("scheduler") == 0 and yard.row(server)["vm_state"] == "error":
            return


async def test_a_server_sent_back_goes_to_another_host_until_its_attempts_are_used_up(yard: Yard) -> None:
    for n in range(4):
        await yard.host(f"host{n}")
    server = yard.server()
    await yard.boot([server])
    await yard.settle()
    for attempt in (2, 3):
        await sent_back(yard, server, yard.heard[-1][2]["filter_properties"])
        retry = yard.heard[-1][2]["filter_properties"]["retry"]
        assert (retry["num_attempts"], len({host for host, _ in retry["hosts"]})) == (attempt, attempt)
        assert len(await yard.allocation(server)) == 1
    await sent_back(yard, server, yard.heard[-1][2]["filter_properties"])
    assert len(yard.heard) == 3
    assert yard.row(server)["vm_state"] == "error"
    message = f"Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance {server}."
    assert yard.faults(server)[-1]["message"] == message
    assert await yard.allocation(server) == {}


async def test_a_server_sent_back_with_no_host_left_has_exhausted_them(yard: Yard) -> None:
    await yard.host("only")
    server = yard.server()
    await yard.boot([server])
    await yard.settle()
    await sent_back(yard, server, yard.heard[-1][2]["filter_properties"])
    (fault,) = yard.faults(server)
    assert fault["message"].startswith("Exceeded maximum number of retries. Exhausted all hosts")
    assert "only: RetryFilter: an earlier attempt failed here" in fault["details"]


async def test_a_message_delivered_twice_chooses_once(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two")
    server = yard.server()
    await yard.boot([server])
    first = yard.row(server)["host"]
    assert (await yard.boot([server]))[0]["host"] == first
    await yard.settle()
    assert [host for host, _, _ in yard.heard] == [first, first]
    assert len(await yard.allocation(server)) == 1


async def test_two_copies_at_once_choose_once(yard: Yard) -> None:
    await yard.host("one")
    await yard.host("two")
    server = yard.server()
    first, second = await asyncio.gather(yard.boot([server]), yard.boot([server]))
    assert first[0]["host"] == second[0]["host"] is not None
    assert len(await yard.allocation(server)) == 1


async def test_a_scheduler_killed_after_its_claim_schedules_again_after_its_restart(yard: Yard) -> None:
    """The room is just enough for one: what the dead scheduler had claimed must not stand in the way."""
    await yard.host("one", vcpus=1)
    server = yard.server()
    yard.cloud.faults.add(10, "delay", "after", seconds=3600)
    boot = asyncio.ensure_future(yard.boot([server]))
    while not await yard.allocation(server):
        await yard.settle()
    await yard.consumer.kill()
    assert yard.row(server)["host"] is None
    again = SchedulerManager(yard.component, yard.db)
    yard.cloud.bus.serve("scheduler", "controller", again, service="nova-scheduler")
    assert (await boot)[0]["host"] == "one"
    assert len(await yard.allocation(server)) == 1


async def test_a_server_that_is_no_longer_waiting_is_neither_placed_nor_failed(yard: Yard) -> None:
    await yard.host("one")
    gone, deleting = yard.server(deleted_at=yard.cloud.clock.now()), yard.server(task_state="deleting")
    reply = await yard.boot([gone, deleting])
    assert [(i["uuid"], i["host"], i["vm_state"], i["task_state"]) for i in reply] == [(deleting, None, "building", "deleting")]
    await yard.settle()
    assert yard.heard == []
    assert [await yard.allocation(server) for server in (gone, deleting)] == [{}, {}]


async def test_a_server_deleted_during_the_choice_is_dropped(yard: Yard) -> None:
    await yard.host("one")
    server = yard.server()
    yard.cloud.faults.add(10, "delay", "after", seconds=0.2)
    boot = asyncio.ensure_future(yard.boot([server]))
    while not await yard.allocation(server):
        await yard.settle()
    yard.change(server, deleted_at=yard.cloud.clock.now())
    assert await boot == []
    await yard.settle()
    assert yard.heard == []
    assert await yard.allocation(server) == {}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [9, 10, 11, 12])
async def test_a_fault_at_any_step_leaves_no_claim_and_no_server_in_building(yard: Yard, number: int, when: str) -> None:
    await yard.host("one")
    server = yard.server()
    yard.cloud.faults.add(number, "fail", when)
    await yard.boot([server])
    await yard.settle()
    row = yard.row(server)
    assert (row["vm_state"], row["task_state"], row["host"]) == ("error", None, None)
    assert yard.faults(server)[0]["message"] == "InjectedFault"
    assert await yard.allocation(server) == {}


async def test_a_launch_that_was_not_sent_is_an_error(yard: Yard) -> None:
    await yard.host("one")
    server = yard.server()
    yard.cloud.faults.add(12, "skip")
    await yard.boot([server])
    await yard.settle()
    assert (yard.row(server)["vm_state"], yard.row(server)["host"], yard.heard) == ("error", None, [])
    assert await yard.allocation(server) == {}


async def test_without_placement_there_is_no_valid_host(yard: Yard) -> None:
    await yard.host("one")
    yard.cloud.down.add("placement")
    failed = await yard.boot_one()
    assert failed["vm_state"] == "error"
    (fault,) = yard.faults(failed["uuid"])
    assert fault["message"].startswith("No valid host was found.")
    assert "placement" in fault["details"]


async def test_a_server_booted_from_a_volume_takes_no_disk(yard: Yard) -> None:
    node = await yard.host("one", local_gb=1)
    server = yard.server()
    arguments = yard.message([server])
    arguments["request_spec"]["image"] = {}
    root = {"boot_index": 0, "source_type": "volume", "destination_type": "volume"}
    arguments["request_spec"]["block_device_mapping"] = [root]
    await yard.cloud.bus.call(yard.ctx, "scheduler", "run_instance", args=arguments)
    assert await yard.allocation(server) == {node: {"VCPU": 1, "MEMORY_MB": 1024}}


async def test_filters_come_from_the_settings(make_yard: MakeYard) -> None:
    yard = await make_yard(enabled_filters="NumInstancesFilter", max_instances_per_host=1)
    await yard.host("one")
    assert (await yard.boot_one())["host"] == "one"
    failed = await yard.boot_one()
    assert "one: NumInstancesFilter: has 1 servers, allowed are 1" in yard.faults(failed["uuid"])[0]["details"]


async def test_a_filter_that_does_not_exist_stops_the_scheduler(make_yard: MakeYard) -> None:
    with pytest.raises(SettingsError, match="there is no filter NoSuchFilter"):
        await make_yard(enabled_filters="ComputeFilter,NoSuchFilter")


async def test_the_scheduler_reports_that_it_lives(yard: Yard) -> None:
    (report,) = yard.manager.tasks
    task = asyncio.ensure_future(report())
    await yard.settle()
    yard.cloud.clock.advance(yard.component.settings.report_interval)
    await yard.settle()
    task.cancel()
    row = yard.db.one(select(services).where(services.c.binary == "nova-scheduler"))
    assert row is not None
    assert (row["host"], row["topic"], row["report_count"]) == ("controller", "scheduler", 2)
