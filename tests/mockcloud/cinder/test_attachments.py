"""The attachments API: how nova gives volumes to servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.http.service import Service
from tests.mockcloud.cinder.conftest import Cinder, refusal

SERVER = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
NOWHERE = "00000000-0000-4000-8000-000000000000"
CONNECTOR = {"host": "compute1", "initiator": "iqn.1994-05.com.redhat:1", "ip": "10.0.0.1", "mountpoint": "/dev/vdb"}


async def _in_use(member: Cinder) -> tuple[str, str]:
    """A volume that a server has: (volume, attachment)."""
    volume = await member.volume()
    answer = await member.attach(volume["id"], SERVER)
    attachment_id = answer.json()["attachment"]["id"]
    body = {"attachment": {"connector": CONNECTOR}}
    assert (await member.request("PUT", f"/attachments/{attachment_id}", body)).status == 200
    assert (await member.request("POST", f"/attachments/{attachment_id}/action", {"os-complete": None})).status == 204
    return volume["id"], attachment_id


async def test_a_volume_goes_from_available_over_reserved_and_attaching_to_in_use_and_back(member: Cinder) -> None:
    volume = await member.volume()
    answer = await member.attach(volume["id"], SERVER)
    reserved = answer.json()["attachment"]
    assert (answer.status, reserved["status"], reserved["instance"], reserved["connection_info"]) == (200, "reserved", SERVER, {})
    assert (await _states(member, volume["id"])) == ("reserved", [])
    path = f"/attachments/{reserved['id']}"
    attaching = (await member.request("PUT", path, {"attachment": {"connector": CONNECTOR}})).json()["attachment"]
    info = attaching["connection_info"]
    assert (attaching["status"], info["driver_volume_type"], info["volume_id"]) == ("attaching", "iscsi", volume["id"])
    assert (info["attachment_id"], info["access_mode"]) == (reserved["id"], "rw")
    assert (await _states(member, volume["id"])) == ("attaching", [])
    assert (await member.request("POST", f"{path}/action", {"os-complete": None})).status == 204
    assert (await _states(member, volume["id"])) == ("in-use", [(SERVER, "/dev/vdb", reserved["id"])])
    assert (await member.request("DELETE", path)).json() == {"attachments": []}
    assert (await _states(member, volume["id"])) == ("available", [])


async def _states(member: Cinder, volume_id: str) -> tuple[str, list[tuple[str, str, str]]]:
    found = (await member.get(f"/volumes/{volume_id}"))["volume"]
    return found["status"], [(a["server_id"], a["device"], a["attachment_id"]) for a in found["attachments"]]


async def test_only_administrators_see_the_host_of_an_attachment(member: Cinder, admin: Cinder) -> None:
    volume_id, _ = await _in_use(member)
    assert (await member.get(f"/volumes/{volume_id}"))["volume"]["attachments"][0]["host_name"] is None
    assert (await admin.get(f"/volumes/{volume_id}"))["volume"]["attachments"][0]["host_name"] == "compute1"


async def test_of_ten_concurrent_reservations_exactly_one_wins(member: Cinder) -> None:
    volume = await member.volume()
    await member.rest.login()
    answers = await asyncio.gather(*(member.attach(volume["id"], f"{n:08}-1111-4111-8111-111111111111") for n in range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 9
    loser = next(answer for answer in answers if answer.status == 400)
    assert refusal(loser)[2] == (
        f"Invalid volume: Volume {volume['id']} status must be available or downloading to reserve, but the current status is reserved."
    )
    assert len((await member.get("/attachments"))["attachments"]) == 1


async def test_a_server_may_reserve_its_own_volume_again(member: Cinder) -> None:
    volume_id, attachment_id = await _in_use(member)
    second = await member.attach(volume_id, SERVER)
    assert second.status == 200
    answer = await member.request("PUT", f"/attachments/{second.json()['attachment']['id']}", {"attachment": {"connector": CONNECTOR}})
    assert refusal(answer) == (
        409, "conflictingRequest", f"Resource conflict: duplicate connectors detected on volume {volume_id}",
    )  # fmt: skip
    assert (await member.attach(volume_id, OTHER)).status == 400
    assert (await member.request("DELETE", f"/attachments/{second.json()['attachment']['id']}")).status == 200
    assert (await _states(member, volume_id)) == ("in-use", [(SERVER, "/dev/vdb", attachment_id)])


async def test_a_multiattach_volume_serves_several_servers(member: Cinder, admin: Cinder) -> None:
    body = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
    await admin.request("POST", "/types", body)
    volume = await member.volume(volume_type="shared")
    assert volume["multiattach"] is True
    for server in (SERVER, OTHER):
        answer = await member.attach(volume["id"], server, CONNECTOR)
        path = f"/attachments/{answer.json()['attachment']['id']}"
        assert answer.json()["attachment"]["status"] == "attaching"
        await member.request("POST", f"{path}/action", {"os-complete": None})
    status, attached = await _states(member, volume["id"])
    assert (status, {server for server, _, _ in attached}) == ("in-use", {SERVER, OTHER})


@pytest.mark.parametrize(("mode", "access"), [("ro", "ro"), ("rw", "rw")])
async def test_the_mode_of_an_attachment_holds_against_the_connectors(member: Cinder, mode: str, access: str) -> None:
    volume = await member.volume()
    asked = {"volume_uuid": volume["id"], "instance_uuid": SERVER, "mode": mode, "connector": {**CONNECTOR, "mode": "rw"}}
    made = (await member.request("POST", "/attachments", {"attachment": asked})).json()["attachment"]
    assert (made["attach_mode"], made["connection_info"]["access_mode"]) == (access, access)
    assert (await member.request("POST", "/attachments", {"attachment": asked}, version="3.53")).status == 400


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ({"volume_uuid": NOWHERE, "instance_uuid": SERVER}, 404, f"Volume {NOWHERE} could not be found."),
        ({"instance_uuid": SERVER}, 400, ""),
        ({"volume_uuid": "x", "instance_uuid": SERVER}, 400, ""),
        ({"volume_uuid": NOWHERE, "colour": "red"}, 400, ""),
    ],
)
async def test_a_bad_attachment_is_refused(member: Cinder, asked: dict[str, Any], status: int, message: str) -> None:
    answer = await member.request("POST", "/attachments", {"attachment": asked})
    assert answer.status == status
    assert message in refusal(answer)[2]


async def test_a_connector_without_an_initiator_is_refused_and_leaves_the_reservation(member: Cinder) -> None:
    volume = await member.volume()
    made = (await member.attach(volume["id"], SERVER)).json()["attachment"]
    answer = await member.request("PUT", f"/attachments/{made['id']}", {"attachment": {"connector": {"host": "compute1"}}})
    assert refusal(answer)[::2] == (400, "Invalid input received: Connector doesn't have required information: initiator")
    assert (await _states(member, volume["id"])) == ("reserved", [])


async def test_a_volume_in_error_cannot_be_attached(member: Cinder, admin: Cinder) -> None:
    volume = await member.volume()
    await admin.act(volume["id"], "os-reset_status", {"status": "error"})
    status, _, message = refusal(await member.attach(volume["id"], SERVER))
    assert status == 400
    assert message.startswith("Invalid volume: Volume attachments can not be created if the volume is in an error state. ")


async def test_nobody_but_nova_disconnects_a_volume_from_its_server(
    member: Cinder, user: Callable[[str], Cinder], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume_id, attachment_id = await _in_use(member)
    _nova_says(member.cloud.services["cinder"], monkeypatch, attachment_id)
    answer = await member.request("DELETE", f"/attachments/{attachment_id}")
    assert refusal(answer) == (409, "conflictingRequest", f"Detach volume from instance {SERVER} using the Compute API")
    assert (await member.act(volume_id, "os-detach", {})).status == 409
    assert (await member.act(volume_id, "os-terminate_connection", {"connector": CONNECTOR})).status == 409
    assert (await _states(member, volume_id))[0] == "in-use"
    beside = {"X-Service-Token": await user("nova").rest.login()}
    answer = await member.request("DELETE", f"/attachments/{attachment_id}", headers=beside)
    assert answer.status == 200
    assert (await _states(member, volume_id))[0] == "available"


def _nova_says(cinder: Service, monkeypatch: pytest.MonkeyPatch, attachment_id: str) -> None:
    """A nova that has exactly this attachment."""
    send = cinder.login.transport.send

    async def answer(method: str, url: str, *rest: Any) -> Response:
        if f"/servers/{SERVER}/os-volume_attachments/" in url:
            return Response(200, {}, b'{"volumeAttachment": {"attachment_id": "%s"}}' % attachment_id.encode())
        return await send(method, url, *rest)

    monkeypatch.setattr(cinder.login.transport, "send", answer)


async def test_attachments_are_listed_by_volume_server_and_status(member: Cinder, user: Callable[[str], Cinder]) -> None:
    volume_id, attachment_id = await _in_use(member)
    reserved = (await member.attach((await member.volume())["id"], OTHER)).json()["attachment"]["id"]
    expected = {
        "": {attachment_id, reserved},
        f"?volume_id={volume_id}": {attachment_id},
        f"?instance_id={OTHER}": {reserved},
        "?status=attached": {attachment_id},
        "?attach_status=reserved": {reserved},
    }
    for query, ids in expected.items():
        assert {a["id"] for a in (await member.get(f"/attachments{query}"))["attachments"]} == ids, query
    (shown,) = (await member.get(f"/attachments/detail?volume_id={volume_id}"))["attachments"]
    assert shown["connection_info"]["volume_id"] == volume_id
    stranger = user("stranger")
    assert (await stranger.get("/attachments"))["attachments"] == []
    answer = await stranger.request("GET", f"/attachments/{attachment_id}")
    message = f"Volume attachment could not be found with filter: attachment_id = {attachment_id}."
    assert refusal(answer) == (404, "itemNotFound", message)


@pytest.mark.parametrize(("method", "path", "version"), [("GET", "/attachments", "3.26"), ("GET", "/attachments/detail", "3.26")])
async def test_attachments_begin_with_3_27(member: Cinder, method: str, path: str, version: str) -> None:
    assert (await member.request(method, path, version=version)).status == 404


async def test_completing_begins_with_3_44(member: Cinder) -> None:
    made = (await member.attach((await member.volume())["id"], SERVER)).json()["attachment"]
    path = f"/attachments/{made['id']}/action"
    assert (await member.request("POST", path, {"os-complete": None}, version="3.43")).status == 404
    assert (await member.request("POST", path, {"os-complete": {}}, version="3.44")).status == 204
