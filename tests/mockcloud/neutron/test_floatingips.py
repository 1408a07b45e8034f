"""Floating IPs over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Json, Neutron, refusal, words
from tests.mockcloud.neutron.test_agent import SERVER, Nova, quiet


@pytest.fixture
async def public(member: Neutron) -> Json:
    found: list[Json] = (await member.get("/networks", name="public"))["networks"]
    return found[0]


@pytest.fixture
async def inner(member: Neutron, public: Json) -> Json:
    """A subnet that a router connects with the public network."""
    subnet = await member.subnet((await member.network())["id"])
    router = await member.create("routers", external_gateway_info={"network_id": public["id"]})
    assert (await member.request("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})).status == 200
    return subnet | {"router_id": router["id"]}


async def floating(user: Neutron, public: Json, **values: Any) -> Json:
    return await user.create("floatingips", floating_network_id=public["id"], **values)


async def test_a_new_floating_ip_has_an_address_of_the_external_network(member: Neutron, admin: Neutron, public: Json) -> None:
    made = await floating(member, public, description="d")
    assert made["floating_ip_address"].startswith("172.24.4.")
    assert (made["status"], made["port_id"], made["fixed_ip_address"], made["router_id"]) == ("DOWN", None, None, None)
    assert (made["description"], made["project_id"]) == ("d", member.project_id)
    assert (await member.get("/floatingips", floating_ip_address=made["floating_ip_address"]))["floatingips"] == [made]
    (port,) = (await admin.get("/ports", device_id=made["id"]))["ports"]
    assert (port["device_owner"], port["status"]) == ("network:floatingip", "N/A")
    assert (await member.request("DELETE", f"/floatingips/{made['id']}")).status == 204
    assert refusal(await member.request("DELETE", f"/floatingips/{made['id']}")) == (404, "FloatingIPNotFound")
    assert (await admin.get("/ports", device_id=made["id"]))["ports"] == []


async def test_it_is_associated_moved_and_freed(member: Neutron, public: Json, inner: Json) -> None:
    one, other = [await member.port(inner["network_id"]) for _ in range(2)]
    made = await floating(member, public, port_id=one["id"])
    assert (made["status"], made["port_id"], made["router_id"]) == ("ACTIVE", one["id"], inner["router_id"])
    assert made["fixed_ip_address"] == one["fixed_ips"][0]["ip_address"]
    assert (await member.update("floatingip", made["id"], description="x"))["port_id"] == one["id"]
    moved = await member.update("floatingip", made["id"], port_id=other["id"])
    assert moved["fixed_ip_address"] == other["fixed_ips"][0]["ip_address"]
    found = await member.get("/floatingips", port_id=other["id"], fixed_ip_address=moved["fixed_ip_address"])
    assert [one["id"] for one in found["floatingips"]] == [made["id"]]
    freed = await member.update("floatingip", made["id"], port_id=None)
    assert (freed["status"], freed["port_id"], freed["fixed_ip_address"], freed["router_id"]) == ("DOWN", None, None, None)


async def test_a_deleted_port_frees_its_floating_ip(member: Neutron, public: Json, inner: Json) -> None:
    port = await member.port(inner["network_id"])
    made = await floating(member, public, port_id=port["id"])
    assert (await member.request("DELETE", f"/ports/{port['id']}")).status == 204
    assert (await member.show("floatingip", made["id"]))["port_id"] is None


async def test_what_a_floating_ip_needs_stays(member: Neutron, public: Json, inner: Json) -> None:
    port = await member.port(inner["network_id"])
    made = await floating(member, public, port_id=port["id"])
    path = f"/routers/{inner['router_id']}"
    answer = await member.request("PUT", path, {"router": {"external_gateway_info": None}})
    assert refusal(answer) == (409, "RouterExternalGatewayInUseByFloatingIp")
    answer = await member.request("PUT", f"{path}/remove_router_interface", {"subnet_id": inner["id"]})
    assert refusal(answer) == (409, "RouterInterfaceInUseByFloatingIP")
    change = {"port": {"fixed_ips": [{"ip_address": "10.1.0.200"}]}}
    assert refusal(await member.request("PUT", f"/ports/{port['id']}", change)) == (400, "BadRequest")
    second = await member.request("POST", "/floatingips", {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}})
    assert refusal(second) == (409, "FloatingIPPortAlreadyAssociated")
    assert len((await member.get("/floatingips"))["floatingips"]) == 1
    assert (await member.show("floatingip", made["id"])) == made


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"floating_network_id": None}, 400, "HTTPBadRequest"),
        ({"floating_network_id": NOWHERE}, 404, "NetworkNotFound"),
        ({"port_id": NOWHERE}, 404, "PortNotFound"),
        ({"port_id": "p"}, 400, "HTTPBadRequest"),
        ({"fixed_ip_address": "10.1.0.2"}, 400, "BadRequest"),
        ({"subnet_id": NOWHERE}, 404, "SubnetNotFound"),
        ({"floating_ip_address": "172.24.4.9"}, 403, "PolicyNotAuthorized"),
        ({"floating_ip_address": "x"}, 400, "HTTPBadRequest"),
        ({"status": "ACTIVE"}, 400, "HTTPBadRequest"),
        ({"tenant_id": "another"}, 403, "HTTPForbidden"),
    ],
)
async def test_a_floating_ip_that_cannot_be_is_refused(
    member: Neutron, admin: Neutron, public: Json, values: dict[str, Any], status: int, kind: str
) -> None:
    body = {"floatingip": {"floating_network_id": public["id"]} | values}
    assert refusal(await member.request("POST", "/floatingips", body)) == (status, kind)
    assert (await admin.get("/floatingips"))["floatingips"] == []
    assert (await admin.get("/ports", network_id=public["id"]))["ports"] == []


async def test_an_address_is_named_by_the_admin_and_given_once(admin: Neutron, public: Json) -> None:
    made = await floating(admin, public, floating_ip_address="172.24.4.99")
    assert made["floating_ip_address"] == "172.24.4.99"
    body = {"floatingip": {"floating_network_id": public["id"], "floating_ip_address": "172.24.4.99"}}
    assert refusal(await admin.request("POST", "/floatingips", body)) == (409, "IpAddressAlreadyAllocated")


async def test_an_inner_network_has_no_floating_ips(member: Neutron, inner: Json) -> None:
    body = {"floatingip": {"floating_network_id": inner["network_id"]}}
    answer = await member.request("POST", "/floatingips", body)
    assert words(answer) == f"Bad floatingip request: Network {inner['network_id']} is not a valid external network."


async def test_a_port_must_be_reachable_and_have_the_address(member: Neutron, public: Json, inner: Json) -> None:
    made = await floating(member, public)
    path = f"/floatingips/{made['id']}"
    lonely = await member.network()
    bare = await member.port(lonely["id"])
    answer = await member.request("PUT", path, {"floatingip": {"port_id": bare["id"]}})
    assert words(answer) == f"Bad floatingip request: Cannot add floating IP to port {bare['id']} that has no fixed IPv4 addresses."
    await member.subnet(lonely["id"], "10.7.0.0/24")
    far = await member.port(lonely["id"])
    answer = await member.request("PUT", path, {"floatingip": {"port_id": far["id"]}})
    assert refusal(answer) == (404, "ExternalGatewayForFloatingIPNotFound")
    two = await member.port(inner["network_id"], fixed_ips=[{"ip_address": "10.1.0.20"}, {"ip_address": "10.1.0.21"}])
    for wish, status in (
        ({}, 400),
        ({"fixed_ip_address": "10.1.0.99"}, 400),
        ({"fixed_ip_address": "fd00::1"}, 400),
        ({"fixed_ip_address": "10.1.0.21"}, 200),
    ):
        answer = await member.request("PUT", path, {"floatingip": {"port_id": two["id"], **wish}})
        assert answer.status == status, wish
    assert (await member.show("floatingip", made["id"]))["fixed_ip_address"] == "10.1.0.21"


async def test_nova_learns_of_a_servers_floating_ip(neutron_cloud: Any, member: Neutron, public: Json, inner: Json) -> None:
    told = Nova(neutron_cloud)
    port = await member.port(inner["network_id"], device_id=SERVER, device_owner="compute:nova")
    made = await floating(member, public, port_id=port["id"])
    await quiet(member)
    assert [(event["name"], event["tag"]) for batch in told.batches for event in batch] == [("network-changed", port["id"])]
    await member.request("DELETE", f"/floatingips/{made['id']}")
    await quiet(member)
    assert told.events == ["network-changed"] * 2


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron, public: Json) -> None:
    made = await floating(member, public)
    path, body = f"/floatingips/{made['id']}", {"floatingip": {"floating_network_id": public["id"]}}
    assert (await reader.show("floatingip", made["id"]))["id"] == made["id"]
    assert refusal(await reader.request("POST", "/floatingips", body)) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    for method in ("GET", "PUT", "DELETE"):
        assert refusal(await stranger.request(method, path, {"floatingip": {"port_id": None}})) == (404, "FloatingIPNotFound")
    assert (await stranger.get("/floatingips"))["floatingips"] == []
    assert (await admin.request("DELETE", path)).status == 204
