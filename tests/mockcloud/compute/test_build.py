"""The launch on the compute: what it does in which order, and what it leaves when it fails."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import update

from mockcloud.glance.tables import images
from mockcloud.settings import default_hosts
from tests.mockcloud.compute.conftest import Json, MakeYard, Yard


async def test_a_server_with_image_network_and_volume_runs(yard: Yard) -> None:
    volume = await yard.volume()
    server = await yard.running(disks=({"volume_id": volume, "boot_index": None},))
    row = yard.row(server)
    assert (row["vm_state"], row["task_state"], row["power_state"]) == ("active", None, 1)
    assert row["launched_at"] >= row["created_at"]
    assert await yard.volume_status(volume) == "in-use"
    (port,) = await yard.ports(server)
    assert port["binding:host_id"] == row["host"] and port["device_owner"] == "compute:nova"
    assert [vif["id"] for vif in row["network_info"]] == [port["id"]]
    assert yard.faults(server) == []


async def _upload(yard: Yard, data: bytes, **values: str) -> str:
    body = {"name": "mine", "disk_format": "raw", "container_format": "bare", **values}
    image_id: str = (await yard.member.post("glance", "/v2/images", json=body)).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    assert (await yard.member.put("glance", f"/v2/images/{image_id}/file", content=data, headers=octets)).status == 204
    return image_id


async def test_a_kernel_and_a_ramdisk_come_with_their_image(yard: Yard) -> None:
    kernel_id, ramdisk_id = await _upload(yard, b"a kernel"), await _upload(yard, b"a ramdisk")
    server = await yard.running(image_ref=await _upload(yard, b"a disk", kernel_id=kernel_id, ramdisk_id=ramdisk_id))
    driver = yard.cloud.workers[yard.row(server)["host"]].endpoint.host.hypervisor._driver
    guest = driver._guests[server].guest
    assert [part.path.read_bytes() for part in (guest.image, guest.kernel, guest.ramdisk)] == [b"a disk", b"a kernel", b"a ramdisk"]


async def test_a_server_whose_kernel_is_gone_fails(yard: Yard) -> None:
    server = await yard.launch(image_ref=await _upload(yard, b"a disk", kernel_id=str(uuid.uuid4())))
    assert (await yard.settled(server))["vm_state"] == "error"


STEPS = (13, 14, 15, 16, 17, 18, 19, 21, 22, 24, 25, 27, 28)
ORDER = [  # the compute's own exchanges, in the order of the steps: seam, name
    ("rpc.deliver", "run_instance"),
    ("rpc.publish", "instance_get_by_uuid"),
    ("rpc.answer", "instance_get_by_uuid"),
    ("http.client", "GET /v2/images/{image}"),
    ("http.client", "GET /v2/images/{image}/file"),
    ("http.client", "POST /v2.0/ports"),
    ("http.client", "PUT /v2.0/ports/{port}"),
    ("http.client", "POST /v3/volumes/{volume}/action"),
    ("driver", "spawn"),
]


async def test_the_steps_follow_each_other_as_the_seams_saw_them(yard: Yard) -> None:
    volume = await yard.volume()
    yard.cloud.recorder.clear()
    server = await yard.running(disks=({"volume_id": volume},))
    names = {"image": (await yard.image())["id"], "port": (await yard.ports(server))[0]["id"], "volume": volume}
    seen = [(fact.kind, fact.name) for fact in yard.cloud.recorder.facts() if fact.service == "nova-compute"]
    places = [seen.index((kind, name.format(**names))) for kind, name in ORDER]
    assert places == sorted(places), [seen[place] for place in places]


async def test_the_compute_asks_the_services_with_the_users_token_and_binds_with_its_own(yard: Yard) -> None:
    server = await yard.running()
    asked = {fact.name: fact.attributes for fact in yard.facts("http.client") if fact.service == "nova-compute"}
    (port,) = await yard.ports(server)
    image = yard.row(server)["image_ref"]
    assert not asked["POST /v2.0/ports"]["own"] and not asked[f"GET /v2/images/{image}"]["own"]
    assert asked[f"PUT /v2.0/ports/{port['id']}"]["own"]


async def test_task_states_go_by_in_order(yard: Yard) -> None:
    await yard.running()
    published = [fact.attributes["args"] for fact in yard.facts("rpc.publish") if fact.name == "instance_update"]
    states = [args["updates"]["task_state"] for args in published if "task_state" in args["updates"]]
    assert states == [None, "networking", "block_device_mapping", "spawning", None]


async def test_the_image_is_fetched_once_for_a_host(make_yard: MakeYard) -> None:
    yard = await make_yard(hosts=default_hosts(1))
    for _ in range(2):
        await yard.running()
    names = [fact.name for fact in yard.facts("http.client") if fact.service == "nova-compute"]
    image = (await yard.image())["id"]
    assert (names.count(f"GET /v2/images/{image}"), names.count(f"GET /v2/images/{image}/file")) == (2, 1)


async def test_usage_rises_by_one_flavor(yard: Yard) -> None:
    server = await yard.running()
    node = yard.node(yard.row(server)["host"])
    assert (node["vcpus_used"], node["memory_mb_used"], node["local_gb_used"], node["running_vms"]) == (1, 512 + 512, 1, 1)
    assert (await yard.used())[node["host"]] == {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}


# what goes wrong


FAILURES = [(number, when) for number in STEPS for when in ("before", "after")]
FAILURES.remove((17, "after"))  # the reply is sent: who asked has what they wanted


@pytest.mark.parametrize("number,when", FAILURES)
async def test_a_fault_at_any_step_leaves_nothing_behind(make_yard: MakeYard, number: int, when: str) -> None:
    yard = await make_yard(max_attempts=1)
    volume = await yard.volume()
    given = await yard.port()
    yard.cloud.faults.add(number, "fail", when)
    server = await yard.launch([{"network_id": yard.network}, {"port_id": given}], disks=({"volume_id": volume},))
    row = await yard.settled(server, "error")
    assert (row["host"], row["node"], row["task_state"], row["network_info"]) == (None, None, None, [])
    assert len(yard.faults(server)) == 1 and yard.faults(server)[0]["code"] == 500
    assert await yard.left_behind(server) == {}
    assert await yard.volume_status(volume) == "available"
    assert (await yard.member.get("neutron", f"/v2.0/ports/{given}")).json()["port"]["device_id"] == ""
    assert all(used == {} for used in (await yard.used()).values())
    assert all(yard.node(host.name)["vcpus_used"] == 0 for host in yard.cloud.settings.hosts)


@pytest.mark.parametrize("kind", ["skip", "duplicate"])
@pytest.mark.parametrize("number", STEPS)
async def test_a_step_left_out_or_done_twice_neither_hangs_nor_leaks(yard: Yard, number: int, kind: str) -> None:
    volume = await yard.volume()
    yard.cloud.faults.add(number, kind)
    server = await yard.launch(disks=({"volume_id": volume},))
    row = await yard.settled(server)
    if row["vm_state"] == "error":
        assert await yard.left_behind(server) == {} and await yard.volume_status(volume) == "available"
    else:
        assert row["vm_state"] == "active"
        assert [port["id"] for port in await yard.ports(server)] == [vif["id"] for vif in row["network_info"]]
        assert list(await yard.allocations(server)) == [yard.node(row["host"])["uuid"]]
        assert sum(server in guests for guests in (await yard.guests()).values()) == 1
        assert (await yard.left_behind(server))["volumes"] == [volume]


@pytest.mark.parametrize("number", [22, 25, 28])
async def test_a_step_put_off_beyond_the_end_of_its_launch_does_not_happen(make_yard: MakeYard, number: int) -> None:
    yard = await make_yard(max_attempts=1)
    volume = await yard.volume()
    yard.cloud.faults.add(number, "reorder")
    server = await yard.launch(disks=({"volume_id": volume},))
    await yard.settled(server, "error")

    async def put_off() -> bool:
        return yard.cloud.faults.armed

    await yard.until(put_off, False)
    assert await yard.left_behind(server) == {} and await yard.volume_status(volume) == "available"


@pytest.mark.parametrize("number", [19, 22, 25])
async def test_a_wrong_token_gets_no_server(make_yard: MakeYard, number: int) -> None:
    yard = await make_yard(max_attempts=1)
    volume = await yard.volume()
    yard.cloud.faults.add(number, "wrong_token")
    server = await yard.launch(disks=({"volume_id": volume},))
    await yard.settled(server, "error")
    assert await yard.left_behind(server) == {}


async def test_a_spawn_that_fails_goes_to_another_host(yard: Yard) -> None:
    volume = await yard.volume()
    first = yard.cloud.faults.add(28, "fail", count=1)
    server = await yard.running(disks=({"volume_id": volume},))
    assert first.count == 0
    tried = [event["host"] for event in yard.events(server) if event["event"] == "compute_run_instance"]
    assert len(tried) == 2 and tried[0] != tried[1] == yard.row(server)["host"]
    assert len(await yard.ports(server)) == 1 and list(await yard.allocations(server)) == [yard.node(tried[1])["uuid"]]
    assert yard.faults(server) == []
    assert yard.node(tried[0])["stats"]["failed_builds"] == 1


async def test_a_spawn_that_fails_everywhere_is_an_error_after_three_attempts(yard: Yard) -> None:
    yard.cloud.faults.add(28, "fail", count=None)
    server = await yard.launch()
    await yard.settled(server, "error")
    (fault,) = yard.faults(server)
    assert fault["message"].startswith("Exceeded maximum number of retries.")
    assert len([event for event in yard.events(server) if event["event"] == "compute_run_instance"]) == 3
    assert await yard.left_behind(server) == {}


async def test_a_full_host_sends_the_server_on(make_yard: MakeYard) -> None:
    yard = await make_yard(hosts=default_hosts(2), full_hosts=("compute2",))
    rows = [yard.row(await yard.running()) for _ in range(2)]
    assert {row["host"] for row in rows} == {"compute1"}
    assert (await yard.used())["compute2"] == {}


async def test_a_host_that_cannot_bind_ports_sends_the_server_on(make_yard: MakeYard) -> None:
    yard = await make_yard(hosts=default_hosts(2), unbindable_hosts=("compute1",))
    server = await yard.running()
    assert yard.row(server)["host"] == "compute2"
    assert len(await yard.ports(server)) == 1


async def test_a_forced_host_is_not_left(yard: Yard) -> None:
    yard.cloud.faults.add(28, "fail")
    server = await yard.launch(hints={"force_hosts": ["compute1"]})
    await yard.settled(server, "error")
    assert len([event for event in yard.events(server) if event["event"] == "compute_run_instance"]) == 1


REFUSALS = [
    ("a network with no address", lambda yard: [{"network_id": yard.network, "fixed_ip": "192.168.77.7"}]),
    ("a port that is not there", lambda yard: [{"port_id": str(uuid.UUID(int=5))}]),
    ("a network that is not there", lambda yard: [{"network_id": str(uuid.UUID(int=6))}]),
]


@pytest.mark.parametrize("networks", [case[1] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
async def test_what_neutron_refuses_is_final(yard: Yard, networks: Callable[[Yard], list[Json]]) -> None:
    server = await yard.launch(networks(yard))
    await yard.settled(server, "error")
    (fault,) = yard.faults(server)
    assert fault["message"].startswith(f"Build of instance {server} aborted:")
    assert len([event for event in yard.events(server) if event["event"] == "compute_run_instance"]) == 1
    assert await yard.left_behind(server) == {}


async def test_a_port_of_another_server_stays_there(yard: Yard) -> None:
    port = await yard.port()
    owner = await yard.running(networks=[{"port_id": port}])
    server = await yard.launch([{"port_id": port}])
    await yard.settled(server, "error")
    assert f"Port {port} is still in use." in yard.faults(server)[0]["message"]
    assert [one["id"] for one in await yard.ports(owner)] == [port]


async def test_the_port_quota_is_final(yard: Yard) -> None:
    quota = {"quota": {"port": 0}}
    assert (await yard.admin.put("neutron", f"/v2.0/quotas/{yard.project_id}", json=quota)).ok
    server = await yard.launch()
    await yard.settled(server, "error")
    assert "Maximum number of ports exceeded" in yard.faults(server)[0]["message"]


@pytest.mark.parametrize("asked,ports", [("none", 0), ("auto", 1), (None, 1)])
async def test_a_server_has_the_networks_that_were_asked_for(yard: Yard, asked: str | None, ports: int) -> None:
    server = await yard.running(networks=asked)
    assert len(await yard.ports(server)) == ports


async def test_security_groups_are_found_by_name_or_id(yard: Yard) -> None:
    ids = []
    for name in ("web", "db"):
        made = await yard.member.post("neutron", "/v2.0/security-groups", json={"security_group": {"name": name}})
        ids.append(made.json()["security_group"]["id"])
    server = await yard.running(security_groups=["web", ids[1]])
    assert sorted((await yard.ports(server))[0]["security_groups"]) == sorted(ids)
    nowhere = await yard.launch(security_groups=["nowhere"])
    await yard.settled(nowhere, "error")
    assert "Security group nowhere not found." in yard.faults(nowhere)[0]["message"]


async def test_an_image_with_other_data_than_its_checksum_is_not_run(make_yard: MakeYard) -> None:
    yard = await make_yard(max_attempts=1)
    glance = yard.cloud.services["glance"].db
    with glance.transaction() as tx:
        tx.execute(update(images).values(checksum="0" * 32))
    server = await yard.launch()
    await yard.settled(server, "error")
    assert "checksum" in yard.faults(server)[0]["message"]
    assert await yard.left_behind(server) == {}


async def test_a_glance_that_is_away_is_asked_again(yard: Yard) -> None:
    yard.cloud.clock.speed = 5.0
    yard.cloud.faults.add(18, "delay", seconds=1)
    server = await yard.launch()
    yard.cloud.down.add("glance")
    await yard.until(lambda: _refused(yard), True)
    yard.cloud.down.clear()
    await yard.settled(server, "active")


async def _refused(yard: Yard) -> bool:
    return any("error" in fact.attributes and fact.attributes.get("callee") == "image" for fact in yard.facts("http.client"))


async def test_a_flavor_too_small_for_the_image_is_final(yard: Yard) -> None:
    body = {"name": "large", "disk_format": "raw", "container_format": "bare", "min_ram": 4096}
    image = (await yard.member.post("glance", "/v2/images", json=body)).json()["id"]
    await yard.member.put("glance", f"/v2/images/{image}/file", content=b"x", headers={"Content-Type": "application/octet-stream"})
    server = await yard.launch(image_ref=image)
    await yard.settled(server, "error")
    assert "Flavor's memory is too small for requested image." in yard.faults(server)[0]["message"]


async def test_a_volume_made_for_the_server_goes_with_its_failure_only_if_it_was_to_go(make_yard: MakeYard) -> None:
    yard = await make_yard(max_attempts=1)
    made = {"source_type": "blank", "destination_type": "volume", "volume_size": 1, "volume_id": None}
    yard.cloud.faults.add(28, "fail")
    server = await yard.launch(disks=(made | {"delete_on_termination": True}, made))
    await yard.settled(server, "error")
    dropped, kept = [disk["volume_id"] for disk in yard.disks(server)]
    assert dropped is None and await yard.volume_status(kept) == "available"
    await yard.until(lambda: _volumes(yard), [kept])


async def _volumes(yard: Yard) -> list[str]:
    return [volume["id"] for volume in (await yard.member.get("cinder", "/v3/volumes")).json()["volumes"]]


async def test_a_server_boots_from_a_volume_without_nova_reading_the_image(yard: Yard) -> None:
    root = {"source_type": "image", "destination_type": "volume", "boot_index": 0, "volume_size": 1, "image_id": (await yard.image())["id"]}
    server = await yard.running(image_ref="", disks=(root,))
    (bdm,) = yard.disks(server)
    assert bdm["device_name"] == "/dev/vda" and await yard.volume_status(bdm["volume_id"]) == "in-use"
    names = [fact.name for fact in yard.facts("http.client") if fact.service == "nova-compute"]
    assert not any(name.startswith("GET /v2/images") for name in names)
    assert (await yard.used())[yard.row(server)["host"]] == {"VCPU": 1, "MEMORY_MB": 512}


# several at once


async def test_two_servers_want_one_volume_and_one_gets_it(yard: Yard) -> None:
    volume = await yard.volume()
    servers = [await yard.launch(disks=({"volume_id": volume},)) for _ in range(2)]
    ends = sorted([(await yard.settled(server))["vm_state"] for server in servers])
    assert ends == ["active", "error"]
    winner = next(server for server in servers if yard.row(server)["vm_state"] == "active")
    volumes = (await yard.member.get("cinder", f"/v3/volumes/{volume}")).json()["volume"]["attachments"]
    assert [one["server_id"] for one in volumes] == [winner]


async def test_several_launches_at_once_have_addresses_of_their_own(yard: Yard) -> None:
    servers = [await yard.launch() for _ in range(6)]
    rows = [await yard.settled(server, "active") for server in servers]
    addresses = {row["network_info"][0]["network"]["subnets"][0]["ips"][0]["address"] for row in rows}
    assert len(addresses) == 6


async def test_a_message_delivered_twice_builds_once(yard: Yard) -> None:
    yard.cloud.faults.add(12, "duplicate")
    server = await yard.running()
    await yard.until(lambda: _handled(yard), 2)
    assert len(await yard.ports(server)) == 1 and yard.row(server)["vm_state"] == "active"
    assert len([event for event in yard.events(server) if event["event"] == "compute_run_instance"]) == 1
    assert list(await yard.allocations(server)) == [yard.node(yard.row(server)["host"])["uuid"]]


async def _handled(yard: Yard) -> int:
    done = [fact for fact in yard.facts("rpc.deliver") if fact.name == "run_instance" and fact.service == "nova-compute"]
    return sum(1 for fact in done if fact.end)


@pytest.mark.parametrize("number", [13, 18, 19, 22, 25, 28])
async def test_a_server_deleted_during_its_build_is_gone(yard: Yard, number: int) -> None:
    volume = await yard.volume()
    yard.cloud.faults.add(number, "delay", seconds=0.3)
    server = await yard.launch(disks=({"volume_id": volume},))
    await yard.do(server, "terminate_instance", "deleting")
    row = await yard.settled(server)
    assert row["deleted_at"] and yard.faults(server) == []
    await yard.until(lambda: yard.left_behind(server), {})
    assert await yard.volume_status(volume) == "available"
