"""Launches that are accepted: the rows of step 7, the scheduler's call of step 8, and what a failure of either leaves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from mockcloud.bus.base import RemoteError
from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.db.engine import Row
from mockcloud.nova import tables
from mockcloud.nova.launch_request import guest_name, parse_zone
from mockcloud.testing.client import Client, client
from tests.mockcloud.nova.conftest import LATEST, MakeCloud, Yard, refusal

WRITTEN = (tables.instances, tables.block_device_mapping, tables.instance_actions, tables.instance_group_members)


def body(yard: Yard, **values: Any) -> dict[str, Any]:
    return {"server": {"name": "one", "imageRef": yard.image, "flavorRef": "1", "networks": "none", **values}}


async def launch(yard: Yard, who: str = "member", version: str = LATEST, hints: Any = None, **values: Any) -> Response:
    whole = body(yard, **values) | ({"os:scheduler_hints": hints} if hints else {})
    return await yard.user(who).post("nova", "/v2.1/servers", json=whole, version=version)


async def launched(yard: Yard, **values: Any) -> Row:
    answer = await launch(yard, **values)
    assert answer.status == 202, answer.content
    return yard.row(answer.json()["server"]["id"])


def written(yard: Yard) -> list[int]:
    return [yard.db.scalar(select(func.count()).select_from(table)) for table in WRITTEN]


@pytest.fixture
async def yard(yard: Yard) -> Yard:
    """Its scheduler answers, and places nobody."""
    yard.scheduler.answers["run_instance"] = []
    return yard


# what the client is told


async def test_an_accepted_launch_is_answered_with_its_place(yard: Yard) -> None:
    answer = await launch(yard)
    made = answer.json()["server"]
    assert answer.status == 202
    assert set(made) == {"id", "links", "adminPass", "OS-DCF:diskConfig", "security_groups"}
    assert made["security_groups"] == [{"name": "default"}]
    assert answer.headers["location"] == made["links"][0]["href"]
    assert answer.headers["location"].endswith(f"/v2.1/servers/{made['id']}")
    assert len(made["adminPass"]) == 12


async def test_a_password_that_was_given_is_kept_even_an_empty_one(yard: Yard) -> None:
    for password in ("mine", ""):
        answer = await launch(yard, adminPass=password)
        assert answer.json()["server"]["adminPass"] == password
        assert yard.scheduler.heard[-1][1]["admin_password"] == password


async def test_two_equal_requests_make_two_servers(yard: Yard) -> None:
    first, second = await launch(yard), await launch(yard)
    assert first.json()["server"]["id"] != second.json()["server"]["id"]


async def test_a_reservation_stands_for_several_servers(yard: Yard) -> None:
    answer = await launch(yard, min_count=3, return_reservation_id="True")
    reservation = answer.json()["reservation_id"]
    rows = yard.db.all(select(tables.instances).order_by(tables.instances.c.launch_index))
    assert re.fullmatch(r"r-[a-z0-9]{8}", reservation)
    assert {row["reservation_id"] for row in rows} == {reservation}
    assert [(row["display_name"], row["hostname"], row["launch_index"]) for row in rows] == [
        ("one-1", "one-1", 0), ("one-2", "one-2", 1), ("one-3", "one-3", 2),
    ]  # fmt: skip


# step 7


async def test_the_entry_says_everything_that_was_asked(yard: Yard) -> None:
    now = yard.cloud.clock.now()
    with yard.db.transaction() as tx:
        mine = {"user_id": yard.user("member").user_id, "name": "key", "fingerprint": "f", "public_key": "ssh-rsa k"}
        tx.insert(tables.key_pairs, created_at=now, **mine)
    row = await launched(
        yard, description="text", key_name="key", user_data="aGk=", config_drive="yes", metadata={"a": "b"}, tags=["t", "t", "u"],
        accessIPv4="192.0.2.1", accessIPv6="2001:db8::1", hostname="guest", trusted_image_certificates=["c"], availability_zone="nova",
        hints={"query": "[]", "_nova_check_type": "rebuild"}, **{"OS-DCF:diskConfig": "AUTO"},
    )  # fmt: skip
    expected = {
        "display_name": "one", "display_description": "text", "hostname": "guest", "key_name": "key", "key_data": "ssh-rsa k",
        "user_data": "aGk=", "config_drive": True, "metadata": {"a": "b"}, "tags": ["t", "u"], "access_ip_v4": "192.0.2.1",
        "access_ip_v6": "2001:db8::1", "trusted_certs": ["c"], "availability_zone": "nova", "scheduler_hints": {"query": "[]"},
        "disk_config": "AUTO", "image_ref": yard.image, "memory_mb": 512, "vcpus": 1, "root_gb": 1, "security_groups": ["default"],
        "project_id": yard.user("member").project_id, "user_id": yard.user("member").user_id, "vm_state": "building",
        "task_state": "scheduling", "power_state": 0, "host": None, "node": None, "launched_at": None, "deleted_at": None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert row["flavor"]["name"] == "m1.tiny"
    assert row["image_properties"] == {"os_distro": "cirros", "hw_rng_model": "virtio"}


async def test_before_2_19_the_name_is_the_description(yard: Yard) -> None:
    answer = await launch(yard, version="2.18", networks=[])
    assert yard.row(answer.json()["server"]["id"])["display_description"] == "one"


async def test_the_entry_comes_with_its_disk_and_its_one_action(yard: Yard) -> None:
    answer = await launch(yard)
    id = answer.json()["server"]["id"]
    t = tables.block_device_mapping
    (disk,) = yard.db.all(select(t).where(t.c.instance_uuid == id))
    assert (disk["source_type"], disk["destination_type"], disk["boot_index"], disk["image_id"]) == ("image", "local", 0, yard.image)
    (action,) = yard.db.all(select(tables.instance_actions))
    who = yard.user("member")
    assert (action["action"], action["request_id"]) == ("create", answer.headers["x-openstack-request-id"])
    assert (action["user_id"], action["project_id"]) == (who.user_id, who.project_id)


async def test_the_flavor_adds_swap_and_an_ephemeral_disk(yard: Yard) -> None:
    with yard.db.transaction() as tx:
        more = {"root_gb": 1, "vcpus": 1, "memory_mb": 64, "ephemeral_gb": 2, "swap": 128}
        tx.insert(tables.flavors, flavorid="rich", name="rich", created_at=yard.cloud.clock.now(), **more)
    row = await launched(yard, flavorRef="rich")
    t = tables.block_device_mapping
    disks = yard.db.all(select(t).where(t.c.instance_uuid == row["uuid"]).order_by(t.c.id))
    assert [(d["source_type"], d["guest_format"], d["volume_size"]) for d in disks] == [
        ("image", None, None), ("blank", None, 2), ("blank", "swap", 128),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "host"), [("My Server_1.a", "my-server-1-a"), ("日本", ""), ("-x-", "x"), ("a" * 70, "a" * 63)])
def test_a_guest_is_named_after_its_server(name: str, host: str) -> None:
    assert guest_name(name) == host


@pytest.mark.parametrize(
    ("text", "place"),
    [("z", ("z", None, None)), ("z:h", ("z", "h", None)), ("z:h:n", ("z", "h", "n")), ("z::n", ("z", None, "n")), (None, (None,) * 3)],
)
def test_a_zone_may_name_a_host_and_a_node(text: str | None, place: Any) -> None:
    found = parse_zone(text)
    assert (found.zone, found.host, found.node) == place


# step 8


async def test_the_scheduler_is_called_once_for_all_servers_after_their_entries(yard: Yard) -> None:
    await launch(yard, min_count=2)
    ((method, args),) = yard.scheduler.heard
    spec = args["request_spec"]
    rows = yard.db.all(select(tables.instances).order_by(tables.instances.c.id))
    assert method == "run_instance"
    assert (spec["instance_uuids"], spec["num_instances"]) == ([row["uuid"] for row in rows], 2)
    assert (spec["image"]["id"], spec["instance_type"]["flavorid"]) == (yard.image, "1")
    assert spec["instance_properties"]["uuid"] == rows[0]["uuid"]
    assert (args["requested_networks"], args["is_first_time"], args["injected_files"]) == ("none", True, [])
    assert args["filter_properties"] == {"scheduler_hints": {}}
    facts = [fact for fact in yard.cloud.recorder.facts() if fact.name == "INSERT instances" or fact.kind == "rpc.publish"]
    names = [fact.name for fact in facts]
    assert names.index("INSERT instances") < next(n for n, fact in enumerate(facts) if "run_instance" in fact.name)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"availability_zone": "nova:compute2"}, {"force_hosts": ["compute2"]}),
        ({"availability_zone": "nova:compute2:n"}, {"force_hosts": ["compute2"], "force_nodes": ["n"]}),
        ({"availability_zone": "nova::n"}, {"force_nodes": ["n"]}),
        ({"host": "compute2"}, {"requested_destination": {"host": "compute2", "node": None}}),
    ],
)
async def test_the_scheduler_is_told_which_host_an_administrator_wants(yard: Yard, values: Any, told: Any) -> None:
    assert (await launch(yard, who="admin", **values)).status == 202
    assert yard.scheduler.heard[0][1]["filter_properties"] == {"scheduler_hints": {}, **told}


async def test_the_scheduler_is_told_the_networks_as_they_were_asked_for(yard: Yard) -> None:
    networks = (await yard.user("member").get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"]
    asked = [{"uuid": networks[0]["id"], "fixed_ip": "10.0.0.77", "tag": "nic"}]
    assert (await launch(yard, networks=asked)).status == 202
    told = [{"network_id": networks[0]["id"], "port_id": None, "fixed_ip": "10.0.0.77", "tag": "nic"}]
    assert yard.scheduler.heard[0][1]["requested_networks"] == told


async def test_files_are_injected_until_2_56(yard: Yard) -> None:
    files = [{"path": "/etc/motd", "contents": "aGk="}]
    assert (await launch(yard, version="2.56", personality=files)).status == 202
    assert yard.scheduler.heard[0][1]["injected_files"] == [["/etc/motd", "aGk="]]


# who else launches, and what is counted


async def test_launches_at_the_same_time_do_not_exceed_the_quota_together(yard: Yard) -> None:
    with yard.db.transaction() as tx:
        tx.insert(tables.quotas, project_id=yard.user("member").project_id, resource="instances", hard_limit=3)
    answers = await asyncio.gather(*(launch(yard) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [202] * 3 + [403] * 5
    assert written(yard)[0] == 3
    refused = [refusal(answer)[2] for answer in answers if answer.status == 403]
    assert set(refused) == {"Quota exceeded for instances: Requested 1, but already used 3 of 3 instances"}


async def test_fewer_servers_than_max_count_are_made_when_the_quota_has_room_for_no_more(yard: Yard) -> None:
    with yard.db.transaction() as tx:
        tx.insert(tables.quotas, project_id=yard.user("member").project_id, resource="instances", hard_limit=3)
    assert (await launch(yard, min_count=2, max_count=9)).status == 202
    assert written(yard)[0] == 3


async def test_a_server_becomes_a_member_of_its_group_and_a_full_group_refuses(yard: Yard) -> None:
    who, now = yard.user("member"), yard.cloud.clock.now()
    group = {"uuid": "8f0d9a52-0cf0-4cf5-93f4-5c7a6b0f1d11", "name": "g", "policy": "affinity", "rules": {}}
    with yard.db.transaction() as tx:
        tx.insert(tables.instance_groups, created_at=now, project_id=who.project_id, user_id=who.user_id, **group)
        tx.insert(tables.quotas, project_id=who.project_id, resource="server_group_members", hard_limit=1)
    row = await launched(yard, hints={"group": group["uuid"]})
    members = yard.db.all(select(tables.instance_group_members))
    assert members == [{"group_uuid": group["uuid"], "instance_uuid": row["uuid"]}]
    before = written(yard)
    answer = await launch(yard, hints={"group": group["uuid"]})
    assert refusal(answer) == (403, "forbidden", "Quota exceeded, too many servers in group")
    assert written(yard) == before


# failures


async def test_without_a_scheduler_the_server_fails_with_a_fault_and_never_builds(make_cloud: MakeCloud) -> None:
    yard = Yard(await make_cloud(rpc_response_timeout=0.2))
    await yard.cloud.workers["scheduler"].kill()
    answer = await launch(yard)
    assert answer.status == 202
    shown = await yard.user("member").get("nova", f"/v2.1/servers/{answer.json()['server']['id']}", version=LATEST)
    server = shown.json()["server"]
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ERROR", None)
    assert (server["fault"]["code"], server["fault"]["message"]) == (500, "MessagingTimeout")
    await yard.cloud.workers["scheduler"].start()  # it finds the old message, and leaves the server alone
    await asyncio.sleep(0.1)
    row = yard.row(server["id"])
    assert (row["vm_state"], row["host"]) == ("error", None)
    placed = await yard.user("admin").get("placement", f"/allocations/{server['id']}", version="1.28")
    assert placed.json()["allocations"] == {}


async def test_an_error_of_the_scheduler_becomes_the_servers_fault(yard: Yard) -> None:
    yard.scheduler.answers["run_instance"] = RemoteError("SchedulerBroken", "it is broken")
    row = await launched(yard)
    assert (row["vm_state"], row["task_state"]) == ("error", None)
    (event,) = yard.db.all(select(tables.instance_actions_events))
    assert (event["event"], event["result"]) == ("schedule", "Error")


FAULTS = [(3, "before"), (3, "after"), (6, "before"), (6, "after"), (7, "before"), (7, "after")]


@pytest.mark.parametrize(("step", "when"), FAULTS)
async def test_a_fault_before_the_scheduler_is_asked_leaves_nothing(yard: Yard, step: int, when: str) -> None:
    yard.cloud.faults.add(step, "fail", when)
    answer = await launch(yard)
    assert refusal(answer)[:2] == (500, "computeFault")
    assert (written(yard), yard.scheduler.heard) == ([0, 0, 0, 0], [])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["fail", "skip"])
async def test_a_fault_of_the_scheduling_step_ends_in_error_not_in_build(yard: Yard, kind: str, when: str) -> None:
    yard.cloud.faults.add(8, kind, when)
    row = await launched(yard)
    assert (row["vm_state"], row["task_state"]) == ("error", None)


@pytest.mark.parametrize("kind", ["skip", "reorder"])
async def test_a_launch_without_entries_is_refused_and_none_is_written_later(yard: Yard, kind: str) -> None:
    yard.cloud.faults.add(7, kind)
    assert refusal(await launch(yard))[0] == 500
    await launch(yard, name="the next one")  # its step lets the deferred one happen
    await asyncio.sleep(0.05)
    assert [row["display_name"] for row in yard.db.all(select(tables.instances))] == ["the next one"]


async def test_entries_written_twice_are_the_same_entries(yard: Yard) -> None:
    yard.cloud.faults.add(7, "duplicate")
    await launched(yard)
    assert written(yard) == [1, 1, 1, 0]


@pytest.mark.parametrize("kind", ["wrong_token", "wrong_project"])
async def test_a_foreign_identity_at_step_6_is_refused_and_leaves_nothing(yard: Yard, kind: str) -> None:
    yard.cloud.faults.foreign = await yard.cloud.foreign_identity()
    yard.cloud.faults.add(6, kind)
    with yard.cloud.services["glance"].db.transaction() as tx:
        images = yard.cloud.services["glance"].db.metadata.tables["images"]
        tx.execute(images.update().values(visibility="private", owner=yard.user("member").project_id))
    answer = await launch(yard)
    assert refusal(answer)[:2] == (400, "badRequest")
    assert written(yard) == [0, 0, 0, 0]


async def test_entries_are_written_for_nobody_but_the_one_who_was_checked(yard: Yard) -> None:
    yard.cloud.faults.foreign = await yard.cloud.foreign_identity()
    yard.cloud.faults.add(7, "wrong_project")
    assert refusal(await launch(yard))[:2] == (403, "forbidden")
    assert (written(yard), yard.scheduler.heard) == ([0, 0, 0, 0], [])


async def test_a_client_that_goes_away_before_the_scheduler_is_asked_leaves_nothing(yard: Yard) -> None:
    yard.cloud.faults.add(7, "delay", "after", seconds=60.0)
    await yard.user("member").login()
    waiting = asyncio.create_task(launch(yard))
    async with asyncio.timeout(10):
        while not written(yard)[0]:  # noqa: ASYNC110 - the row is all that can be seen
            await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (written(yard), yard.scheduler.heard) == ([0, 0, 0, 0], [])


@pytest.mark.parametrize(("service", "where"), [("glance", "image"), ("neutron", "network"), ("cinder", "volume")])
async def test_a_service_that_is_away_makes_the_launch_fail_and_leaves_nothing(yard: Yard, service: str, where: str) -> None:
    disk = {"source_type": "volume", "destination_type": "volume", "uuid": "6e9a6fc2-7b6f-4a5b-9a5e-000000000000", "boot_index": 0}
    bodies: dict[str, Any] = {"network": {"networks": "auto"}, "volume": {"block_device_mapping_v2": [disk], "imageRef": ""}}
    await yard.user("member").login()
    yard.cloud.down.add(service)
    answer = await launch(yard, **bodies.get(where, {}))
    assert refusal(answer)[:2] == (500, "computeFault")
    assert written(yard) == [0, 0, 0, 0]


# with everything at work


async def until(ask: Callable[[], Awaitable[Any]], done: Callable[[Any], bool]) -> Any:
    for _ in range(400):
        if done(found := await ask()):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"still {found}")


@pytest.fixture
def member(cloud: Cloud) -> Client:
    return client(cloud, "member")


async def test_a_launch_becomes_a_server_with_an_address(cloud: Cloud, member: Client) -> None:
    image = (await member.get("glance", "/v2/images")).json()["images"][0]["id"]
    network = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"][0]["id"]
    asked = {"name": "one", "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network}]}
    made = await member.post("nova", "/v2.1/servers", json={"server": asked}, version=LATEST)

    async def ask() -> Any:
        return (await member.get("nova", f"/v2.1/servers/{made.json()['server']['id']}", version=LATEST)).json()["server"]

    server = await until(ask, lambda found: found["status"] != "BUILD")
    assert (server["status"], server["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    (address,) = server["addresses"]["private"]
    assert (address["version"], address["OS-EXT-IPS:type"], address["addr"][:7]) == (4, "fixed", "10.0.0.")
    assert server["security_groups"] == [{"name": "default"}]
    assert len(server["hostId"]) == 56
    assert server["OS-SRV-USG:launched_at"]


async def test_a_server_deleted_while_it_is_scheduled_is_gone_with_its_claim(cloud: Cloud, member: Client) -> None:
    image = (await member.get("glance", "/v2/images")).json()["images"][0]["id"]
    cloud.faults.add(10, "delay", "after", seconds=0.3)
    asked = {"name": "one", "imageRef": image, "flavorRef": "1", "networks": "none"}
    launching = asyncio.create_task(member.post("nova", "/v2.1/servers", json={"server": asked}, version=LATEST))

    async def ask() -> Any:
        return (await member.get("nova", "/v2.1/servers", version=LATEST)).json()["servers"]

    (server,) = await until(ask, bool)
    assert (await member.delete("nova", f"/v2.1/servers/{server['id']}")).status == 204
    assert (await launching).status == 202
    assert (await member.get("nova", f"/v2.1/servers/{server['id']}")).status == 404

    async def claims() -> Any:
        answer = await client(cloud, "admin").get("placement", f"/allocations/{server['id']}", version="1.28")
        return answer.json()["allocations"]

    assert await until(claims, lambda found: not found) == {}


async def test_a_server_that_fits_nowhere_fails_and_its_volume_stays_free(cloud: Cloud, member: Client) -> None:
    image = (await member.get("glance", "/v2/images")).json()["images"][0]["id"]
    volume = (await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]["id"]

    async def look() -> Any:
        return (await member.get("cinder", f"/v3/volumes/{volume}")).json()["volume"]["status"]

    await until(look, lambda status: status == "available")
    with cloud.services["nova"].db.transaction() as tx:
        wide = {"root_gb": 1_000_000, "vcpus": 1, "memory_mb": 64}
        tx.insert(tables.flavors, flavorid="wide", name="wide", created_at=cloud.clock.now(), **wide)
    root = {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0}
    data = {"source_type": "volume", "destination_type": "volume", "uuid": volume}
    asked = {"name": "one", "imageRef": image, "flavorRef": "wide", "networks": "none", "block_device_mapping_v2": [root, data]}
    made = await member.post("nova", "/v2.1/servers", json={"server": asked}, version=LATEST)
    id = made.json()["server"]["id"]
    server = (await member.get("nova", f"/v2.1/servers/{id}", version=LATEST)).json()["server"]
    assert (server["status"], server["hostId"]) == ("ERROR", "")
    assert server["fault"]["message"] == "No valid host was found. There are not enough hosts available."
    assert await look() == "available"
    assert (await member.delete("nova", f"/v2.1/servers/{id}")).status == 204
    assert (await look(), (await member.get("nova", f"/v2.1/servers/{id}")).status) == ("available", 404)


async def test_the_server_of_a_compute_that_died_gives_everything_back(cloud: Cloud, member: Client) -> None:
    image = (await member.get("glance", "/v2/images")).json()["images"][0]["id"]
    network = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"][0]["id"]
    root = {"source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 1, "boot_index": 0}
    asked = {"name": "one", "flavorRef": "1", "networks": [{"uuid": network}], "block_device_mapping_v2": [root]}
    made = await member.post("nova", "/v2.1/servers", json={"server": asked}, version=LATEST)
    id = made.json()["server"]["id"]

    async def ask() -> Any:
        return (await member.get("nova", f"/v2.1/servers/{id}", version=LATEST)).json()["server"]

    server = await until(ask, lambda found: found["status"] == "ACTIVE")
    (volume,) = server["os-extended-volumes:volumes_attached"]
    db = cloud.services["nova"].db
    host = db.scalar(select(tables.instances.c.host).where(tables.instances.c.uuid == id))
    await cloud.workers[host].kill()
    with db.transaction() as tx:
        tx.execute(tables.services.update().where(tables.services.c.host == host).values(forced_down=True))
    assert (await member.delete("nova", f"/v2.1/servers/{id}")).status == 204
    assert (await member.get("nova", f"/v2.1/servers/{id}")).status == 404

    async def volume_status() -> Any:
        return (await member.get("cinder", f"/v3/volumes/{volume['id']}")).json()["volume"]["status"]

    assert await until(volume_status, lambda status: status == "available") == "available"
    assert (await member.get("neutron", "/v2.0/ports", params={"device_id": id})).json()["ports"] == []
    claims = await client(cloud, "admin").get("placement", f"/allocations/{id}", version="1.28")
    assert claims.json()["allocations"] == {}
