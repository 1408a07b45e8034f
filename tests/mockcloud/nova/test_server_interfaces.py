"""Ports of servers."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from mockcloud.clients import Response
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

MISSING = "11111111-1111-4111-8111-111111111111"


async def _port(yard: Yard, server: str = "") -> dict[str, Any]:
    member = yard.user("member")
    networks = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"]
    body = {"network_id": networks[0]["id"], "device_id": server}
    made: dict[str, Any] = (await member.post("neutron", "/v2.0/ports", json={"port": body})).json()["port"]
    return made


async def _ask(
    yard: Yard, method: str, server: str, path: str = "", body: Any = None, who: str = "member", version: str = LATEST
) -> Response:
    json = None if body is None else {"interfaceAttachment": body}
    return await yard.user(who).request("nova", method, f"/v2.1/servers/{server}/os-interface{path}", json=json, version=version)


async def test_ports_are_listed_and_shown_with_their_tags(yard: Yard) -> None:
    server = yard.server()
    port = await _port(yard, server)
    yard.change(server, network_info=[{"id": port["id"], "tag": "front"}])
    one = (await _ask(yard, "GET", server, f"/{port['id']}")).json()["interfaceAttachment"]
    assert (one["port_id"], one["net_id"], one["mac_addr"], one["tag"]) == (port["id"], port["network_id"], port["mac_address"], "front")
    assert one["fixed_ips"] == port["fixed_ips"]
    assert (await _ask(yard, "GET", server)).json() == {"interfaceAttachments": [one]}
    assert "tag" not in (await _ask(yard, "GET", server, version="2.69")).json()["interfaceAttachments"][0]


async def test_a_port_of_another_server_is_not_found(yard: Yard) -> None:
    server, port = yard.server(), await _port(yard)
    message = f"Instance {server} does not have a port with id {port['id']}"
    assert refusal(await _ask(yard, "GET", server, f"/{port['id']}")) == (404, "itemNotFound", message)
    assert refusal(await _ask(yard, "GET", server, f"/{MISSING}"))[::2] == (404, f"Port id {MISSING} could not be found.")


async def test_a_port_is_attached_by_the_compute(yard: Yard) -> None:
    server = yard.server()
    port = await _port(yard, server)
    yard.compute.answers["attach_interface"] = {"id": port["id"]}
    asked = {"net_id": port["network_id"], "fixed_ips": [{"ip_address": "10.0.0.99"}], "tag": "back"}
    answer = await _ask(yard, "POST", server, body=asked)
    assert (answer.status, answer.json()["interfaceAttachment"]["port_id"]) == (200, port["id"])
    ((method, args),) = await yard.heard()
    args.pop("instance")
    wanted = {"network_id": port["network_id"], "port_id": None, "requested_ip": "10.0.0.99", "tag": "back"}
    assert (method, args) == ("attach_interface", wanted)
    assert yard.actions(server) == ["attach_interface"]


async def test_a_network_or_port_that_is_not_there_or_not_free_is_refused(yard: Yard) -> None:
    server, taken = yard.server(), await _port(yard, MISSING)
    for body, status, message in (
        ({"net_id": MISSING}, 404, f"Network {MISSING} could not be found."),
        ({"port_id": MISSING}, 404, f"Port id {MISSING} could not be found."),
        ({"port_id": taken["id"]}, 409, f"Port {taken['id']} is still in use."),
    ):
        assert refusal(await _ask(yard, "POST", server, body=body))[::2] == (status, message)
    assert (yard.actions(server), await yard.heard()) == ([], [])


async def test_without_a_body_the_compute_chooses_the_network(yard: Yard) -> None:
    server = yard.server()
    port = await _port(yard, server)
    yard.compute.answers["attach_interface"] = {"id": port["id"]}
    assert (await _ask(yard, "POST", server)).status == 200
    assert (await yard.heard())[0][1]["network_id"] is None


@pytest.mark.parametrize(
    ("error", "status"),
    [("PortInUse", 409), ("NetworkAmbiguous", 400), ("PortNotFound", 404), ("PortLimitExceeded", 403), ("InterfaceAttachFailed", 500)],
)
async def test_what_the_compute_refuses_is_answered(yard: Yard, error: str, status: int) -> None:
    yard.compute.answers["attach_interface"] = RemoteError(error, "no")
    assert refusal(await _ask(yard, "POST", yard.server(), body={}))[::2] == (status, "no")


BAD = [
    ({"net_id": MISSING, "port_id": MISSING}, "Must not input both network_id and port_id"),
    ({"fixed_ips": [{"ip_address": "10.0.0.9"}]}, "Must input network_id when request IP address"),
    ({"net_id": "x"}, "Invalid input for field/attribute net_id. Value: x. 'x' is not a 'uuid'"),
    ({"net_id": MISSING, "fixed_ips": []}, "Invalid input for field/attribute fixed_ips. Value: []. [] should be non-empty"),
    ({"speed": 1}, "Invalid input for field/attribute interfaceAttachment. Value: {'speed': 1}. "
     "Additional properties are not allowed ('speed' was unexpected)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BAD)
async def test_bad_bodies_are_refused(yard: Yard, body: Any, message: str) -> None:
    server = yard.server()
    assert refusal(await _ask(yard, "POST", server, body=body)) == (400, "badRequest", message)
    assert (yard.actions(server), await yard.heard()) == ([], [])


async def test_a_detached_port_is_the_computes_to_unplug(yard: Yard) -> None:
    server = yard.server()
    assert (await _ask(yard, "DELETE", server, f"/{MISSING}")).status == 202
    ((method, args),) = await yard.heard()
    assert (method, args["port_id"], yard.actions(server)) == ("detach_interface", MISSING, ["detach_interface"])


@pytest.mark.parametrize(("method", "path", "action"), [("POST", "", "attach_interface"), ("DELETE", f"/{MISSING}", "detach_interface")])
async def test_a_suspended_server_keeps_its_ports_and_only_members_change_them(yard: Yard, method: str, path: str, action: str) -> None:
    server = yard.server(vm_state="suspended")
    message = f"Cannot '{action}' instance {server} while it is in vm_state suspended"
    assert refusal(await _ask(yard, method, server, path)) == (409, "conflictingRequest", message)
    assert (await _ask(yard, method, server, path, who="reader")).status == 403
    assert (await _ask(yard, method, server, path, who="stranger")).status == 404
    assert (await _ask(yard, "GET", server, who="stranger")).status == 404
