"""What a compute does in the dialect cells_v2 that it does not in classic."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.cloud import Cloud
from mockcloud.context import RequestContext
from mockcloud.neutron.notifier import Notifier
from mockcloud.nova.tables import block_device_mapping, instances
from mockcloud.settings import default_hosts
from mockcloud.testing.client import Client, client
from mockcloud.trace import Fact
from tests.conftest import MakeCloud
from tests.e2e import launching

Json = dict[str, Any]
EVENT = "compute__do_build_and_run_instance"


def called(cloud: Cloud, *names: str) -> list[Fact]:
    """REST calls of the computes whose names contain one of these."""
    calls = [fact for fact in cloud.recorder.facts() if fact.kind == "http.client" and fact.service == "nova-compute"]
    return [fact for fact in calls if any(name in fact.name for name in names)]


async def active(cloud: Cloud, answer: Any) -> Json:
    assert answer.status == 202, answer.content
    server = await launching.settled(cloud, client(cloud, "admin"), answer.json()["server"]["id"])
    assert server["status"] == "ACTIVE", server.get("fault")
    return server


async def build_events(cloud: Cloud, server_id: str) -> list[Json]:
    """When all of them have ended."""
    admin = client(cloud, "admin")
    actions = (await admin.get("nova", f"/v2.1/servers/{server_id}/os-instance-actions", version="2.62")).json()["instanceActions"]
    (created,) = [action for action in actions if action["action"] == "create"]
    path = f"/v2.1/servers/{server_id}/os-instance-actions/{created['request_id']}"
    for _ in range(2_000):  # an event ends a moment after its server has become ACTIVE
        events = (await admin.get("nova", path, version="2.62")).json()["instanceAction"]["events"]
        if all(event["result"] for event in events):
            break
        await cloud.clock.sleep(0.01)
    return [event for event in events if event["event"] == EVENT]


async def status_of(member: Client, volume_id: str) -> str:
    return str((await member.get("cinder", f"/v3/volumes/{volume_id}")).json()["volume"]["status"])


async def test_network_and_volume_are_done_side_by_side_and_the_image_after_the_volume(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2", hosts=default_hosts(1))
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(24, "delay", seconds=0.3)  # between neutron's answer and the compute's taking it
    await active(cloud, await launching.boot(member, given, given.volume_ids[0]))
    (port,), (connected,) = called(cloud, "POST /v2.0/ports"), called(cloud, "PUT /v3/attachments/")
    (metadata, data) = called(cloud, "/v2/images/")
    (described,) = called(cloud, "/v2.0/floatingips")[:1]
    assert connected.end is not None
    assert port.start < connected.start < connected.end < metadata.start < data.start < described.start
    (spawned,) = [fact for fact in cloud.recorder.facts() if (fact.kind, fact.name) == ("driver", "spawn")]
    assert described.start < spawned.start


async def test_the_data_of_an_image_is_fetched_once_for_a_host(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2", hosts=default_hosts(1))
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    for _ in range(2):
        await active(cloud, await launching.boot(member, given))
    assert len(called(cloud, f"GET /v2/images/{given.image_id}/file")) == 1
    assert len(called(cloud, f"GET /v2/images/{given.image_id}")) == 3


async def test_the_guest_runs_only_when_neutron_has_plugged_its_port(make_cloud: MakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    held, send, told = asyncio.Event(), Notifier._send, asyncio.Event()

    async def later(self: Notifier, events: list[dict[str, str]]) -> None:
        if any(event["name"] == "network-vif-plugged" for event in events):
            told.set()
            await held.wait()
        await send(self, events)

    monkeypatch.setattr(Notifier, "_send", later)
    answer = await launching.boot(member, given, given.volume_ids[0])
    await told.wait()
    await cloud.clock.sleep(0.3)
    waits = await launching.show(member, answer.json()["server"]["id"])
    assert waits is not None
    assert (waits["status"], waits["OS-EXT-STS:task_state"]) == ("BUILD", "spawning")
    assert await launching.guests(cloud) == []
    held.set()
    await active(cloud, answer)


async def test_a_port_that_is_never_plugged_ends_the_build_for_good(make_cloud: MakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await make_cloud(dialect="cells_v2", vif_plugging_timeout=0.3)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)

    async def nothing(self: Notifier, events: list[dict[str, str]]) -> None:
        """nova is not told."""

    monkeypatch.setattr(Notifier, "_send", nothing)
    answer = await launching.boot(member, given, given.volume_ids[0])
    failed = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert (failed["status"], failed["hostId"]) == ("ERROR", "")
    assert failed["fault"]["message"].endswith("Failed to allocate the network(s), not rescheduling.")
    assert (await member.get("neutron", "/v2.0/ports", params={"device_id": failed["id"]})).json()["ports"] == []
    assert await status_of(member, given.volume_ids[0]) == "available"
    assert len(await build_events(cloud, failed["id"])) == 1
    await launching.delete(cloud, member, failed["id"])
    await launching.nothing_left(cloud)


async def test_without_a_timeout_nobody_waits_for_the_port(make_cloud: MakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await make_cloud(dialect="cells_v2", vif_plugging_timeout=0)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)

    async def nothing(self: Notifier, events: list[dict[str, str]]) -> None:
        """nova is not told."""

    monkeypatch.setattr(Notifier, "_send", nothing)
    await active(cloud, await launching.boot(member, given))


async def test_a_host_builds_only_so_many_servers_at_once(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2", hosts=default_hosts(1), max_concurrent_builds=2, spawn_seconds=0.1)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    answers = [await launching.boot(member, given, name=f"vm-{n}") for n in range(6)]
    most = 0
    while True:
        rows = cloud.services["nova"].db.all(select(instances.c.vm_state, instances.c.task_state))
        most = max(most, sum(row["vm_state"] == "building" and row["task_state"] != "scheduling" for row in rows))
        if len(rows) == 6 and all(row["vm_state"] == "active" for row in rows):
            break
        assert not any(row["vm_state"] == "error" for row in rows)
        await cloud.clock.sleep(0.005)
    assert most == 2
    for answer in answers:
        await active(cloud, answer)


async def test_a_host_without_room_passes_the_server_on_with_its_reserved_volume(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2", full_hosts=("compute3",))  # the one that weighs most
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member)
    server = await active(cloud, await launching.boot(member, given, given.volume_ids[0]))
    assert server["OS-EXT-SRV-ATTR:host"] == "compute1"
    assert called(cloud, "DELETE /v3/attachments") == []
    cinder = [fact for fact in cloud.recorder.facts() if fact.kind == "http.server" and fact.name == "POST /v3/attachments"]
    assert len(cinder) == 1
    events = await build_events(cloud, server["id"])
    assert sorted((event["host"], event["result"]) for event in events) == [("compute1", "Success"), ("compute3", "Success")]
    allocated = (await admin.get("placement", f"/allocations/{server['id']}", version="1.28")).json()["allocations"]
    assert len(allocated) == 1
    await launching.delete(cloud, member, server["id"])
    await launching.nothing_left(cloud)


async def test_when_no_host_has_room_the_volume_that_was_kept_is_free_again(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2", full_hosts=("compute1", "compute2", "compute3"))
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0])
    failed = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert failed["fault"]["message"].startswith("Exceeded maximum number of retries")
    assert await status_of(member, given.volume_ids[0]) == "available"


@pytest.mark.parametrize("step", [14, 16])
async def test_a_conductor_that_fails_at_the_first_save_costs_the_server_and_nothing_else(make_cloud: MakeCloud, step: int) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(step, "fail")
    answer = await launching.boot(member, given, given.volume_ids[0])
    failed = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert (failed["status"], failed["fault"]["message"]) == ("ERROR", "injected fault")
    assert await status_of(member, given.volume_ids[0]) == "available"


async def test_the_administrator_is_told_why_no_host_would_do(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member, 0)
    flavor = {"flavor": {"name": "huge", "vcpus": 4096, "ram": 512, "disk": 1}}
    huge = (await admin.post("nova", "/v2.1/flavors", json=flavor)).json()["flavor"]["id"]
    await admin.put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json={"quota_set": {"cores": -1}})
    answer = await launching.boot(member, given, flavorRef=huge)
    failed = await launching.settled(cloud, admin, answer.json()["server"]["id"])
    assert "VCPU 4096 asked" in failed["fault"]["details"]


async def test_after_a_failed_spawn_the_next_host_gets_a_new_port_and_a_new_attachment(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(28, "fail", count=2)
    server = await active(cloud, await launching.boot(member, given, given.volume_ids[0]))
    assert len(called(cloud, "POST /v2.0/ports")) == 3
    assert len({fact.name for fact in called(cloud, "PUT /v3/attachments/")}) == 3
    casts = [fact for fact in cloud.recorder.facts() if (fact.kind, fact.name) == ("rpc.publish", "build_and_run_instance")]
    assert [fact.attributes["routing_key"] for fact in casts] == ["compute.compute3", "compute.compute1", "compute.compute2"]
    assert [len(fact.attributes["args"]["host_list"]) for fact in casts] == [2, 1, 0]
    (disk,) = cloud.services["nova"].db.all(select(block_device_mapping).where(block_device_mapping.c.volume_id.is_not(None)))
    volume = (await member.get("cinder", f"/v3/volumes/{given.volume_ids[0]}")).json()["volume"]
    assert [one["attachment_id"] for one in volume["attachments"]] == [disk["attachment_id"]]
    assert server["os-extended-volumes:volumes_attached"][0]["id"] == given.volume_ids[0]


async def test_a_forced_host_is_the_only_one_that_is_tried(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    admin = client(cloud, "admin")
    given = await launching.prepare(cloud, client(cloud, "member"), 0)
    cloud.faults.add(28, "fail", count=None)
    answer = await launching.boot(admin, given, availability_zone="nova:compute2", networks="none")
    failed = await launching.settled(cloud, admin, answer.json()["server"]["id"])
    assert (failed["status"], failed["fault"]["message"]) == ("ERROR", "injected fault")
    assert len(await build_events(cloud, failed["id"])) == 1


async def test_a_cast_that_comes_twice_builds_one_server_with_one_event(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(12, "duplicate")
    server = await active(cloud, await launching.boot(member, given, given.volume_ids[0]))
    await cloud.clock.sleep(0.1)
    assert len(await build_events(cloud, server["id"])) == 1
    assert len((await member.get("neutron", "/v2.0/ports", params={"device_id": server["id"]})).json()["ports"]) == 1


async def test_a_copy_on_a_host_that_the_server_has_no_room_on_does_nothing(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    cloud.faults.add(13, "delay", seconds=0.3, host="compute3")
    answer = await launching.boot(member, given)
    while not (casts := [f for f in cloud.recorder.facts() if (f.kind, f.name) == ("rpc.publish", "build_and_run_instance")]):
        await cloud.clock.sleep(0.005)
    copy = RequestContext(casts[0].request_id, token=member.token, user_id=member.user_id, project_id=member.project_id)
    await cloud.bus.cast(copy, "compute", "build_and_run_instance", server="compute2", args=casts[0].attributes["args"])
    server = await active(cloud, answer)
    assert server["OS-EXT-SRV-ATTR:host"] == "compute3"
    assert [host for host, _ in await launching.guests(cloud)] == ["compute3"]


async def test_members_of_a_group_that_are_launched_at_once_still_keep_apart(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    body = {"server_group": {"name": "g", "policy": "anti-affinity"}}
    group = (await member.post("nova", "/v2.1/os-server-groups", json=body, version="2.64")).json()["server_group"]["id"]
    server = {"name": "vm", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}]}
    boot = {"server": server, "os:scheduler_hints": {"group": group}}
    answers = await asyncio.gather(*(member.post("nova", "/v2.1/servers", json=boot, version=launching.VERSION) for _ in range(3)))
    hosts = [(await active(cloud, answer))["OS-EXT-SRV-ATTR:host"] for answer in answers]
    assert Counter(hosts) == {"compute1": 1, "compute2": 1, "compute3": 1}
    last = await member.post("nova", "/v2.1/servers", json=boot, version=launching.VERSION)
    failed = await launching.settled(cloud, member, last.json()["server"]["id"])
    assert failed["fault"]["message"].startswith("No valid host was found")


async def test_a_root_volume_made_from_the_image_is_attached_and_the_image_not_fetched(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    disk = {"source_type": "image", "destination_type": "volume", "uuid": given.image_id, "boot_index": 0, "volume_size": 1}
    body = {"name": "vm", "flavorRef": "1", "networks": [{"uuid": given.network_id}]}
    body["block_device_mapping_v2"] = [disk | {"delete_on_termination": True}]
    answer = await member.post("nova", "/v2.1/servers", json={"server": body}, version=launching.VERSION)
    server = await active(cloud, answer)
    assert server["image"] == ""
    assert called(cloud, "/v2/images/") == []
    (volume,) = server["os-extended-volumes:volumes_attached"]
    assert await status_of(member, volume["id"]) == "in-use"
    await launching.delete(cloud, member, server["id"])
    await launching.nothing_left(cloud)


async def test_a_server_deleted_in_the_middle_of_its_build_is_gone_without_a_trace(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    for step in (14, 22, 25, 28):
        cloud.faults.add(step, "delay", seconds=0.2)
        before = len(cloud.faults.all())
        answer = await launching.boot(member, given, given.volume_ids[0])
        while len(cloud.faults.all()) == before:
            await cloud.clock.sleep(0.005)
        await launching.delete(cloud, member, answer.json()["server"]["id"])
        await launching.nothing_left(cloud)


async def test_a_server_of_cells_lives_on_like_any_other(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(dialect="cells_v2")
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 2)
    server = (await active(cloud, await launching.boot(member, given, given.volume_ids[0])))["id"]
    path = f"/v2.1/servers/{server}"

    async def volume_is(number: int, status: str) -> None:
        while await status_of(member, given.volume_ids[number]) != status:
            await cloud.clock.sleep(0.01)

    async def act(status: str, action: str, body: Any = None) -> None:
        answer = await member.post("nova", f"{path}/action", json={action: body})
        assert answer.status in (200, 202, 204), answer.content
        while (await launching.settled(cloud, member, server))["status"] != status:
            await cloud.clock.sleep(0.01)

    attach = {"volumeAttachment": {"volumeId": given.volume_ids[1]}}
    assert (await member.post("nova", f"{path}/os-volume_attachments", json=attach)).status == 200
    await volume_is(1, "in-use")
    await act("VERIFY_RESIZE", "resize", {"flavorRef": "2"})
    await act("ACTIVE", "confirmResize")
    await act("VERIFY_RESIZE", "resize", {"flavorRef": "1"})
    await act("ACTIVE", "revertResize")
    await act("SHUTOFF", "os-stop")
    await act("ACTIVE", "os-start")
    await act("ACTIVE", "rebuild", {"imageRef": given.image_id})
    assert (await member.delete("nova", f"{path}/os-volume_attachments/{given.volume_ids[0]}")).status == 202
    await volume_is(0, "available")
    await launching.delete(cloud, member, server)
    await launching.nothing_left(cloud)
