"""Where a resize goes, what it holds meanwhile, and that nothing stays of one that cannot be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mockcloud.nova.records import to_message

from .conftest import SMALL, Yard

BIG = {**SMALL, "flavorid": "2", "name": "big", "vcpus": 4, "memory_mb": 2_048}
OLD, NEW = {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 10}, {"VCPU": 4, "MEMORY_MB": 2048, "DISK_GB": 10}
MakeYard = Callable[..., Awaitable[Yard]]


async def active_on(yard: Yard, host: str) -> str:
    """A server that runs there and is to be resized."""
    server = yard.server()
    await yard.boot([server], force_hosts=[host])
    await yard.settle()
    yard.heard.clear()
    yard.change(server, vm_state="active", task_state="resize_prep")
    return server


async def resize(yard: Yard, server: str, flavor: dict[str, Any], **filter_properties: Any) -> None:
    arguments = {"instance": to_message(yard.row(server)), "image": {"id": "an-image"}, "instance_type": flavor}
    arguments |= {"request_spec": {}, "filter_properties": filter_properties}
    await yard.cloud.bus.cast(yard.ctx, "scheduler", "prep_resize", args=arguments)
    for _ in range(50):
        await yard.settle()
        if yard.heard or yard.faults(server):
            return


async def test_a_resize_claims_the_new_room_beside_the_old(yard: Yard) -> None:
    source, destination = await yard.host("one"), await yard.host("two")
    server = await active_on(yard, "one")
    await resize(yard, server, BIG, ignore_hosts=["one"])
    assert await yard.allocation(server) == {source: OLD, destination: NEW}
    ((host, method, args),) = yard.heard
    assert (host, method, args["node"], args["instance_type"]["flavorid"]) == ("two", "prep_resize", "two", "2")
    assert args["filter_properties"]["retry"] == {"num_attempts": 1, "hosts": [["two", "two"]]}
    assert yard.row(server)["task_state"] == "resize_prep"


async def test_a_resize_may_stay_where_it_is_and_holds_the_sum(yard: Yard) -> None:
    node = await yard.host("one")
    server = await active_on(yard, "one")
    await resize(yard, server, BIG)
    assert yard.heard[0][0] == "one"
    assert await yard.allocation(server) == {node: {"VCPU": 5, "MEMORY_MB": 3072, "DISK_GB": 20}}


async def expect_unmoved(yard: Yard, server: str, node: str, message: str) -> None:
    row = yard.row(server)
    assert (row["vm_state"], row["task_state"], row["host"]) == ("active", None, "one")
    (fault,) = yard.faults(server)
    assert fault["message"] == message
    assert [event["result"] for event in yard.events(server)] == ["Success", "Error"]
    assert await yard.allocation(server) == {node: OLD}
    assert yard.heard == []


async def test_without_a_host_the_server_is_as_it_was(make_yard: MakeYard) -> None:
    yard = await make_yard(allow_resize_to_same_host=False)
    node = await yard.host("one")
    await yard.host("two", vcpus=2)
    server = await active_on(yard, "one")
    await resize(yard, server, BIG)
    await expect_unmoved(yard, server, node, "No valid host was found. No valid host found for resize")
    assert "two: placement: VCPU 4 asked, 2 free" in yard.faults(server)[0]["details"]


async def test_a_cold_migration_never_stays(yard: Yard) -> None:
    node = await yard.host("one")
    server = await active_on(yard, "one")
    await resize(yard, server, SMALL)
    await expect_unmoved(yard, server, node, "No valid host was found. No valid host found for cold migrate")


async def test_a_resize_sent_back_lets_go_of_the_failed_destination(yard: Yard) -> None:
    source = await yard.host("one")
    nodes = {"two": await yard.host("two"), "three": await yard.host("three")}
    server = await active_on(yard, "one")
    await resize(yard, server, BIG, ignore_hosts=["one"])
    properties = yard.heard.pop()[2]["filter_properties"]
    await resize(yard, server, BIG, **properties)
    second = yard.heard[0][0]
    assert [second, second] != properties["retry"]["hosts"][0]
    assert await yard.allocation(server) == {source: OLD, nodes[second]: NEW}


async def test_a_resize_has_a_limited_number_of_attempts(yard: Yard) -> None:
    source = await yard.host("one")
    await yard.host("two")
    server = await active_on(yard, "one")
    await resize(yard, server, BIG, retry={"num_attempts": 3, "hosts": []})
    why = f"Exhausted all hosts available for retrying build failures for instance {server}."
    await expect_unmoved(yard, server, source, f"Exceeded maximum number of retries. {why}")


async def test_a_resize_without_placement_fails_and_the_server_stays_usable(yard: Yard) -> None:
    await yard.host("one")
    server = await active_on(yard, "one")
    yard.cloud.down.add("placement")
    await resize(yard, server, BIG)
    assert (yard.row(server)["vm_state"], yard.row(server)["task_state"]) == ("active", None)


@pytest.mark.parametrize("policy", ["anti-affinity", "affinity"])
async def test_a_resize_keeps_its_groups_policy(yard: Yard, policy: str) -> None:
    await yard.host("one", memory_mb=4_096)
    await yard.host("two")
    group = yard.group(policy)
    server, other = yard.server(group), yard.server(group)
    await yard.boot([server], force_hosts=["one"])
    await yard.boot([other], force_hosts=["one" if policy == "affinity" else "two"])
    await yard.settle()
    yard.heard.clear()
    yard.change(server, vm_state="active", task_state="resize_prep")
    await resize(yard, server, BIG)
    assert yard.heard[0][0] == "one"
