"""What a launch owes its user, seen from outside: the checks of a plain client, of two projects and of an administrator."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.settings import HostSeed
from mockcloud.testing.client import Client, client
from specs import DIALECTS
from tests.conftest import MakeCloud
from tests.e2e import launching

Json = dict[str, Any]


@pytest.fixture(params=DIALECTS)
def make_cloud(make_cloud: MakeCloud, request: pytest.FixtureRequest) -> MakeCloud:
    """Everything here holds in both dialects."""
    return functools.partial(make_cloud, dialect=request.param)


@pytest.fixture
def member(cloud: Cloud) -> Client:
    return client(cloud, "member")


@pytest.fixture
def admin(cloud: Cloud) -> Client:
    return client(cloud, "admin")


async def active(cloud: Cloud, who: Client, answer: Any) -> Json:
    assert answer.status == 202, answer.content
    server = await launching.settled(cloud, who, answer.json()["server"]["id"])
    assert server["status"] == "ACTIVE", server.get("fault")
    return server


async def ports_of(who: Client, server_id: str) -> list[Json]:
    found: list[Json] = (await who.get("neutron", "/v2.0/ports", params={"device_id": server_id})).json()["ports"]
    return found


async def volume(who: Client, volume_id: str) -> Json:
    found: Json = (await who.get("cinder", f"/v3/volumes/{volume_id}")).json()["volume"]
    return found


async def test_server_port_and_volume_tell_the_same_story(cloud: Cloud, member: Client, admin: Client) -> None:
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0])
    server = await active(cloud, member, answer)
    assert answer.headers["location"].endswith(server["id"])
    assert (server["OS-EXT-STS:vm_state"], server["OS-EXT-STS:power_state"]) == ("active", 1)
    assert server["OS-SRV-USG:launched_at"] >= server["created"].rstrip("Z")
    assert (server["tenant_id"], server["user_id"]) == (member.project_id, member.user_id)

    seen = await launching.show(admin, server["id"])
    assert seen is not None
    host = seen["OS-EXT-SRV-ATTR:host"]
    assert server["hostId"] == seen["hostId"] == hashlib.sha224((member.project_id + host).encode()).hexdigest()
    assert seen["OS-EXT-SRV-ATTR:instance_name"].startswith("instance-")

    (port,) = await ports_of(admin, server["id"])
    assert (port["device_owner"], port["binding:host_id"], port["status"]) == ("compute:nova", host, "ACTIVE")
    assert port["binding:vif_type"] not in ("unbound", "binding_failed")
    (address,) = server["addresses"]["private"]
    (fixed,) = port["fixed_ips"]
    assert (address["addr"], address["OS-EXT-IPS-MAC:mac_addr"]) == (fixed["ip_address"], port["mac_address"])

    (attached,) = (await member.get("nova", f"/v2.1/servers/{server['id']}/os-volume_attachments", version="2.89")).json()[
        "volumeAttachments"
    ]
    found = await volume(member, given.volume_ids[0])
    (attachment,) = found["attachments"]
    assert found["status"] == "in-use"
    assert (attached["volumeId"], attached["device"], attached["attachment_id"]) == (
        found["id"], attachment["device"], attachment["attachment_id"],
    )  # fmt: skip
    assert attachment["server_id"] == server["id"]

    (action,) = (await member.get("nova", f"/v2.1/servers/{server['id']}/os-instance-actions")).json()["instanceActions"]
    assert (action["action"], action["request_id"]) == ("create", answer.headers["x-openstack-request-id"])
    allocated = (await admin.get("placement", f"/allocations/{server['id']}", version="1.28")).json()
    assert [share["resources"] for share in allocated["allocations"].values()] == [{"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}]
    assert (allocated["project_id"], allocated["user_id"]) == (member.project_id, member.user_id)


async def test_the_states_come_in_their_order(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(spawn_seconds=0.05)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    for step in (14, 19, 22, 25):
        cloud.faults.add(step, "delay", seconds=0.05)
    seen: list[Any] = []

    async def watch() -> None:
        while True:
            for server in (await member.get("nova", "/v2.1/servers/detail")).json()["servers"]:
                state = (server["status"], server["OS-EXT-STS:task_state"])
                if not seen or seen[-1] != state:
                    seen.append(state)
            await cloud.clock.sleep(0.002)

    watching = asyncio.ensure_future(watch())
    server = await active(cloud, member, await launching.boot(member, given, given.volume_ids[0]))
    await cloud.clock.sleep(0.02)
    watching.cancel()
    order = [("BUILD", task) for task in ("scheduling", None, "networking", "block_device_mapping", "spawning")] + [("ACTIVE", None)]
    assert seen == [state for state in order if state in seen]
    assert len(seen) >= 4
    assert server["progress"] == 0


async def test_a_given_port_and_a_wished_address_are_used(cloud: Cloud, member: Client) -> None:
    given = await launching.prepare(cloud, member, 0)
    port = (await member.post("neutron", "/v2.0/ports", json={"port": {"network_id": given.network_id}})).json()["port"]
    server = await active(cloud, member, await launching.boot(member, given, networks=[{"port": port["id"]}]))
    assert [found["id"] for found in await ports_of(member, server["id"])] == [port["id"]]
    refused = await launching.boot(member, given, networks=[{"port": port["id"]}])
    assert refused.status == 409
    await launching.delete(cloud, member, server["id"])
    left = (await member.get("neutron", f"/v2.0/ports/{port['id']}")).json()["port"]
    assert (left["device_id"], left["device_owner"]) == ("", "")

    wished = [{"uuid": given.network_id, "fixed_ip": "10.0.0.77"}]
    server = await active(cloud, member, await launching.boot(member, given, networks=wished))
    assert server["addresses"]["private"][0]["addr"] == "10.0.0.77"
    for taken in ("10.0.0.77", "192.0.2.1"):
        answer = await launching.boot(member, given, networks=[{"uuid": given.network_id, "fixed_ip": taken}])
        if answer.status == 202:
            failed = await launching.settled(cloud, member, answer.json()["server"]["id"])
            assert failed["status"] == "ERROR"
            assert await ports_of(member, failed["id"]) == []
        else:
            assert answer.status in (400, 409)


async def test_a_server_may_have_no_network(cloud: Cloud, member: Client) -> None:
    given = await launching.prepare(cloud, member, 0)
    server = await active(cloud, member, await launching.boot(member, given, networks="none"))
    assert (server["addresses"], await ports_of(member, server["id"])) == ({}, [])
    server = await active(cloud, member, await launching.boot(member, given, networks="auto"))
    assert list(server["addresses"]) == ["private"]


async def test_security_groups_are_those_asked_for(cloud: Cloud, member: Client) -> None:
    given = await launching.prepare(cloud, member, 0)
    groups = {}
    for name in ("web", "ssh"):
        made = await member.post("neutron", "/v2.0/security-groups", json={"security_group": {"name": name}})
        groups[name] = made.json()["security_group"]["id"]
    asked = [{"name": "web"}, {"name": "ssh"}]
    server = await active(cloud, member, await launching.boot(member, given, security_groups=asked))
    (port,) = await ports_of(member, server["id"])
    assert set(port["security_groups"]) == set(groups.values())


async def test_no_address_and_no_port_quota_end_without_a_leak(cloud: Cloud, member: Client, admin: Client) -> None:
    given = await launching.prepare(cloud, member)
    network = (await member.post("neutron", "/v2.0/networks", json={"network": {"name": "small"}})).json()["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.7.0.0/30", "enable_dhcp": False}
    assert (await member.post("neutron", "/v2.0/subnets", json={"subnet": subnet})).status == 201
    given.network_id = network["id"]
    first = await active(cloud, member, await launching.boot(member, given))
    second = await launching.boot(member, given, given.volume_ids[0])
    failed = await launching.settled(cloud, member, second.json()["server"]["id"])
    assert (failed["status"], failed["fault"]["code"], failed["hostId"]) == ("ERROR", 500, "")
    assert (await volume(member, given.volume_ids[0]))["status"] == "available"
    await admin.put("neutron", f"/v2.0/quotas/{member.project_id}", json={"quota": {"port": 0}})
    answer = await launching.boot(member, given)
    if answer.status == 202:
        third = await launching.settled(cloud, member, answer.json()["server"]["id"])
        assert third["status"] == "ERROR"
        await launching.delete(cloud, member, third["id"])
    else:
        assert answer.status in (400, 403)
    for server in (first, failed):
        await launching.delete(cloud, member, server["id"])
    await launching.nothing_left(cloud)


async def test_disks_go_or_stay_as_was_said(cloud: Cloud, member: Client) -> None:
    given = await launching.prepare(cloud, member, 2)
    disks = [{"source_type": "image", "destination_type": "local", "uuid": given.image_id, "boot_index": 0}]
    for volume_id, goes in zip(given.volume_ids, (True, False), strict=True):
        disk = {"source_type": "volume", "destination_type": "volume", "uuid": volume_id, "boot_index": -1, "delete_on_termination": goes}
        disks.append(disk)
    server = await active(cloud, member, await launching.boot(member, given, block_device_mapping_v2=disks))
    await launching.delete(cloud, member, server["id"])
    for _ in range(200):
        statuses = [(await member.get("cinder", f"/v3/volumes/{volume_id}")).status for volume_id in given.volume_ids]
        if statuses[0] == 404:
            break
        await cloud.clock.sleep(0.01)
    assert statuses == [404, 200]
    assert (await volume(member, given.volume_ids[1]))["status"] == "available"


async def test_another_project_sees_nothing(cloud: Cloud, member: Client) -> None:
    stranger = client(cloud, "stranger")
    given = await launching.prepare(cloud, member)
    server = await active(cloud, member, await launching.boot(member, given, given.volume_ids[0]))
    (port,) = await ports_of(member, server["id"])
    attachment = (await volume(member, given.volume_ids[0]))["attachments"][0]["attachment_id"]
    for service, path, version in (
        ("nova", f"/v2.1/servers/{server['id']}", None), ("nova", f"/v2.1/servers/{server['id']}/os-instance-actions", None),
        ("neutron", f"/v2.0/ports/{port['id']}", None), ("cinder", f"/v3/volumes/{given.volume_ids[0]}", None),
        ("cinder", f"/v3/attachments/{attachment}", "3.44"),
    ):  # fmt: skip
        assert (await stranger.get(service, path, version=version)).status == 404, path
    assert await launching.server_ids(client(cloud, "admin")) == [server["id"]]
    assert (await stranger.get("nova", "/v2.1/servers")).json()["servers"] == []
    assert (await stranger.delete("nova", f"/v2.1/servers/{server['id']}")).status == 404
    assert (await client(cloud, "reader").delete("nova", f"/v2.1/servers/{server['id']}")).status == 403


async def test_a_spawn_that_fails_moves_the_server_and_one_that_always_fails_ends_it(cloud: Cloud, member: Client, admin: Client) -> None:
    given = await launching.prepare(cloud, member)
    cloud.faults.add(28, "fail")
    server = await active(cloud, member, await launching.boot(member, given, given.volume_ids[0]))
    assert len(await ports_of(member, server["id"])) == len((await volume(member, given.volume_ids[0]))["attachments"]) == 1
    (action,) = (await member.get("nova", f"/v2.1/servers/{server['id']}/os-instance-actions")).json()["instanceActions"]
    path = f"/v2.1/servers/{server['id']}/os-instance-actions/{action['request_id']}"
    events = (await admin.get("nova", path, version="2.62")).json()["instanceAction"]["events"]
    built = {"classic": "compute_run_instance", "cells_v2": "compute__do_build_and_run_instance"}[cloud.settings.dialect]
    computes = [event["host"] for event in events if event["event"] == built]
    assert len(computes) == len(set(computes)) == 2
    await launching.delete(cloud, member, server["id"])

    cloud.faults.add(28, "fail", count=None)
    answer = await launching.boot(member, given, given.volume_ids[0])
    failed = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert failed["status"] == "ERROR"
    assert failed["fault"]["message"].startswith("Exceeded maximum number of retries")
    assert (await volume(member, given.volume_ids[0]))["attachments"] == []


async def test_no_host_is_a_fault_that_can_be_deleted(cloud: Cloud, member: Client, admin: Client) -> None:
    given = await launching.prepare(cloud, member)
    flavor = {"flavor": {"name": "huge", "vcpus": 4096, "ram": 512, "disk": 1}}
    huge = (await admin.post("nova", "/v2.1/flavors", json=flavor)).json()["flavor"]["id"]
    await admin.put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json={"quota_set": {"cores": -1}})
    answer = await launching.boot(member, given, given.volume_ids[0], flavorRef=huge)
    failed = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert (failed["status"], failed["hostId"], failed["OS-EXT-STS:task_state"]) == ("ERROR", "", None)
    assert failed["fault"]["code"] == 500
    assert failed["fault"]["message"].startswith("No valid host was found")
    kept = {"classic": "available", "cells_v2": "reserved"}[cloud.settings.dialect]  # until the server is deleted
    assert (await volume(member, given.volume_ids[0]))["status"] == kept
    await launching.delete(cloud, member, failed["id"])
    await launching.nothing_left(cloud)


async def test_hosts_are_chosen_by_room_zone_group_and_service(make_cloud: MakeCloud) -> None:
    hosts = (HostSeed("small", 8, 8_192, 100), HostSeed("large", 8, 16_384, 100), HostSeed("apart", 8, 4_096, 100, zone="east"))
    cloud = await make_cloud(hosts=hosts)
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member, 0)

    async def host_of(**options: Any) -> str:
        answer = await launching.boot(member, given, **options)
        assert answer.status == 202, answer.content
        server = await launching.settled(cloud, admin, answer.json()["server"]["id"])
        return str(server["OS-EXT-SRV-ATTR:host"] or server["fault"]["message"])

    assert await host_of() == "large"
    assert await host_of(availability_zone="east") == "apart"
    assert (await launching.boot(member, given, availability_zone="nowhere")).status == 400
    services = (await admin.get("nova", "/v2.1/os-services", params={"host": "large"}, version="2.53")).json()["services"]
    change = {"status": "disabled", "disabled_reason": "test"}
    assert (await admin.put("nova", f"/v2.1/os-services/{services[0]['id']}", json=change, version="2.53")).status == 200
    assert await host_of() == "small"

    group = {"server_group": {"name": "g", "policy": "anti-affinity"}}
    made = (await member.post("nova", "/v2.1/os-server-groups", json=group, version="2.64")).json()["server_group"]["id"]
    ends = []
    for n in range(3):
        server = {"name": f"vm-{n}", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}]}
        body = {"server": server, "os:scheduler_hints": {"group": made}}
        answer = await member.post("nova", "/v2.1/servers", json=body, version=launching.VERSION)
        ends.append((await launching.settled(cloud, admin, answer.json()["server"]["id"]))["OS-EXT-SRV-ATTR:host"])
    assert set(ends) == {"apart", "small", None}


async def test_several_servers_at_once_share_a_reservation(cloud: Cloud, member: Client, admin: Client) -> None:
    given = await launching.prepare(cloud, member, 0)
    answer = await launching.boot(member, given, min_count=3, max_count=3, return_reservation_id=True)
    reservation = answer.json()["reservation_id"]
    servers = (await admin.get("nova", "/v2.1/servers/detail", params={"all_tenants": 1}, version="2.90")).json()["servers"]
    for server in servers:
        assert (await launching.settled(cloud, admin, server["id"]))["status"] == "ACTIVE"
    assert sorted(server["name"] for server in servers) == ["vm-1", "vm-2", "vm-3"]
    assert {server["OS-EXT-SRV-ATTR:reservation_id"] for server in servers} == {reservation}


async def test_twenty_mixed_launches_of_two_projects_do_not_meet(cloud: Cloud, member: Client, admin: Client) -> None:
    stranger = client(cloud, "stranger")
    network = (await stranger.post("neutron", "/v2.0/networks", json={"network": {"name": "private"}})).json()["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
    assert (await stranger.post("neutron", "/v2.0/subnets", json={"subnet": subnet})).status == 201
    for who in (member, stranger):
        quota = {"instances": 20, "cores": 20}
        assert (await admin.put("nova", f"/v2.1/os-quota-sets/{who.project_id}", json={"quota_set": quota})).status == 200
    mine = await launching.prepare(cloud, member, 5)
    theirs = launching.Ingredients(mine.image_id, network["id"], [await launching.create_volume(cloud, stranger) for _ in range(5)])
    launches = [
        (who, launching.boot(who, given, given.volume_ids[n // 2] if n % 2 else None, name=f"vm-{n}"))
        for n in range(10)
        for who, given in ((member, mine), (stranger, theirs))
    ]
    answers = await asyncio.gather(*(launch for _, launch in launches))
    for (who, _), answer in zip(launches, answers, strict=True):
        server = await active(cloud, who, answer)
        (port,) = await ports_of(who, server["id"])
        assert port["project_id"] == server["tenant_id"] == who.project_id
        assert server["addresses"]["private"][0]["addr"] == port["fixed_ips"][0]["ip_address"]
    for who, given in ((member, mine), (stranger, theirs)):
        for volume_id in given.volume_ids:
            found = await volume(who, volume_id)
            assert (found["status"], len(found["attachments"])) == ("in-use", 1)


async def test_a_server_deleted_while_it_is_scheduled_never_runs(cloud: Cloud, member: Client) -> None:
    given = await launching.prepare(cloud, member)
    cloud.faults.add(10, "delay", seconds=0.3)
    post = asyncio.ensure_future(launching.boot(member, given, given.volume_ids[0]))
    while not (ids := await launching.server_ids(client(cloud, "admin"))):
        await cloud.clock.sleep(0.01)
    await launching.delete(cloud, member, ids[0])
    await post
    await launching.nothing_left(cloud)
