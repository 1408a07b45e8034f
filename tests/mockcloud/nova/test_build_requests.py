"""Servers of the dialect cells_v2 before they have a cell: no conductor is there to give them one, until a test starts it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.cloud import Cloud
from mockcloud.nova.api_tables import CELL0, CELL1, build_requests, instance_mappings, request_specs
from mockcloud.nova.tables import instances
from mockcloud.testing.client import Client, client
from tests.conftest import MakeCloud
from tests.e2e import launching

Json = dict[str, Any]


@pytest.fixture
async def cloud(make_cloud: MakeCloud) -> Cloud:
    made = await make_cloud(dialect="cells_v2")
    await made.workers["conductor"].kill()
    return made


@pytest.fixture
def member(cloud: Cloud) -> Client:
    return client(cloud, "member")


@pytest.fixture
async def given(cloud: Cloud, member: Client) -> launching.Ingredients:
    return await launching.prepare(cloud, member)


async def waiting(member: Client, given: launching.Ingredients, **more: Any) -> str:
    answer = await launching.boot(member, given, **more)
    assert answer.status == 202, answer.content
    return str(answer.json()["server"]["id"])


async def volume_status(member: Client, volume_id: str) -> str:
    return str((await member.get("cinder", f"/v3/volumes/{volume_id}")).json()["volume"]["status"])


async def listed(member: Client, path: str = "servers", **params: Any) -> list[Json]:
    answer = await member.get("nova", f"/v2.1/{path}", params=params, version=launching.VERSION)
    assert answer.status == 200, answer.content
    servers: list[Json] = answer.json()["servers"]
    return servers


async def test_the_client_is_answered_at_once_and_the_api_database_has_three_rows(cloud: Cloud, member: Client, given: Any) -> None:
    server = await waiting(member, given, volume_id=given.volume_ids[0])
    db = cloud.services["nova"].db
    assert db.all(select(instances)) == []
    assert [row["uuid"] for row in db.all(select(build_requests))] == [server]
    assert [row["instance_uuid"] for row in db.all(select(request_specs))] == [server]
    assert [(row["instance_uuid"], row["cell_id"]) for row in db.all(select(instance_mappings))] == [(server, None)]
    assert await volume_status(member, given.volume_ids[0]) == "reserved"


async def test_a_server_without_a_cell_looks_like_any_that_is_being_scheduled(cloud: Cloud, member: Client, given: Any) -> None:
    server = await waiting(member, given, name="early", metadata={"a": "b"})
    seen = await launching.show(member, server)
    assert seen is not None
    states = ("status", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "hostId", "addresses", "OS-SRV-USG:launched_at", "metadata")
    assert [seen[name] for name in states] == ["BUILD", "building", "scheduling", "", {}, None, {"a": "b"}]
    for path in ("metadata", "tags", "ips", "os-volume_attachments", "os-interface", "os-security-groups"):
        assert (await member.get("nova", f"/v2.1/servers/{server}/{path}", version="2.90")).status == 200, path
    actions = await member.get("nova", f"/v2.1/servers/{server}/os-instance-actions", version="2.90")
    assert (actions.status, actions.json()["instanceActions"]) == (200, [])
    assert await launching.show(client(cloud, "stranger"), server) is None
    assert await listed(client(cloud, "stranger")) == []


async def test_lists_have_each_server_once_in_one_order_whether_it_has_a_cell_or_not(cloud: Cloud, member: Client, given: Any) -> None:
    await cloud.workers["conductor"].start()
    old = [await waiting(member, given, name=f"old-{n}") for n in range(2)]
    for server in old:
        await launching.settled(cloud, member, server)
    await cloud.workers["conductor"].kill()
    new = [await waiting(member, given, name=f"new-{n}") for n in range(3)]
    everyone = [*reversed(new), *reversed(old)]
    for path in ("servers", "servers/detail"):
        assert [server["id"] for server in await listed(member, path)] == everyone
    assert [server["id"] for server in await listed(member, name="new")] == everyone[:3]
    assert [server["id"] for server in await listed(member, status="ACTIVE")] == everyone[3:]
    assert [server["id"] for server in await listed(member, sort_key="display_name", sort_dir="asc")] == [*new, *old]
    pages: list[str] = []
    while page := await listed(member, limit=2, **({"marker": pages[-1]} if pages else {})):
        pages += [server["id"] for server in page]
    assert pages == everyone
    unknown = await member.get("nova", "/v2.1/servers", params={"marker": "11111111-2222-3333-4444-555555555555"})
    assert unknown.status == 400


async def test_what_is_changed_before_there_is_a_cell_goes_along_into_it(cloud: Cloud, member: Client, given: Any) -> None:
    server = await waiting(member, given)
    path = f"/v2.1/servers/{server}"
    assert (await member.put("nova", path, json={"server": {"name": "renamed"}})).status == 200
    assert (await member.post("nova", f"{path}/action", json={"lock": None})).status == 202
    await cloud.workers["conductor"].start()
    seen = await launching.settled(cloud, member, server)
    assert (seen["status"], seen["name"], seen["locked"]) == ("ACTIVE", "renamed", True)


@pytest.mark.parametrize(
    "action", ["os-stop", "pause", "suspend", "lock", "shelve", "createImage", "resize", "reboot", "os-getConsoleOutput"]
)
async def test_an_action_on_a_server_without_a_cell_is_refused_or_done_and_never_fails(member: Client, given: Any, action: str) -> None:
    server = await waiting(member, given)
    bodies: Json = {"createImage": {"name": "x"}, "resize": {"flavorRef": "2"}, "reboot": {"type": "SOFT"}, "os-getConsoleOutput": {}}
    answer = await member.post("nova", f"/v2.1/servers/{server}/action", json={action: bodies.get(action)})
    assert answer.status in (202, 409, 501), answer.content
    seen = await launching.show(member, server)
    assert seen is not None
    assert seen["OS-EXT-STS:task_state"] == "scheduling"


async def test_deleting_it_frees_its_volume_and_nothing_is_ever_built(cloud: Cloud, member: Client, given: Any) -> None:
    server = await waiting(member, given, volume_id=given.volume_ids[0])
    assert (await member.delete("nova", f"/v2.1/servers/{server}")).status == 204
    assert await launching.show(member, server) is None
    assert await listed(member) == []
    assert await volume_status(member, given.volume_ids[0]) == "available"
    assert (await member.delete("nova", f"/v2.1/servers/{server}")).status == 404
    await cloud.workers["conductor"].start()
    await cloud.clock.sleep(0.2)
    assert await launching.show(member, server) is None
    await launching.nothing_left(cloud)


async def test_servers_without_a_cell_count_against_the_quota(cloud: Cloud, member: Client, given: Any) -> None:
    admin = client(cloud, "admin")
    quota = {"quota_set": {"instances": 2, "server_group_members": 1}}
    assert (await admin.put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json=quota)).status == 200
    for _ in range(2):
        await waiting(member, given)
    limits = (await member.get("nova", "/v2.1/limits")).json()["limits"]["absolute"]
    assert (limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"]) == (2, 2, 1024)
    refused = await launching.boot(member, given, given.volume_ids[0])
    assert refused.status == 403
    assert "Quota exceeded for instances" in refused.json()["forbidden"]["message"]
    assert await volume_status(member, given.volume_ids[0]) == "available"


async def test_group_members_without_a_cell_count_too(cloud: Cloud, member: Client, given: Any) -> None:
    admin = client(cloud, "admin")
    await admin.put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json={"quota_set": {"server_group_members": 1}})
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    group = (await member.post("nova", "/v2.1/os-server-groups", json=body, version="2.64")).json()["server_group"]["id"]
    server = {"name": "vm", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}]}
    boot = {"server": server, "os:scheduler_hints": {"group": group}}
    answers = [await member.post("nova", "/v2.1/servers", json=boot, version=launching.VERSION) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 403]
    shown = (await member.get("nova", f"/v2.1/os-server-groups/{group}", version="2.64")).json()["server_group"]
    assert shown["members"] == [answers[0].json()["server"]["id"]]


async def test_launches_at_the_same_time_do_not_exceed_the_quota_together(cloud: Cloud, member: Client, given: Any) -> None:
    quota = {"quota_set": {"instances": 2}}
    assert (await client(cloud, "admin").put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json=quota)).status == 200
    answers = await asyncio.gather(*(launching.boot(member, given) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [202, 202, 403, 403, 403]
    assert len(await listed(member)) == 2
    fewer = await launching.boot(member, given, min_count=1, max_count=9)
    assert fewer.status == 403
    first, _ = await listed(member)
    assert (await member.delete("nova", f"/v2.1/servers/{first['id']}")).status == 204
    fewer = await launching.boot(member, given, min_count=1, max_count=9)
    assert (fewer.status, len(await listed(member))) == (202, 2)


async def test_a_client_that_goes_away_leaves_nothing_half_made(cloud: Cloud, member: Client, given: Any) -> None:
    """Wherever its request is cut off: the server is asked for whole, or not at all."""
    for step in (6, 7, 8):
        cloud.faults.add(step, "delay", seconds=30)
        post = asyncio.ensure_future(launching.boot(member, given, given.volume_ids[0]))
        while cloud.faults.armed:
            await cloud.clock.sleep(0.005)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
        assert await listed(member) == []
        assert await volume_status(member, given.volume_ids[0]) == "available"
    await cloud.workers["conductor"].start()
    await launching.nothing_left(cloud)


async def test_a_volume_that_another_launch_was_faster_to_get_is_refused_and_nothing_stays(
    cloud: Cloud, member: Client, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nova-api has seen the volume available, and somebody else reserves it before it does."""
    from mockcloud.nova import cell_launch

    spare = await launching.create_volume(cloud, member)
    reserve = cell_launch._reserve_volumes

    async def too_late(ctx: Any, launch: Any) -> None:
        taken = {"attachment": {"volume_uuid": given.volume_ids[0], "instance_uuid": "11111111-2222-3333-4444-555555555555"}}
        assert (await member.post("cinder", "/v3/attachments", json=taken, version="3.44")).status == 200
        await reserve(ctx, launch)

    monkeypatch.setattr(cell_launch, "_reserve_volumes", too_late)
    disks = [{"source_type": "image", "destination_type": "local", "uuid": given.image_id, "boot_index": 0}]
    disks += [{"source_type": "volume", "destination_type": "volume", "uuid": id, "boot_index": -1} for id in (spare, given.volume_ids[0])]
    refused = await launching.boot(member, given, block_device_mapping_v2=disks)
    assert refused.status == 400
    assert refused.json()["badRequest"]["message"].startswith("Invalid volume: Invalid input received: ")
    assert "status must be available" in refused.json()["badRequest"]["message"]
    assert await volume_status(member, spare) == "available"
    assert await listed(member) == []


async def test_several_servers_of_one_request_are_asked_for_in_one_message(cloud: Cloud, member: Client, given: Any) -> None:
    await waiting(member, given, min_count=3, max_count=3)
    (message,) = [fact for fact in cloud.recorder.facts() if fact.kind == "rpc.publish" and fact.name == "schedule_and_build_instances"]
    sent = message.attributes
    assert (sent["routing_key"], sent["namespace"], sent["version"], sent["msg_id"]) == ("conductor", "compute_task", "1.17", None)
    assert len(sent["args"]["build_requests"]) == len(sent["args"]["request_specs"]) == 3
    await cloud.workers["conductor"].start()
    for server in await listed(member):
        assert (await launching.settled(cloud, member, server["id"]))["status"] == "ACTIVE"
    (asked,) = [fact for fact in cloud.recorder.facts() if fact.kind == "rpc.publish" and fact.name == "select_destinations"]
    assert len(asked.attributes["args"]["instance_uuids"]) == 3
    cells = {row["cell_id"] for row in cloud.services["nova"].db.all(select(instance_mappings))}
    assert cells == {CELL1}


async def test_of_servers_of_one_request_all_fail_when_one_finds_no_host(cloud: Cloud, member: Client, given: Any) -> None:
    admin = client(cloud, "admin")
    flavor = {"flavor": {"name": "half", "vcpus": 1, "ram": 40_000, "disk": 1}}  # of three hosts two have room for it
    half = (await admin.post("nova", "/v2.1/flavors", json=flavor)).json()["flavor"]["id"]
    await admin.put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json={"quota_set": {"ram": -1}})
    await waiting(member, given, flavorRef=half, min_count=9, max_count=9)
    await cloud.workers["conductor"].start()
    servers = await listed(member)
    for server in servers:
        failed = await launching.settled(cloud, member, server["id"])
        assert failed["fault"]["message"].startswith("No valid host was found")
        allocated = await admin.get("placement", f"/allocations/{server['id']}", version="1.28")
        assert allocated.json()["allocations"] == {}
    assert len(servers) == 9
    assert {row["cell_id"] for row in cloud.services["nova"].db.all(select(instance_mappings))} == {CELL0}
    (action,) = (await member.get("nova", f"/v2.1/servers/{servers[0]['id']}/os-instance-actions")).json()["instanceActions"]
    path = f"/v2.1/servers/{servers[0]['id']}/os-instance-actions/{action['request_id']}"
    (event,) = (await member.get("nova", path, version="2.62")).json()["instanceAction"]["events"]
    assert (event["event"], event["result"]) == ("conductor_schedule_and_build_instances", "Error")


async def test_a_conductor_that_comes_back_builds_what_was_asked_for_meanwhile(cloud: Cloud, member: Client, given: Any) -> None:
    answer = await launching.boot(member, given, given.volume_ids[0])
    server = answer.json()["server"]["id"]
    await cloud.workers["conductor"].start()
    assert (await launching.settled(cloud, member, server))["status"] == "ACTIVE"
    actions = (await member.get("nova", f"/v2.1/servers/{server}/os-instance-actions")).json()["instanceActions"]
    assert [action["request_id"] for action in actions] == [answer.headers["x-openstack-request-id"]]
    await launching.delete(cloud, member, server)
    await launching.nothing_left(cloud)


async def test_while_servers_move_into_their_cells_none_is_ever_missing_or_there_twice(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    asked: list[str] = []

    async def ask() -> None:
        while len(asked) < 8:
            asked.append(await waiting(member, given))

    asking = asyncio.ensure_future(ask())
    while not asking.done() or any(server["status"] == "BUILD" for server in await listed(member, "servers/detail")):
        known = list(asked)
        ids = [server["id"] for server in await listed(member)]
        assert set(known) <= set(ids)
        assert len(ids) == len(set(ids))
        for server in known:
            assert await launching.show(member, server) is not None
        await cloud.clock.sleep(0)
    await asking
