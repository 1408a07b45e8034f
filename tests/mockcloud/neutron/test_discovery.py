"""Versions, extensions, agents, zones."""

from __future__ import annotations

import pytest

from mockcloud.testing.client import client
from tests.mockcloud.neutron.conftest import NOWHERE, Neutron, refusal


async def test_versions_need_no_token(neutron_cloud: object, member: Neutron) -> None:
    answer = await client(member.cloud, "nobody").get("neutron", "/")
    (version,) = answer.json()["versions"]
    assert (version["id"], version["status"], version["links"][0]["rel"]) == ("v2.0", "CURRENT", "self")
    resources = (await member.get("/"))["resources"]
    assert [one["collection"] for one in resources] == ["networks", "subnets", "ports"]
    assert (await member.request("GET", "")).status == 404


async def test_extensions_are_those_served(member: Neutron) -> None:
    found = {one["alias"]: one for one in (await member.get("/extensions"))["extensions"]}
    assert {"binding", "security-group", "quotas", "standard-attr-tag", "port-security", "router"} <= set(found)
    assert not {"trunk", "qos", "binding-extended", "address-scope"} & set(found)
    assert (await member.get("/extensions/binding"))["extension"] == found["binding"]
    assert refusal(await member.request("GET", "/extensions/qos")) == (404, "HTTPNotFound")


async def test_agents_are_the_admins_to_see(member: Neutron, admin: Neutron) -> None:
    agents = (await admin.get("/agents"))["agents"]
    assert [agent["host"] for agent in agents] == [host.name for host in admin.cloud.settings.hosts]
    assert all(agent["alive"] for agent in agents)
    one = agents[0]
    shown = (await admin.get(f"/agents/{one['id']}", fields=["id", "host"]))["agent"]
    assert shown == {"id": one["id"], "host": one["host"]}
    assert len((await admin.get("/agents", host=one["host"], alive="True"))["agents"]) == 1
    assert (await admin.get("/agents", alive="False"))["agents"] == []
    assert refusal(await admin.request("GET", f"/agents/{NOWHERE}")) == (404, "AgentNotFound")
    assert refusal(await admin.request("GET", "/agents?colour=red")) == (400, "HTTPBadRequest")
    for path in ("/agents", f"/agents/{one['id']}"):
        assert refusal(await member.request("GET", path)) == (403, "PolicyNotAuthorized")


async def test_zones_are_those_of_networks_and_routers(reader: Neutron) -> None:
    zones = (await reader.get("/availability_zones", resource="network"))["availability_zones"]
    assert zones == [{"name": "nova", "resource": "network", "state": "available"}]


@pytest.mark.parametrize("method", ["PATCH", "HEAD"])
async def test_a_method_that_is_none_is_refused(member: Neutron, method: str) -> None:
    assert (await member.request(method, "/networks")).status == 405


async def test_a_path_that_is_none_is_not_found(member: Neutron) -> None:
    assert refusal(await member.request("GET", "/nothing")) == (404, "HTTPNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/qos/policies"), ("POST", "/subnetpools"), ("GET", f"/ports/{NOWHERE}/bindings"), ("DELETE", f"/agents/{NOWHERE}")],
)
async def test_what_is_knowingly_not_served_says_so(admin: Neutron, method: str, path: str) -> None:
    answer = await admin.request(method, path, {} if method == "POST" else None)
    assert answer.status == 501
    assert answer.json()["NeutronError"]["message"].endswith(".")
