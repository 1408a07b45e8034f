"""Aggregates, the zones they name, and their likeness in placement."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.nova.tables import instances
from mockcloud.settings import HostSeed
from mockcloud.testing.client import client
from tests.mockcloud.nova.nova_user import Nova, refusal

PATH = "/os-aggregates"


async def _aggregate(admin: Nova, name: str = "fast", **values: Any) -> Any:
    return (await admin.post(PATH, {"aggregate": {"name": name, **values}}))["aggregate"]


async def _act(admin: Nova, number: int | str, action: str, version: str = "2.104", **body: Any) -> Any:
    return await admin.request("POST", f"{PATH}/{number}/action", {action: body}, version)


async def _members_in_placement(admin: Nova, host: str) -> list[str]:
    rest = client(admin.cloud, "admin")
    providers = (await rest.get("placement", f"/resource_providers?name={host}", version="1.36")).json()["resource_providers"]
    found = await rest.get("placement", f"/resource_providers/{providers[0]['uuid']}/aggregates", version="1.36")
    return list(found.json()["aggregates"])


def _server(cloud: Cloud, host: str) -> None:
    with cloud.services["nova"].db.transaction() as tx:
        values = {"project_id": "p", "user_id": "u", "display_name": "s", "flavor": {}, "vcpus": 1, "memory_mb": 1, "root_gb": 1}
        tx.insert(instances, uuid=str(uuid.uuid4()), created_at=cloud.clock.now(), host=host, **values)


async def test_a_new_aggregate_is_empty_and_may_name_a_zone(admin: Nova) -> None:
    made = await _aggregate(admin, availability_zone="east")
    assert set(made) == {"availability_zone", "created_at", "deleted", "deleted_at", "id", "name", "updated_at", "uuid"}
    shown = (await admin.get(f"{PATH}/{made['id']}"))["aggregate"]
    assert shown == made | {"hosts": [], "metadata": {"availability_zone": "east"}}
    assert (await admin.get(PATH))["aggregates"] == [shown]
    assert (shown["availability_zone"], shown["deleted"], shown["deleted_at"], shown["updated_at"]) == ("east", False, None, None)


@pytest.mark.parametrize(("version", "has"), [("2.40", False), ("2.41", True)])
async def test_the_uuid_came_with_2_41(admin: Nova, version: str, has: bool) -> None:
    made = (await admin.post(PATH, {"aggregate": {"name": "a"}}, version))["aggregate"]
    assert ("uuid" in made) is has
    assert ("uuid" in (await admin.get(f"{PATH}/{made['id']}", version))["aggregate"]) is has
    assert ("uuid" in (await admin.get(PATH, version))["aggregates"][0]) is has


async def test_hosts_come_and_go_here_and_in_placement(admin: Nova) -> None:
    made = await _aggregate(admin)
    added = (await _act(admin, made["id"], "add_host", host="compute1")).json()["aggregate"]
    assert added["hosts"] == ["compute1"]
    assert added["updated_at"] is not None
    assert await _members_in_placement(admin, "compute1") == [made["uuid"]]
    assert refusal(await admin.request("DELETE", f"{PATH}/{made['id']}")) == (
        400,
        f"Cannot remove host from aggregate {made['id']}. Reason: Host aggregate is not empty.",
    )
    assert (await _act(admin, made["id"], "remove_host", host="compute1")).json()["aggregate"]["hosts"] == []
    assert await _members_in_placement(admin, "compute1") == []
    answer = await admin.request("DELETE", f"{PATH}/{made['id']}")
    assert (answer.status, answer.content) == (200, b"")
    assert refusal(await admin.request("GET", f"{PATH}/{made['id']}")) == (404, f"Aggregate {made['id']} could not be found.")


async def test_metadata_is_merged_and_null_takes_away(admin: Nova) -> None:
    made = await _aggregate(admin)
    await _act(admin, made["id"], "set_metadata", metadata={"ssd": "true", "gpu": "no"})
    answer = await _act(admin, made["id"], "set_metadata", metadata={"gpu": None, "availability_zone": "east", "none": None})
    assert answer.json()["aggregate"]["metadata"] == {"ssd": "true", "availability_zone": "east"}
    assert answer.json()["aggregate"]["availability_zone"] == "east"


async def test_name_and_zone_change(admin: Nova) -> None:
    made = await _aggregate(admin)
    answer = await admin.request("PUT", f"{PATH}/{made['id']}", {"aggregate": {"name": " slow ", "availability_zone": "west"}})
    shown = answer.json()["aggregate"]
    assert (shown["name"], shown["availability_zone"], shown["metadata"]) == ("slow", "west", {"availability_zone": "west"})


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"name": "taken"}, 409, "Aggregate taken already exists."),
        ({"name": ""}, 400, "should be non-empty"),
        ({"name": " x"}, 400, "An invalid 'name' value was provided."),
        ({"name": "x" * 256}, 400, "is too long"),
        ({"name": "x", "availability_zone": ""}, 400, "is not valid under any of the given schemas"),
        ({"name": "x", "availability_zone": "a:b"}, 400, "is not valid under any of the given schemas"),
        ({"name": "x", "hosts": []}, 400, "('hosts' was unexpected)"),
        ({}, 400, "'name' is a required property"),
    ],
)
async def test_an_aggregate_that_cannot_be_is_refused(admin: Nova, values: dict[str, Any], status: int, message: str) -> None:
    await _aggregate(admin, "taken")
    found, said = refusal(await admin.request("POST", PATH, {"aggregate": values}))
    assert found == status
    assert message in said
    assert len((await admin.get(PATH))["aggregates"]) == 1


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"name": "taken"}, 409, "Aggregate taken already exists."),
        ({"name": "  "}, 400, "The name must be: printable characters with at least one non space character"),
        ({"availability_zone": None}, 400, "Reason: Aggregate fast does not support empty named availability zone."),
        ({}, 400, "{} is not valid under any of the given schemas"),
        ({"colour": "red"}, 400, "('colour' was unexpected)"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(admin: Nova, values: dict[str, Any], status: int, message: str) -> None:
    await _aggregate(admin, "taken")
    made = await _aggregate(admin)
    found, said = refusal(await admin.request("PUT", f"{PATH}/{made['id']}", {"aggregate": values}))
    assert found == status
    assert message in said
    assert (await admin.get(f"{PATH}/{made['id']}"))["aggregate"]["name"] == "fast"


@pytest.mark.parametrize(
    ("action", "body", "status", "message"),
    [
        ("add_host", {"host": "nowhere"}, 404, "Compute host nowhere could not be found."),
        ("add_host", {"host": "compute2"}, 409, "Aggregate 1 already has host compute2."),
        ("add_host", {}, 400, "'host' is a required property"),
        ("add_host", {"host": "a b"}, 400, "'a b' does not match"),
        ("remove_host", {"host": "nowhere"}, 404, "Cannot remove host nowhere in aggregate 1"),
        ("remove_host", {"host": "compute1"}, 404, "Cannot remove host compute1 in aggregate 1"),
        ("set_metadata", {}, 400, "'metadata' is a required property"),
        ("set_metadata", {"metadata": {"k": 5}}, 400, "5 is not of type 'string', 'null'"),
        ("set_metadata", {"metadata": {"a/b": "x"}}, 400, "does not match any of the regexes"),
        ("set_metadata", {"metadata": {"availability_zone": ""}}, 400, "does not support empty named availability zone."),
        ("dance", {}, 400, "There is no such action: dance"),
    ],
)
async def test_an_action_that_cannot_be_is_refused(admin: Nova, action: str, body: Any, status: int, message: str) -> None:
    made = await _aggregate(admin)
    await _act(admin, made["id"], "add_host", host="compute2")
    found, said = refusal(await _act(admin, made["id"], action, **body))
    assert found == status
    assert message in said
    assert (await admin.get(f"{PATH}/{made['id']}"))["aggregate"]["hosts"] == ["compute2"]


@pytest.mark.parametrize("number", ["99", str(10**30), "x"])
async def test_an_aggregate_that_is_not_there(admin: Nova, number: str) -> None:
    wanted = (404, f"Aggregate {number} could not be found.")
    if number == "x":
        wanted = (400, "Invalid input received: id must be an integer")
    for method, body in (("GET", None), ("PUT", {"aggregate": {"name": "n"}}), ("DELETE", None)):
        assert refusal(await admin.request(method, f"{PATH}/{number}", body)) == wanted
    assert refusal(await _act(admin, number, "add_host", host="compute1")) == wanted
    assert refusal(await _act(admin, number, "set_metadata", metadata={})) == wanted
    gone = (404, f"Cannot remove host compute1 in aggregate {number}")
    assert refusal(await _act(admin, number, "remove_host", host="compute1")) == (wanted if number == "x" else gone)


async def test_a_host_is_in_one_zone(admin: Nova) -> None:
    east = await _aggregate(admin, "e", availability_zone="east")
    west = await _aggregate(admin, "w", availability_zone="west")
    await _act(admin, east["id"], "add_host", host="compute1")
    refused = "Reason: One or more hosts already in availability zone(s) ['east']."
    assert refusal(await _act(admin, west["id"], "add_host", host="compute1")) == (409, f"Cannot add host to aggregate 2. {refused}")
    plain = await _aggregate(admin, "plain")
    assert (await _act(admin, plain["id"], "add_host", host="compute1")).status == 200
    answer = await _act(admin, plain["id"], "set_metadata", metadata={"availability_zone": "west"})
    assert refusal(answer) == (400, f"Cannot update metadata of aggregate 3. {refused}")
    answer = await admin.request("PUT", f"{PATH}/3", {"aggregate": {"availability_zone": "west"}})
    assert refusal(answer) == (400, f"Cannot update aggregate 3. {refused}")


async def test_servers_do_not_change_their_zone(admin: Nova, nova_cloud: Cloud) -> None:
    east = await _aggregate(admin, "e", availability_zone="east")
    await _act(admin, east["id"], "add_host", host="compute1")
    _server(nova_cloud, "compute1")
    _server(nova_cloud, "compute2")
    for action, host, old, new in (("remove_host", "compute1", "east", "None"), ("add_host", "compute2", "None", "east")):
        status, said = refusal(await _act(admin, east["id"], action, host=host))
        assert status == 409
        assert f"would change from '{old}' to '{new}' but the host already has 1 instance(s)" in said
    for answer in (
        await _act(admin, east["id"], "set_metadata", metadata={"availability_zone": "west"}),
        await admin.request("PUT", f"{PATH}/1", {"aggregate": {"availability_zone": "west"}}),
    ):
        status, said = refusal(answer)
        assert (status, said.split("Reason: ")[1]) == (400, "One or more hosts contain instances in this zone.")
    assert (await admin.request("PUT", f"{PATH}/1", {"aggregate": {"availability_zone": "east"}})).status == 200


async def test_aggregates_are_the_administrators(user: Callable[[str], Nova]) -> None:
    await _aggregate(user("admin"))
    for who in ("member", "reader"):
        for method, path, body in (
            ("GET", PATH, None),
            ("POST", PATH, {"aggregate": {"name": "x"}}),
            ("GET", f"{PATH}/1", None),
            ("PUT", f"{PATH}/1", {"aggregate": {"name": "x"}}),
            ("DELETE", f"{PATH}/1", None),
            ("POST", f"{PATH}/1/action", {"add_host": {"host": "compute1"}}),
            ("POST", f"{PATH}/1/action", {"remove_host": {"host": "compute1"}}),
            ("POST", f"{PATH}/1/action", {"set_metadata": {"metadata": {}}}),
        ):
            assert (await user(who).request(method, path, body)).status == 403


async def test_caching_images_ahead_is_declined(admin: Nova) -> None:
    body = {"cache": [{"id": str(uuid.uuid4())}]}
    assert (await admin.request("POST", f"{PATH}/1/images", body)).status == 501
    assert (await admin.request("POST", f"{PATH}/1/images", body, "2.80")).status == 404


async def test_an_aggregate_survives_a_placement_that_is_away(admin: Nova, nova_cloud: Cloud) -> None:
    made = await _aggregate(admin)
    nova_cloud.down.add("placement")
    assert (await _act(admin, made["id"], "add_host", host="compute1")).json()["aggregate"]["hosts"] == ["compute1"]
    assert (await _act(admin, made["id"], "remove_host", host="compute1")).json()["aggregate"]["hosts"] == []


async def test_the_zones_of_the_settings_are_there_from_the_start(make_cloud: Callable[..., Awaitable[Cloud]]) -> None:
    hosts = (HostSeed("a", zone="east"), HostSeed("b", zone="east"), HostSeed("c"))
    cloud = await make_cloud(services=("keystone", "placement", "nova"), hosts=hosts, clock_speed=100.0)
    admin = Nova(cloud, client(cloud, "admin"))
    (found,) = (await admin.get(PATH))["aggregates"]
    assert (found["name"], found["availability_zone"], found["hosts"]) == ("east", "east", ["a", "b"])
    member = Nova(cloud, client(cloud, "member"))
    assert [zone["zoneName"] for zone in (await member.get("/os-availability-zone"))["availabilityZoneInfo"]] == ["east", "nova"]
    placed = Nova(cloud, client(cloud, "admin"))
    for _ in range(100):
        await cloud.clock.sleep(1)
        if await _members_in_placement(placed, "b"):
            break
    assert await _members_in_placement(placed, "a") == await _members_in_placement(placed, "b") == [found["uuid"]]
    assert await _members_in_placement(placed, "c") == []
