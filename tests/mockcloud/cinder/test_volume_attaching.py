"""The older way: reserve, connect, attach, detach by actions."""

from __future__ import annotations

import asyncio

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal

SERVER = "11111111-1111-4111-8111-111111111111"
CONNECTOR = {"host": "compute1", "initiator": "iqn.1994-05.com.redhat:1", "ip": "10.0.0.1"}


async def _status(member: Cinder, volume_id: str) -> str:
    return str((await member.get(f"/volumes/{volume_id}"))["volume"]["status"])


async def test_a_volume_is_connected_attached_detached_and_disconnected(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    answer = await member.act(volume_id, "os-initialize_connection", {"connector": CONNECTOR})
    info = answer.json()["connection_info"]
    assert (answer.status, info["driver_volume_type"]) == (200, "iscsi")
    assert (info["data"]["volume_id"], info["data"]["access_mode"]) == (volume_id, "rw")
    body = {"instance_uuid": SERVER, "mountpoint": "/dev/vdb", "mode": "rw"}
    assert (await member.act(volume_id, "os-attach", body)).status == 202
    found = (await member.get(f"/volumes/{volume_id}"))["volume"]
    (attached,) = found["attachments"]
    assert (found["status"], attached["server_id"], attached["device"]) == ("in-use", SERVER, "/dev/vdb")
    assert attached["attached_at"] is not None
    assert found["metadata"] == {"readonly": "False", "attached_mode": "rw"}
    assert (await member.act(volume_id, "os-begin_detaching")).status == 202
    assert await _status(member, volume_id) == "detaching"
    assert (await member.act(volume_id, "os-terminate_connection", {"connector": CONNECTOR})).status == 202
    assert (await member.act(volume_id, "os-detach", {"attachment_id": attached["attachment_id"]})).status == 202
    found = (await member.get(f"/volumes/{volume_id}"))["volume"]
    assert (found["status"], found["attachments"]) == ("available", [])


async def test_of_two_servers_exactly_one_attaches(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    await member.rest.login()
    bodies = [{"instance_uuid": f"{n:08}-1111-4111-8111-111111111111", "mountpoint": "/dev/vdb"} for n in range(2)]
    answers = await asyncio.gather(*(member.act(volume_id, "os-attach", body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [202, 400]
    loser = next(answer for answer in answers if answer.status == 400)
    assert refusal(loser)[2] == (
        "Error attaching volume - InvalidVolume: Invalid volume: volume is already attached and multiple attachments are not enabled"
    )
    assert len((await member.get(f"/volumes/{volume_id}"))["volume"]["attachments"]) == 1


async def test_reserving_is_exclusive_and_can_be_taken_back(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    assert (await member.act(volume_id, "os-reserve")).status == 202
    assert await _status(member, volume_id) == "attaching"
    message = "Invalid volume: Volume status must be available to reserve, but the status is attaching."
    assert refusal(await member.act(volume_id, "os-reserve")) == (400, "badRequest", message)
    assert (await member.act(volume_id, "os-unreserve")).status == 202
    assert await _status(member, volume_id) == "available"
    assert (await member.act(volume_id, "os-unreserve")).status == 202
    assert await _status(member, volume_id) == "available"


async def test_only_an_attached_volume_begins_detaching_and_may_roll_back(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    message = "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach."
    assert refusal(await member.act(volume_id, "os-begin_detaching")) == (400, "badRequest", message)
    await member.act(volume_id, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
    await member.act(volume_id, "os-begin_detaching")
    assert (await member.act(volume_id, "os-roll_detaching")).status == 202
    assert await _status(member, volume_id) == "in-use"


async def test_a_readonly_volume_is_attached_for_reading_only(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    assert (await member.act(volume_id, "os-update_readonly_flag", {"readonly": True})).status == 202
    body = {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}
    answer = await member.act(volume_id, "os-attach", {**body, "mode": "rw"})
    assert refusal(answer) == (400, "badRequest", f"Invalid attaching mode 'rw' for volume {volume_id}.")
    info = (await member.act(volume_id, "os-initialize_connection", {"connector": CONNECTOR})).json()["connection_info"]
    assert info["data"]["access_mode"] == "ro"
    assert (await member.act(volume_id, "os-attach", {**body, "mode": "ro"})).status == 202


@pytest.mark.parametrize(
    "body",
    [{}, {"mountpoint": "/dev/vdb"}, {"instance_uuid": "x", "mountpoint": "/dev/vdb"}, {"instance_uuid": SERVER, "mountpoint": ""}, None],
)
async def test_a_bad_attach_is_refused_and_changes_nothing(member: Cinder, body: object) -> None:
    volume_id = (await member.volume())["id"]
    assert (await member.act(volume_id, "os-attach", body)).status == 400
    assert await _status(member, volume_id) == "available"


async def test_a_connector_without_an_initiator_is_refused(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    answer = await member.act(volume_id, "os-initialize_connection", {"connector": {"host": "h"}})
    assert refusal(answer)[::2] == (400, "Invalid input received: Connector doesn't have required information: initiator")


async def test_administrators_force_a_detach(member: Cinder, admin: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    await member.act(volume_id, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
    assert (await member.act(volume_id, "os-force_detach", {})).status == 403
    assert (await admin.act(volume_id, "os-force_detach", {"connector": CONNECTOR})).status == 202
    assert await _status(member, volume_id) == "available"


async def test_an_unknown_action_is_refused(member: Cinder) -> None:
    volume_id = (await member.volume())["id"]
    answer = await member.act(volume_id, "os-paint")
    message = "There is no such action: os-paint. Verify the request body and Content-Type header and try again."
    assert refusal(answer) == (400, "badRequest", message)
