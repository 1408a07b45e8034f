"""A server changes its flavor or its host, and somebody confirms or reverts it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.nova import tables as nova
from mockcloud.nova.records import to_message
from mockcloud.settings import default_hosts
from tests.mockcloud.compute.conftest import Json, MakeYard, Yard, flavor

BIG = flavor(id=2, flavorid="2", name="m1.small", vcpus=2, memory_mb=2048, root_gb=20)
OLD_ROOM, NEW_ROOM = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}, {"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 20}


async def _resize(yard: Yard, server: str, wanted: Json = BIG, **filter_properties: Any) -> None:
    """As nova-api does it."""
    ctx = await yard.ctx()
    yard.act(server, ctx.request_id, "resize")
    yard.change(server, task_state="resize_prep")
    instance = to_message(yard.row(server))
    args = {"instance": instance, "image": await yard.image(), "instance_type": wanted, "filter_properties": filter_properties}
    args["request_spec"] = {"instance_properties": instance, "instance_uuids": [server], "instance_type": wanted}
    await yard.cloud.bus.cast(ctx, "scheduler", "prep_resize", args=args)


def _migration(yard: Yard, server: str) -> Json:
    rows = yard.db.all(select(nova.migrations).where(nova.migrations.c.instance_uuid == server).order_by(nova.migrations.c.id))
    return rows[-1]


async def _resized(yard: Yard, hosts: str, **server: Any) -> tuple[str, str]:
    """A server moved to another host, or resized where it is; and where it came from."""
    uuid = await yard.running(**server)
    source = yard.row(uuid)["host"]
    others = [host.name for host in yard.cloud.settings.hosts if (host.name == source) != (hosts == "same")]
    await _resize(yard, uuid, ignore_hosts=others if hosts == "same" else [source])
    row = await yard.settled(uuid, "resized")
    assert (row["host"] == source) == (hosts == "same")
    return uuid, source


async def _decide(yard: Yard, server: str, what: str) -> None:
    migration = to_message(_migration(yard, server))
    host = migration["source_compute" if what == "confirm_resize" else "dest_compute"]
    ctx = await yard.ctx()
    yard.act(server, ctx.request_id, what)
    if what == "revert_resize":
        yard.change(server, task_state="resize_reverting")
    args = {"instance": to_message(yard.row(server)), "migration": migration}
    await yard.cloud.bus.cast(ctx, "compute", what, server=host, args=args)

    async def status() -> str:
        return str(_migration(yard, server)["status"])

    await yard.until(status, "confirmed" if what == "confirm_resize" else "reverted")
    await yard.settled(server, "active")


@pytest.mark.parametrize("hosts", ["same", "other"])
async def test_a_resized_server_has_its_new_flavor_and_both_rooms(yard: Yard, hosts: str) -> None:
    volume = await yard.volume()
    server, source = await _resized(yard, hosts, disks=({"volume_id": volume},))
    row, migration = yard.row(server), _migration(yard, server)
    assert (row["flavor"]["name"], row["old_flavor"]["name"], row["memory_mb"], row["power_state"]) == ("m1.small", "m1.tiny", 2048, 1)
    assert (migration["status"], migration["migration_type"], migration["source_compute"]) == ("finished", "resize", source)
    used = await yard.used()
    both = {name: OLD_ROOM[name] + NEW_ROOM[name] for name in OLD_ROOM}
    if hosts == "same":
        assert used[source] == both
    else:
        assert (used[source], used[row["host"]]) == (OLD_ROOM, NEW_ROOM)
        assert (yard.node(source)["vcpus_used"], yard.node(row["host"])["vcpus_used"]) == (1, 2)
    assert [port["binding:host_id"] for port in await yard.ports(server)] == [row["host"]]
    assert await yard.volume_status(volume) == "in-use"
    assert [host for host, guests in (await yard.guests()).items() if server in guests] == [row["host"]]


@pytest.mark.parametrize("hosts", ["same", "other"])
async def test_confirming_leaves_the_new_room_only(yard: Yard, hosts: str) -> None:
    server, source = await _resized(yard, hosts)
    await _decide(yard, server, "confirm_resize")
    row = yard.row(server)
    assert (row["flavor"]["name"], row["old_flavor"], row["new_flavor"]) == ("m1.small", None, None)
    used = {host: room for host, room in (await yard.used()).items() if room}
    assert used == {row["host"]: NEW_ROOM}
    assert yard.node(row["host"])["vcpus_used"] == 2
    assert hosts == "same" or yard.node(source)["vcpus_used"] == 0


@pytest.mark.parametrize("hosts", ["same", "other"])
async def test_reverting_brings_everything_back(yard: Yard, hosts: str) -> None:
    volume = await yard.volume()
    server, source = await _resized(yard, hosts, disks=({"volume_id": volume},))
    moved = yard.row(server)["host"]
    await _decide(yard, server, "revert_resize")
    row = yard.row(server)
    assert (row["host"], row["flavor"]["name"], row["memory_mb"], row["old_flavor"]) == (source, "m1.tiny", 512, None)
    assert {host: room for host, room in (await yard.used()).items() if room} == {source: OLD_ROOM}
    assert yard.node(source)["vcpus_used"] == 1
    assert hosts == "same" or yard.node(moved)["vcpus_used"] == 0
    assert [port["binding:host_id"] for port in await yard.ports(server)] == [source]
    assert [host for host, guests in (await yard.guests()).items() if server in guests] == [source]
    assert await yard.volume_status(volume) == "in-use"


async def test_a_stopped_server_is_stopped_after_its_resize(yard: Yard) -> None:
    server = await yard.running()
    await yard.do(server, "stop_instance", "powering-off")
    await yard.settled(server, "stopped")
    await _resize(yard, server)
    assert (await yard.settled(server, "resized"))["power_state"] == 4


async def test_a_migration_keeps_the_flavor_and_changes_the_host(yard: Yard) -> None:
    server = await yard.running()
    source = yard.row(server)["host"]
    await _resize(yard, server, yard.row(server)["flavor"])
    row = await yard.settled(server, "resized")
    assert row["host"] != source and _migration(yard, server)["migration_type"] == "migration"


async def test_a_destination_without_room_sends_the_server_on(make_yard: MakeYard) -> None:
    yard = await make_yard(hosts=default_hosts(3))
    server = await yard.running(hints={"force_hosts": ["compute1"]})
    full = yard.cloud.workers["compute3"].endpoint.host.usage
    full.capacity = type(full.capacity)(**{name: getattr(full.capacity, name) for name in full.capacity.__slots__} | {"vcpus": 0})
    await _resize(yard, server, ignore_hosts=["compute1"])
    assert (await yard.settled(server, "resized"))["host"] == "compute2"
    assert (await yard.used())["compute3"] == {}


async def test_a_resize_that_nobody_can_take_leaves_the_server_as_it_was(yard: Yard) -> None:
    server = await yard.running()
    source = yard.row(server)["host"]
    await _resize(yard, server, flavor(id=9, flavorid="9", name="huge", vcpus=512))
    row = await yard.settled(server, "active")
    assert (row["host"], row["flavor"]["name"], len(yard.faults(server))) == (source, "m1.tiny", 1)
    assert (await yard.used())[source] == OLD_ROOM


async def test_a_source_that_cannot_let_go_is_an_error_with_the_old_room(yard: Yard) -> None:
    server = await yard.running()
    source = yard.row(server)["host"]
    await yard.cloud.workers[source].endpoint.host.hypervisor.destroy(server)
    await _resize(yard, server, ignore_hosts=[source])
    await yard.settled(server, "error")
    assert {host: room for host, room in (await yard.used()).items() if room} == {source: OLD_ROOM}
    assert _migration(yard, server)["status"] == "error"


async def test_deleting_an_unconfirmed_server_leaves_nothing_on_either_host(yard: Yard) -> None:
    server, source = await _resized(yard, "other")
    await yard.do(server, "terminate_instance", "deleting")
    await yard.settled(server, "deleted")
    assert await yard.left_behind(server) == {}

    async def counted() -> int:
        return int(yard.node(source)["vcpus_used"])

    await yard.until(counted, 0)


async def test_a_second_confirmation_does_nothing(yard: Yard) -> None:
    server, _ = await _resized(yard, "other")
    migration = to_message(_migration(yard, server))
    await _decide(yard, server, "confirm_resize")
    args = {"instance": to_message(yard.row(server)), "migration": migration}
    await yard.cloud.bus.call(await yard.ctx(), "compute", "confirm_resize", server=migration["source_compute"], args=args)
    assert (yard.row(server)["vm_state"], yard.faults(server)) == ("active", [])
