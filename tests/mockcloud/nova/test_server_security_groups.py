"""Security groups of servers: of their ports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.nova.conftest import LATEST, Yard, refusal


async def _port(yard: Yard, server: str) -> dict[str, Any]:
    member = yard.user("member")
    networks = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"]
    body = {"network_id": networks[0]["id"], "device_id": server}
    made: dict[str, Any] = (await member.post("neutron", "/v2.0/ports", json={"port": body})).json()["port"]
    return made


async def _groups(yard: Yard, port: dict[str, Any]) -> list[str]:
    found: list[str] = (await yard.user("member").get("neutron", f"/v2.0/ports/{port['id']}")).json()["port"]["security_groups"]
    return found


async def _group(yard: Yard, name: str) -> str:
    made = await yard.user("member").post("neutron", "/v2.0/security-groups", json={"security_group": {"name": name}})
    return str(made.json()["security_group"]["id"])


async def test_a_group_is_added_to_every_port_and_taken_off_again(yard: Yard) -> None:
    server = yard.server()
    ports = [await _port(yard, server), await _port(yard, server)]
    group = await _group(yard, "web")
    assert (await yard.act(server, "addSecurityGroup", {"name": "web"})).status == 202
    assert [group in await _groups(yard, port) for port in ports] == [True, True]
    listed = (await yard.user("member").get("nova", f"/v2.1/servers/{server}/os-security-groups", version=LATEST)).json()
    assert [found["name"] for found in listed["security_groups"]] == ["default", "default", "web", "web"]
    assert listed["security_groups"][0]["rules"]
    assert (await yard.act(server, "removeSecurityGroup", {"name": group})).status == 202
    assert [group in await _groups(yard, port) for port in ports] == [False, False]
    message = f"Security group web not associated with the instance {server}"
    assert refusal(await yard.act(server, "removeSecurityGroup", {"name": "web"})) == (404, "itemNotFound", message)


@pytest.mark.parametrize("action", ["addSecurityGroup", "removeSecurityGroup"])
async def test_what_is_not_there_is_not_found(yard: Yard, action: str) -> None:
    server = yard.server()
    project = yard.user("member").project_id
    message = f"Security group none is not found for project {project}"
    assert refusal(await yard.act(server, action, {"name": "none"})) == (404, "itemNotFound", message)
    await _group(yard, "web")
    message = f"instance_id {server} could not be found as device id on any ports"
    assert refusal(await yard.act(server, action, {"name": "web"})) == (404, "itemNotFound", message)


@pytest.mark.parametrize("action", ["addSecurityGroup", "removeSecurityGroup"])
async def test_ambiguous_names_bad_bodies_readers_and_strangers_are_refused(yard: Yard, action: str) -> None:
    server = yard.server()
    await _group(yard, "twice")
    await _group(yard, "twice")
    assert refusal(await yard.act(server, action, {"name": "twice"}))[0] == 409
    assert refusal(await yard.act(server, action, {"name": " "}))[::2] == (400, "Security group name cannot be empty")
    message = f"Invalid input for field/attribute {action}. Value: {{}}. 'name' is a required property"
    assert refusal(await yard.act(server, action, {}))[::2] == (400, message)
    assert (await yard.act(server, action, {"name": "default"}, who="reader")).status == 403
    assert (await yard.act(server, action, {"name": "default"}, who="stranger")).status == 404
