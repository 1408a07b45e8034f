"""Volumes of servers: what nova-api checks, reserves, writes and sends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.clients import Response
from mockcloud.nova import tables
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

MISSING = "11111111-1111-4111-8111-111111111111"


async def _volume(yard: Yard, **values: Any) -> str:
    member = yard.user("member")
    made = await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1, **values}}, version="3.44")
    volume_id = str(made.json()["volume"]["id"])
    for _ in range(500):
        if await _status(yard, volume_id) == "available":
            return volume_id
        await yard.cloud.clock.sleep(0)
    raise AssertionError(f"volume {volume_id} is not there")


async def _status(yard: Yard, volume_id: str) -> str:
    answer = await yard.user("member").get("cinder", f"/v3/volumes/{volume_id}", version="3.44")
    return str(answer.json()["volume"]["status"])


async def _attached(yard: Yard, server: str, **values: Any) -> str:
    """A volume as if the compute had attached it."""
    volume_id = await _volume(yard)
    body = {"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdb", "mode": "rw"}}
    await yard.user("member").post("cinder", f"/v3/volumes/{volume_id}/action", json=body, version="3.44")
    row: dict[str, Any] = {"uuid": MISSING, "instance_uuid": server, "source_type": "volume", "destination_type": "volume"}
    row |= {"device_name": "/dev/vdb", "volume_id": volume_id, "volume_size": 1, "attachment_id": MISSING}
    with yard.db.transaction() as tx:
        tx.insert(tables.block_device_mapping, created_at=yard.cloud.clock.now(), **{**row, **values})
    return volume_id


async def _ask(
    yard: Yard, method: str, server: str, path: str = "", body: Any = None, who: str = "member", version: str = LATEST
) -> Response:
    json = None if body is None else {"volumeAttachment": body}
    return await yard.user(who).request("nova", method, f"/v2.1/servers/{server}/os-volume_attachments{path}", json=json, version=version)


def _disks(yard: Yard, server: str) -> list[dict[str, Any]]:
    t = tables.block_device_mapping
    return yard.db.all(select(t).where(t.c.instance_uuid == server))


async def test_a_volume_is_reserved_written_down_and_sent_to_the_compute(yard: Yard) -> None:
    server, volume_id = yard.server(), await _volume(yard)
    answer = await _ask(yard, "POST", server, body={"volumeId": volume_id, "delete_on_termination": True, "tag": "data"})
    assert (answer.status, answer.content) == (202, b"")
    (disk,) = _disks(yard, server)
    assert (disk["device_name"], disk["volume_size"], disk["delete_on_termination"], disk["tag"]) == ("/dev/vdb", 1, True, "data")
    assert (await _status(yard, volume_id), yard.actions(server)) == ("attaching", ["attach_volume"])
    ((method, args),) = await yard.heard()
    sent = {name: args[name] for name in ("bdm_id", "volume_id", "device")}
    assert (method, sent) == ("attach_volume", {"bdm_id": disk["id"], "volume_id": volume_id, "device": "/dev/vdb"})


@pytest.mark.parametrize(
    ("version", "more"),
    [("2.1", {}), ("2.70", {"tag": None}), ("2.100", {"tag": None, "delete_on_termination": False})],
)
async def test_before_2_101_an_attachment_is_answered(yard: Yard, version: str, more: dict[str, Any]) -> None:
    server, volume_id = yard.server(), await _volume(yard)
    answer = await _ask(yard, "POST", server, body={"volumeId": volume_id, "device": "/dev/sdc"}, version=version)
    shown = {"id": volume_id, "volumeId": volume_id, "serverId": server, "device": "/dev/vdc", **more}
    assert (answer.status, answer.json()) == (200, {"volumeAttachment": shown})


@pytest.mark.parametrize(
    ("version", "shown"),
    [("2.1", {"id"}), ("2.70", {"id", "tag"}), ("2.79", {"id", "tag", "delete_on_termination"}),
     ("2.89", {"tag", "delete_on_termination", "attachment_id", "bdm_uuid"})],
)  # fmt: skip
async def test_each_version_shows_its_own_fields(yard: Yard, version: str, shown: set[str]) -> None:
    server = yard.server()
    volume_id = await _attached(yard, server)
    one = (await _ask(yard, "GET", server, f"/{volume_id}", version=version)).json()["volumeAttachment"]
    assert set(one) == shown | {"volumeId", "serverId", "device"}
    assert (await _ask(yard, "GET", server, version=version)).json() == {"volumeAttachments": [one]}


async def test_a_volume_on_its_way_is_not_shown_from_2_89_on(yard: Yard) -> None:
    server = yard.server()
    volume_id = await _attached(yard, server, attachment_id=None)
    assert (await _ask(yard, "GET", server)).json() == {"volumeAttachments": []}
    message = f"Instance {server} is not attached to volume {volume_id}"
    assert refusal(await _ask(yard, "GET", server, f"/{volume_id}")) == (404, "itemNotFound", message)
    assert (await _ask(yard, "GET", server, f"/{volume_id}", version="2.88")).status == 200


async def test_lists_are_paged(yard: Yard) -> None:
    server = yard.server()
    await _attached(yard, server)
    path = f"/v2.1/servers/{server}/os-volume_attachments"
    answer = await yard.user("member").get("nova", path, params={"limit": 1, "offset": 1}, version=LATEST)
    assert answer.json() == {"volumeAttachments": []}


async def test_a_volume_that_is_not_there_or_not_free_is_refused(yard: Yard) -> None:
    server, other = yard.server(), yard.server()
    answer = await _ask(yard, "POST", server, body={"volumeId": MISSING})
    assert refusal(answer) == (404, "itemNotFound", f"Volume {MISSING} could not be found.")
    taken = await _attached(yard, other)
    answer = await _ask(yard, "POST", server, body={"volumeId": taken})
    message = f"Invalid volume: volume {taken} is already attached to instances: {other}"
    assert refusal(answer) == (400, "badRequest", message)
    reserved = await _volume(yard)
    await yard.user("member").post("cinder", f"/v3/volumes/{reserved}/action", json={"os-reserve": {}}, version="3.44")
    answer = await _ask(yard, "POST", server, body={"volumeId": reserved})
    said = "Invalid input received: Invalid volume: Volume status must be available to reserve, but the status is attaching."
    assert refusal(answer) == (400, "badRequest", said)
    assert (_disks(yard, server), yard.actions(server)) == ([], [])


async def test_a_device_that_is_taken_is_refused_and_the_volume_free_again(yard: Yard) -> None:
    server, volume_id = yard.server(), await _volume(yard)
    answer = await _ask(yard, "POST", server, body={"volumeId": volume_id, "device": "/dev/vda"})
    assert refusal(answer) == (409, "conflictingRequest", "The supplied device path (/dev/vda) is in use.")
    assert (await _status(yard, volume_id), _disks(yard, server), yard.actions(server)) == ("available", [], [])


async def test_of_two_servers_one_gets_the_volume(yard: Yard) -> None:
    first, second, volume_id = yard.server(), yard.server(), await _volume(yard)
    answers = await asyncio.gather(*(_ask(yard, "POST", server, body={"volumeId": volume_id}) for server in (first, second)))
    assert sorted(answer.status for answer in answers) == [202, 400]
    assert len(_disks(yard, first) + _disks(yard, second)) == 1


async def test_a_building_or_locked_server_takes_no_volume(yard: Yard) -> None:
    volume_id = await _volume(yard)
    building, locked = yard.server(vm_state="building", task_state="spawning"), yard.server(locked=True)
    message = f"Cannot 'attach_volume' instance {building} while it is in vm_state building"
    assert refusal(await _ask(yard, "POST", building, body={"volumeId": volume_id}))[::2] == (409, message)
    assert refusal(await _ask(yard, "POST", locked, body={"volumeId": volume_id}))[::2] == (409, f"Instance {locked} is locked")
    shelved = yard.server(vm_state="shelved")
    assert refusal(await _ask(yard, "POST", shelved, body={"volumeId": volume_id}, version="2.19"))[0] == 409
    assert await _status(yard, volume_id) == "available"


BAD = [
    ({}, "Invalid input for field/attribute volumeAttachment. Value: {}. 'volumeId' is a required property"),
    ({"volumeId": "x"}, "Invalid input for field/attribute volumeId. Value: x. 'x' is not a 'uuid'"),
    ({"volumeId": MISSING, "device": "vdb"},
     "Invalid input for field/attribute device. Value: vdb. 'vdb' does not match '(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$'"),
    ({"volumeId": MISSING, "tag": "a,b"}, "Invalid input for field/attribute tag. Value: a,b. 'a,b' does not match '^[^,/]*$'"),
    ({"volumeId": MISSING, "mode": "ro"}, f"Invalid input for field/attribute volumeAttachment. Value: {{'volumeId': '{MISSING}', "
     "'mode': 'ro'}. Additional properties are not allowed ('mode' was unexpected)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BAD)
async def test_bad_bodies_are_refused(yard: Yard, body: Any, message: str) -> None:
    server = yard.server()
    assert refusal(await _ask(yard, "POST", server, body=body)) == (400, "badRequest", message)
    assert refusal(await _ask(yard, "PUT", server, f"/{MISSING}", body))[0] == 400
    assert _disks(yard, server) == []


async def test_a_detached_volume_is_marked_and_the_compute_told(yard: Yard) -> None:
    server = yard.server()
    volume_id = await _attached(yard, server)
    assert (await _ask(yard, "DELETE", server, f"/{volume_id}")).status == 202
    assert (await _status(yard, volume_id), yard.actions(server)) == ("detaching", ["detach_volume"])
    ((method, args),) = await yard.heard()
    assert (method, args["volume_id"], args["attachment_id"]) == ("detach_volume", volume_id, MISSING)
    answer = await _ask(yard, "DELETE", server, f"/{volume_id}")
    assert refusal(answer)[0] == 400
    assert "Unable to detach volume. Volume status must be 'in-use'" in refusal(answer)[2]


async def test_what_cannot_be_detached_is_refused(yard: Yard) -> None:
    server = yard.server()
    assert refusal(await _ask(yard, "DELETE", server, f"/{MISSING}"))[::2] == (404, f"Volume {MISSING} could not be found.")
    loose = await _volume(yard)
    assert refusal(await _ask(yard, "DELETE", server, f"/{loose}"))[::2] == (404, f"Instance {server} is not attached to volume {loose}")
    root = await _attached(yard, server, boot_index=0)
    assert refusal(await _ask(yard, "DELETE", server, f"/{root}"))[::2] == (400, "Cannot detach a root device volume")


async def test_a_volume_of_a_server_whose_compute_is_down_stays(yard: Yard) -> None:
    server = yard.server(host="nowhere")
    volume_id = await _attached(yard, server)
    assert refusal(await _ask(yard, "DELETE", server, f"/{volume_id}"))[::2] == (409, "Service is unavailable at this time.")
    assert await _status(yard, volume_id) == "in-use"


async def test_from_2_85_on_delete_on_termination_may_change_and_nothing_else(yard: Yard) -> None:
    server = yard.server()
    volume_id = await _attached(yard, server)
    body = {"volumeId": volume_id, "delete_on_termination": "true", "device": "/dev/vdb", "id": volume_id, "serverId": server}
    assert (await _ask(yard, "PUT", server, f"/{volume_id}", body)).status == 202
    assert _disks(yard, server)[0]["delete_on_termination"] is True
    for name, value in (("device", "/dev/vdx"), ("tag", "x"), ("id", MISSING), ("serverId", MISSING)):
        answer = await _ask(yard, "PUT", server, f"/{volume_id}", {"volumeId": volume_id, name: value})
        assert refusal(answer) == (400, "badRequest", f"The {name} property is not mutable")
    answer = await _ask(yard, "PUT", server, f"/{MISSING}", {"volumeId": MISSING})
    assert refusal(answer) == (404, "itemNotFound", f"No volume Block Device Mapping with id {MISSING}.")


async def test_volumes_are_swapped_by_cinder_only(yard: Yard) -> None:
    server = yard.server()
    volume_id = await _attached(yard, server)
    message = "Policy doesn't allow os_compute_api:os-volumes-attachments:swap to be performed."
    for version, body in (("2.84", {"volumeId": volume_id}), (LATEST, {"volumeId": MISSING})):
        answer = await _ask(yard, "PUT", server, f"/{volume_id}", body, version=version)
        assert refusal(answer) == (403, "forbidden", message)
        answer = await _ask(yard, "PUT", server, f"/{volume_id}", body, who="admin", version=version)
        said = f"volume {volume_id} is not migrating; this API should only be called by Cinder"
        assert refusal(answer) == (409, "conflictingRequest", said)


async def test_readers_only_look_and_strangers_see_nothing(yard: Yard) -> None:
    server = yard.server()
    volume_id = await _attached(yard, server)
    for method, path, body in (
        ("POST", "", {"volumeId": volume_id}),
        ("PUT", f"/{volume_id}", {"volumeId": volume_id}),
        ("DELETE", f"/{volume_id}", None),
    ):
        assert (await _ask(yard, method, server, path, body, who="reader")).status == 403
        assert (await _ask(yard, method, server, path, body, who="stranger")).status == 404
    assert (await _ask(yard, "GET", server, who="reader")).status == 200
    assert (await _ask(yard, "GET", server, f"/{volume_id}", who="stranger")).status == 404
