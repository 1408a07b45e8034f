"""Volumes and interfaces that come and go."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from mockcloud.nova import tables as nova
from tests.mockcloud.compute.conftest import Yard


async def _attach(yard: Yard, server: str, volume: str, reserve: str = "os-reserve", **values: Any) -> None:
    """As nova-api does it: the volume reserved, a row, the message."""
    attachment = None
    if reserve == "os-reserve":
        assert (await yard.member.post("cinder", f"/v3/volumes/{volume}/action", json={"os-reserve": {}})).status == 202
    elif reserve:
        body = {"attachment": {"volume_uuid": volume, "instance_uuid": server}}
        made = await yard.member.post("cinder", "/v3/attachments", json=body, version="3.44")
        attachment = made.json()["attachment"]["id"]
    with yard.db.transaction() as tx:
        mapping = {"source_type": "volume", "destination_type": "volume", "uuid": str(uuid.uuid4()), "created_at": yard.cloud.clock.now()}
        row = {**mapping, "instance_uuid": server, "volume_id": volume, "attachment_id": attachment, **values}
        bdm = tx.insert(nova.block_device_mapping, **row)
    await yard.do(server, "attach_volume", bdm_id=bdm, volume_id=volume, device=None)
    await yard.until(lambda: _event_closed(yard, server, "compute_attach_volume"), True)


async def _event_closed(yard: Yard, server: str, name: str) -> bool:
    events = [event for event in yard.events(server) if event["event"] == name]
    return bool(events) and all(event["finish_time"] for event in events)


async def _attachments(yard: Yard, volume: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await yard.member.get("cinder", f"/v3/volumes/{volume}")).json()["volume"]["attachments"]
    return found


@pytest.mark.parametrize("reserve", ["os-reserve", "attachment"])
async def test_a_volume_is_attached_under_the_same_id_on_both_sides(yard: Yard, reserve: str) -> None:
    server, volume = await yard.running(), await yard.volume()
    await _attach(yard, server, volume, reserve)
    (bdm,), (attachment,) = yard.disks(server), await _attachments(yard, volume)
    assert await yard.volume_status(volume) == "in-use"
    assert (attachment["server_id"], attachment["attachment_id"]) == (server, bdm["attachment_id"])
    assert bdm["device_name"] == attachment["device"] == "/dev/vdb"
    assert (await yard.do(server, "get_diagnostics", call=True))["num_disks"] == 2


@pytest.mark.parametrize("reserve", ["os-reserve", "attachment"])
async def test_a_volume_that_cannot_be_attached_is_free_again(yard: Yard, reserve: str) -> None:
    server, volume = await yard.running(), await yard.volume()
    await yard.cloud.workers[yard.row(server)["host"]].endpoint.host.hypervisor.destroy(server)
    await _attach(yard, server, volume, reserve)
    assert (yard.disks(server), await yard.volume_status(volume)) == ([], "available")
    assert len(yard.faults(server)) == 1 and yard.row(server)["vm_state"] == "active"


async def test_a_volume_is_detached(yard: Yard) -> None:
    volume = await yard.volume()
    server = await yard.running(disks=({"volume_id": volume},))
    attachment = yard.disks(server)[0]["attachment_id"]
    assert (await yard.member.post("cinder", f"/v3/volumes/{volume}/action", json={"os-begin_detaching": {}})).status == 202
    await yard.do(server, "detach_volume", volume_id=volume, attachment_id=attachment)
    await yard.until(lambda: yard.volume_status(volume), "available")
    await yard.until(lambda: _event_closed(yard, server, "compute_detach_volume"), True)
    assert yard.disks(server) == []
    assert (await yard.do(server, "get_diagnostics", call=True))["num_disks"] == 1


async def test_an_interface_is_attached_and_detached(yard: Yard) -> None:
    server = await yard.running()
    vif = await yard.do(server, "attach_interface", call=True, network_id=yard.network, port_id=None, requested_ip=None, tag="second")
    assert {port["id"] for port in await yard.ports(server)} == {entry["id"] for entry in yard.row(server)["network_info"]}
    assert (vif["tag"], vif["preserve_on_delete"], len(await yard.ports(server))) == ("second", False, 2)
    await yard.do(server, "detach_interface", port_id=vif["id"])
    await yard.until(lambda: _event_closed(yard, server, "compute_detach_interface"), True)
    assert vif["id"] not in {entry["id"] for entry in yard.row(server)["network_info"]}
    assert len(await yard.ports(server)) == 1


async def test_a_given_port_is_free_after_its_detachment(yard: Yard) -> None:
    server, port = await yard.running(), await yard.port()
    await yard.do(server, "attach_interface", call=True, port_id=port)
    await yard.do(server, "detach_interface", port_id=port)
    await yard.until(lambda: _event_closed(yard, server, "compute_detach_interface"), True)
    assert (await yard.member.get("neutron", f"/v2.0/ports/{port}")).json()["port"]["device_id"] == ""


async def test_an_address_that_is_taken_leaves_no_port(yard: Yard) -> None:
    server = await yard.running()
    taken = yard.row(server)["network_info"][0]["network"]["subnets"][0]["ips"][0]["address"]
    with pytest.raises(RemoteError) as refused:
        await yard.do(server, "attach_interface", call=True, network_id=yard.network, requested_ip=taken)
    assert refused.value.type == "FixedIpAlreadyInUse" and f"Fixed IP address {taken} is already in use" in refused.value.message
    assert len(await yard.ports(server)) == 1 and len(yard.row(server)["network_info"]) == 1


@pytest.mark.parametrize(
    "asked,error",
    [
        ({"port_id": str(uuid.UUID(int=5))}, "PortNotFound"),
        ({"network_id": str(uuid.UUID(int=6))}, "NetworkNotFound"),
    ],
)
async def test_what_is_not_there_is_named_as_nova_names_it(yard: Yard, asked: dict[str, str], error: str) -> None:
    server = await yard.running()
    with pytest.raises(RemoteError) as refused:
        await yard.do(server, "attach_interface", call=True, **asked)
    assert refused.value.type == error
    assert len(await yard.ports(server)) == 1


async def test_another_servers_port_is_in_use(yard: Yard) -> None:
    port = await yard.port()
    await yard.running(networks=[{"port_id": port}])
    server = await yard.running()
    with pytest.raises(RemoteError) as refused:
        await yard.do(server, "attach_interface", call=True, port_id=port)
    assert refused.value.type == "PortInUse"


async def test_a_port_that_neutron_deleted_leaves_the_server(yard: Yard) -> None:
    server = await yard.running()
    (port,) = await yard.ports(server)
    assert (await yard.admin.delete("neutron", f"/v2.0/ports/{port['id']}")).status == 204
    event = {"name": "network-vif-deleted", "server_uuid": server, "tag": port["id"], "status": "completed"}
    ctx = await yard.ctx(yard.admin)
    await yard.cloud.bus.cast(ctx, "compute", "external_instance_event", server=yard.row(server)["host"], args={"events": [event]})

    async def known() -> int:
        return len(yard.row(server)["network_info"])

    await yard.until(known, 0)


async def test_news_of_a_server_that_is_gone_are_no_news(yard: Yard) -> None:
    gone = {"name": "network-vif-deleted", "server_uuid": "11111111-1111-4111-8111-111111111111", "tag": "x", "status": "completed"}
    ctx, host = await yard.ctx(yard.admin), yard.row(await yard.running())["host"]
    assert await yard.cloud.bus.call(ctx, "compute", "external_instance_event", server=host, args={"events": [gone]}) is None
