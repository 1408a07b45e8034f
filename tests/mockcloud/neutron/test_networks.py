"""Networks over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Neutron, refusal, words


async def test_a_new_network_shows_what_clients_read(member: Neutron, admin: Neutron) -> None:
    made = await member.network(name="blue", description="d")
    assert (made["name"], made["description"], made["status"], made["mtu"]) == ("blue", "d", "ACTIVE", 1450)
    assert made["project_id"] == made["tenant_id"] == member.project_id
    assert (made["admin_state_up"], made["shared"], made["router:external"], made["port_security_enabled"]) == (True, False, False, True)
    assert (made["subnets"], made["tags"], made["availability_zone_hints"], made["revision_number"]) == ([], [], [], 1)
    assert "provider:network_type" not in made
    as_admin = await admin.show("network", made["id"])
    assert (as_admin["provider:network_type"], as_admin["provider:physical_network"]) == ("vxlan", None)
    assert as_admin["provider:segmentation_id"] > 0
    assert await member.show("network", made["id"]) == made


async def test_a_network_is_changed_and_deleted(member: Neutron) -> None:
    made = await member.network(name="blue")
    changed = await member.update("network", made["id"], name="green", admin_state_up="False", mtu=1400)
    assert (changed["name"], changed["admin_state_up"], changed["mtu"], changed["revision_number"]) == ("green", False, 1400, 2)
    assert (await member.request("DELETE", f"/networks/{made['id']}")).status == 204
    again = await member.request("DELETE", f"/networks/{made['id']}")
    assert refusal(again) == (404, "NetworkNotFound")
    assert words(again) == f"Network {made['id']} could not be found."


async def test_several_networks_are_made_at_once_or_none(member: Neutron) -> None:
    answer = await member.request("POST", "/networks", {"networks": [{"name": "one"}, {"name": "two"}]})
    assert [made["name"] for made in answer.json()["networks"]] == ["one", "two"]
    bad = await member.request("POST", "/networks", {"networks": [{"name": "three"}, {"name": "four", "mtu": 9000}]})
    assert refusal(bad) == (400, "InvalidInput")
    assert (await member.get("/networks", name="three"))["networks"] == []


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"name": 1}, 400, "HTTPBadRequest"),
        ({"name": "n" * 256}, 400, "HTTPBadRequest"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
        ({"admin_state_up": "perhaps"}, 400, "HTTPBadRequest"),
        ({"mtu": -1}, 400, "HTTPBadRequest"),
        ({"mtu": 1451}, 400, "InvalidInput"),
        ({"id": NOWHERE}, 400, "HTTPBadRequest"),
        ({"availability_zone_hints": ["mars"]}, 404, "AvailabilityZoneNotFound"),
        ({"project_id": "another"}, 403, "HTTPForbidden"),
        ({"shared": True}, 403, "PolicyNotAuthorized"),
        ({"router:external": True}, 403, "PolicyNotAuthorized"),
        ({"provider:network_type": "vlan"}, 403, "PolicyNotAuthorized"),
    ],
)
async def test_a_network_that_cannot_be_is_refused(member: Neutron, values: dict[str, Any], status: int, kind: str) -> None:
    before = (await member.get("/networks"))["networks"]
    assert refusal(await member.request("POST", "/networks", {"network": values})) == (status, kind)
    assert (await member.get("/networks"))["networks"] == before


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"provider:network_type": "flat"}, 400, "InvalidInput"),
        ({"provider:physical_network": "p"}, 400, "InvalidInput"),
        ({"provider:network_type": "vxlan", "provider:physical_network": "p"}, 400, "InvalidInput"),
        ({"provider:network_type": "vlan", "provider:segmentation_id": 7}, 400, "InvalidInput"),
        ({"provider:network_type": "vlan", "provider:physical_network": "p", "provider:segmentation_id": 4095}, 400, "InvalidInput"),
        ({"provider:network_type": "token-ring"}, 400, "HTTPBadRequest"),
    ],
)
async def test_provider_attributes_have_their_rules(admin: Neutron, values: dict[str, Any], status: int, kind: str) -> None:
    assert refusal(await admin.request("POST", "/networks", {"network": values})) == (status, kind)


async def test_a_segmentation_id_is_had_once(admin: Neutron) -> None:
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "p", "provider:segmentation_id": 7}
    made = await admin.network(**vlan)
    assert (made["provider:segmentation_id"], made["mtu"]) == (7, 1500)
    assert refusal(await admin.request("POST", "/networks", {"network": vlan})) == (409, "VlanIdInUse")
    tunnel = {"provider:network_type": "vxlan", "provider:segmentation_id": 77}
    await admin.network(**tunnel)
    assert refusal(await admin.request("POST", "/networks", {"network": tunnel})) == (409, "TunnelIdInUse")


async def test_a_refusal_by_policy_names_the_whole_expression(member: Neutron) -> None:
    answer = await member.request("POST", "/networks", {"network": {"shared": True, "router:external": True}})
    said = "((rule:create_network and rule:create_network:shared) and rule:create_network:router:external) is disallowed by policy"
    assert words(answer) == said


async def test_what_is_said_as_by_default_needs_no_right(member: Neutron) -> None:
    made = await member.network(shared=False)
    assert made["shared"] is False


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron) -> None:
    made = await member.network(name="mine")
    path = f"/networks/{made['id']}"
    assert (await reader.show("network", made["id"]))["name"] == "mine"
    assert refusal(await reader.request("POST", "/networks", {"network": {}})) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("PUT", path, {"network": {"name": "x"}})) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    for method, body in (("GET", None), ("PUT", {"network": {"name": "x"}}), ("DELETE", None)):
        assert refusal(await stranger.request(method, path, body)) == (404, "NetworkNotFound")
    assert refusal(await member.request("PUT", path, {"network": {"shared": True}})) == (403, "PolicyNotAuthorized")
    assert made["id"] not in [one["id"] for one in (await stranger.get("/networks"))["networks"]]
    assert (await admin.update("network", made["id"], shared=True))["shared"] is True
    assert (await stranger.show("network", made["id"]))["name"] == "mine"
    assert refusal(await stranger.request("DELETE", path)) == (403, "PolicyNotAuthorized")


async def test_an_admin_makes_a_network_for_somebody_else(member: Neutron, admin: Neutron) -> None:
    made = await admin.network(tenant_id=member.project_id)
    assert (await member.show("network", made["id"]))["project_id"] == member.project_id


async def test_a_network_in_use_stays(member: Neutron) -> None:
    network = await member.network()
    subnet = await member.subnet(network["id"])
    port = await member.port(network["id"])
    answer = await member.request("DELETE", f"/networks/{network['id']}")
    assert refusal(answer) == (409, "NetworkInUse")
    assert port["id"] in words(answer)
    await member.request("DELETE", f"/ports/{port['id']}")
    assert (await member.request("DELETE", f"/networks/{network['id']}")).status == 204
    assert refusal(await member.request("GET", f"/subnets/{subnet['id']}")) == (404, "SubnetNotFound")


async def test_a_shared_network_that_others_use_stays_shared(member: Neutron, stranger: Neutron, admin: Neutron) -> None:
    network = await member.network()
    await member.subnet(network["id"])
    await admin.update("network", network["id"], shared=True)
    await stranger.port(network["id"])
    answer = await admin.request("PUT", f"/networks/{network['id']}", {"network": {"shared": False}})
    assert refusal(answer) == (409, "InvalidSharedSetting")


async def test_the_seeds_external_network_is_seen_by_all_but_takes_no_members_port(member: Neutron) -> None:
    (public,) = (await member.get("/networks", **{"router:external": "true"}))["networks"]
    assert (public["name"], public["is_default"]) == ("public", False)
    assert refusal(await member.request("POST", "/ports", {"port": {"network_id": public["id"]}})) == (403, "PolicyNotAuthorized")


async def test_availabilities_count_addresses(member: Neutron, admin: Neutron) -> None:
    network = await member.network(name="counted")
    await member.subnet(network["id"], "10.1.0.0/29")
    await member.port(network["id"])
    found = (await admin.get(f"/network-ip-availabilities/{network['id']}"))["network_ip_availability"]
    assert (found["network_name"], found["total_ips"], found["used_ips"]) == ("counted", 5, 1)
    assert found["subnet_ip_availability"][0]["cidr"] == "10.1.0.0/29"
    listed = (await admin.get("/network-ip-availabilities", network_name="counted", ip_version="6"))["network_ip_availabilities"]
    assert [one["total_ips"] for one in listed] == [0]
    assert refusal(await member.request("GET", "/network-ip-availabilities")) == (403, "PolicyNotAuthorized")
    assert refusal(await admin.request("GET", f"/network-ip-availabilities/{NOWHERE}")) == (404, "NetworkNotFound")
    assert refusal(await admin.request("GET", "/network-ip-availabilities?colour=red")) == (400, "HTTPBadRequest")
