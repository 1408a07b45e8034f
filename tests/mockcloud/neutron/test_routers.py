"""Routers and their interfaces over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Json, Neutron, refusal, words


@pytest.fixture
async def public(member: Neutron) -> Json:
    found: list[Json] = (await member.get("/networks", name="public"))["networks"]
    return found[0]


@pytest.fixture
async def subnet(member: Neutron) -> Json:
    return await member.subnet((await member.network())["id"])


@pytest.fixture
async def router(member: Neutron) -> Json:
    return await member.create("routers", name="r")


async def add(user: Neutron, router: Json, **body: Any) -> Json:
    answer = await user.request("PUT", f"/routers/{router['id']}/add_router_interface", body)
    assert answer.status == 200, answer.content
    found: Json = answer.json()
    return found


async def test_a_new_router_shows_what_clients_read(member: Neutron, router: Json) -> None:
    shown = ("name", "status", "admin_state_up", "external_gateway_info", "routes", "tags", "availability_zones")
    assert [router[name] for name in shown] == ["r", "ACTIVE", True, None, [], [], ["nova"]]
    assert router["project_id"] == member.project_id
    changed = await member.update("router", router["id"], name="n", admin_state_up=False)
    assert (changed["name"], changed["admin_state_up"]) == ("n", False)
    assert (await member.request("DELETE", f"/routers/{router['id']}")).status == 204
    assert refusal(await member.request("DELETE", f"/routers/{router['id']}")) == (404, "RouterNotFound")


async def test_a_gateway_is_opened_and_closed(member: Neutron, admin: Neutron, public: Json) -> None:
    made = await member.create("routers", external_gateway_info={"network_id": public["id"]})
    info = made["external_gateway_info"]
    assert (info["network_id"], info["enable_snat"]) == (public["id"], True)
    assert info["external_fixed_ips"][0]["ip_address"].startswith("172.24.4.")
    (port,) = (await admin.get("/ports", device_id=made["id"]))["ports"]
    assert (port["device_owner"], port["status"], port["project_id"]) == ("network:router_gateway", "ACTIVE", "")
    assert (await member.get("/ports", device_id=made["id"]))["ports"] == []
    closed = await member.update("router", made["id"], external_gateway_info={})
    assert closed["external_gateway_info"] is None
    opened = await admin.update(
        "router",
        made["id"],
        external_gateway_info={"network_id": public["id"], "enable_snat": False, "external_fixed_ips": [{"ip_address": "172.24.4.77"}]},
    )
    assert opened["external_gateway_info"]["external_fixed_ips"][0]["ip_address"] == "172.24.4.77"
    assert opened["external_gateway_info"]["enable_snat"] is False
    moved = await admin.update(
        "router", made["id"], external_gateway_info={"network_id": public["id"], "external_fixed_ips": [{"ip_address": "172.24.4.78"}]}
    )
    assert [ip["ip_address"] for ip in moved["external_gateway_info"]["external_fixed_ips"]] == ["172.24.4.78"]
    assert (await member.request("DELETE", f"/routers/{made['id']}")).status == 204
    assert (await admin.get("/ports", device_id=made["id"]))["ports"] == []


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"name": 1}, 400, "HTTPBadRequest"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
        ({"admin_state_up": "perhaps"}, 400, "HTTPBadRequest"),
        ({"external_gateway_info": {"enable_snat": True}}, 400, "HTTPBadRequest"),
        ({"external_gateway_info": {"network_id": "n"}}, 400, "HTTPBadRequest"),
        ({"external_gateway_info": {"network_id": NOWHERE}}, 404, "NetworkNotFound"),
        ({"external_gateway_info": {"network_id": NOWHERE, "enable_snat": False}}, 403, "PolicyNotAuthorized"),
        ({"external_gateway_info": {"network_id": NOWHERE, "external_fixed_ips": []}}, 403, "PolicyNotAuthorized"),
        ({"availability_zone_hints": ["mars"]}, 404, "AvailabilityZoneNotFound"),
        ({"tenant_id": "another"}, 403, "HTTPForbidden"),
    ],
)
async def test_a_router_that_cannot_be_is_refused(member: Neutron, values: dict[str, Any], status: int, kind: str) -> None:
    assert refusal(await member.request("POST", "/routers", {"router": values})) == (status, kind)
    assert (await member.get("/routers"))["routers"] == []


async def test_only_an_external_network_has_gateways(member: Neutron, admin: Neutron, public: Json, subnet: Json, router: Json) -> None:
    inner = {"router": {"external_gateway_info": {"network_id": subnet["network_id"]}}}
    assert refusal(await member.request("PUT", f"/routers/{router['id']}", inner)) == (400, "BadRequest")
    gateway = {"network_id": public["id"], "external_fixed_ips": [{"ip_address": "172.24.4.1"}]}
    answer = await admin.request("PUT", f"/routers/{router['id']}", {"router": {"external_gateway_info": gateway}})
    assert words(answer) == "Bad router request: External IP 172.24.4.1 is the same as the gateway IP."


async def test_an_interface_has_the_gateways_address(member: Neutron, subnet: Json, router: Json) -> None:
    made = await add(member, router, subnet_id=subnet["id"])
    assert (made["id"], made["subnet_id"], made["subnet_ids"]) == (router["id"], subnet["id"], [subnet["id"]])
    assert (made["network_id"], made["project_id"]) == (subnet["network_id"], member.project_id)
    port = await member.show("port", made["port_id"])
    assert (port["device_owner"], port["device_id"], port["status"]) == ("network:router_interface", router["id"], "ACTIVE")
    assert (port["fixed_ips"][0]["ip_address"], port["security_groups"]) == ("10.1.0.1", [])
    answer = await member.request("DELETE", f"/routers/{router['id']}")
    assert refusal(answer) == (409, "RouterInUse")
    assert port["id"] in words(answer)
    assert refusal(await member.request("DELETE", f"/ports/{port['id']}")) == (409, "ServicePortInUse")
    assert refusal(await member.request("DELETE", f"/networks/{subnet['network_id']}")) == (409, "NetworkInUse")
    change = {"subnet": {"gateway_ip": "10.1.0.9", "allocation_pools": []}}
    assert refusal(await member.request("PUT", f"/subnets/{subnet['id']}", change)) == (409, "GatewayIpInUse")
    path = f"/routers/{router['id']}/remove_router_interface"
    assert (await member.request("PUT", path, {"subnet_id": subnet["id"]})).json() == made
    assert refusal(await member.request("PUT", path, {"subnet_id": subnet["id"]})) == (404, "RouterInterfaceNotFoundForSubnet")
    assert refusal(await member.request("GET", f"/ports/{port['id']}")) == (404, "PortNotFound")
    assert (await member.request("DELETE", f"/routers/{router['id']}")).status == 204


async def test_a_port_becomes_an_interface(member: Neutron, subnet: Json, router: Json) -> None:
    port = await member.port(subnet["network_id"])
    made = await add(member, router, port_id=port["id"])
    assert made["port_id"] == port["id"]
    path = f"/routers/{router['id']}"
    other = await member.create("routers")
    taken = await member.request("PUT", f"/routers/{other['id']}/add_router_interface", {"port_id": port["id"]})
    assert refusal(taken) == (409, "PortInUse")
    wrong = {"port_id": port["id"], "subnet_id": (await member.subnet(subnet["network_id"], "10.8.0.0/24"))["id"]}
    assert refusal(await member.request("PUT", f"{path}/remove_router_interface", wrong)) == (400, "SubnetMismatchForPort")
    assert (await member.request("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})).status == 200
    gone = await member.request("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})
    assert refusal(gone) == (404, "RouterInterfaceNotFound")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 400, "BadRequest"),
        ({"subnet_id": NOWHERE, "port_id": NOWHERE}, 400, "BadRequest"),
        ({"subnet_id": NOWHERE}, 404, "SubnetNotFound"),
        ({"port_id": NOWHERE}, 404, "PortNotFound"),
        ({"subnet_id": "s"}, 400, "HTTPBadRequest"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
        ([], 400, "HTTPBadRequest"),
    ],
)
async def test_an_interface_that_cannot_be_is_refused(member: Neutron, router: Json, body: Any, status: int, kind: str) -> None:
    assert refusal(await member.request("PUT", f"/routers/{router['id']}/add_router_interface", body)) == (status, kind)


async def test_a_routers_subnets_have_gateways_and_do_not_overlap(member: Neutron, subnet: Json, router: Json) -> None:
    path = f"/routers/{router['id']}/add_router_interface"
    await add(member, router, subnet_id=subnet["id"])
    again = await member.request("PUT", path, {"subnet_id": subnet["id"]})
    assert words(again) == f"Bad router request: Router already has a port on subnet {subnet['id']}."
    same = await member.subnet((await member.network())["id"], "10.1.0.0/25")
    assert refusal(await member.request("PUT", path, {"subnet_id": same["id"]})) == (400, "BadRequest")
    bare = await member.subnet((await member.network())["id"], "10.9.0.0/24", gateway_ip=None)
    answer = await member.request("PUT", path, {"subnet_id": bare["id"]})
    assert words(answer) == "Bad router request: Subnet for router interface must have a gateway IP."
    empty = await member.port((await member.network())["id"])
    answer = await member.request("PUT", path, {"port_id": empty["id"]})
    assert words(answer) == "Bad router request: Router port must have at least one fixed IP."
    assert len((await member.get("/ports", device_id=router["id"]))["ports"]) == 1


async def test_routes_lead_over_neighbours(member: Neutron, subnet: Json, router: Json) -> None:
    await add(member, router, subnet_id=subnet["id"])
    route = {"destination": "10.50.0.0/24", "nexthop": "10.1.0.9"}
    assert (await member.update("router", router["id"], routes=[route]))["routes"] == [route]
    for wrong, kind in (
        ({"nexthop": "10.77.0.1"}, "InvalidRoutes"),
        ({"nexthop": "10.1.0.1"}, "InvalidRoutes"),
        ({"destination": "x"}, "HTTPBadRequest"),
        ({"nexthop": "x"}, "HTTPBadRequest"),
    ):
        answer = await member.request("PUT", f"/routers/{router['id']}", {"router": {"routes": [route | wrong]}})
        assert refusal(answer) == (400, kind)
    answer = await member.request("PUT", f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert refusal(answer) == (409, "RouterInterfaceInUseByRoute")
    assert (await member.update("router", router["id"], routes=None))["routes"] == []


async def test_a_router_has_a_quota_of_routes(member: Neutron, subnet: Json, router: Json) -> None:
    await add(member, router, subnet_id=subnet["id"])
    routes = [{"destination": f"10.50.{n}.0/24", "nexthop": "10.1.0.9"} for n in range(31)]
    assert len((await member.update("router", router["id"], routes=routes[:30]))["routes"]) == 30
    answer = await member.request("PUT", f"/routers/{router['id']}", {"router": {"routes": routes}})
    assert refusal(answer) == (409, "OverQuota")
    assert words(answer) == "Quota exceeded for resources: ['router_route']."


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron, subnet: Json, router: Json) -> None:
    path = f"/routers/{router['id']}"
    assert (await reader.show("router", router["id"]))["name"] == "r"
    assert refusal(await reader.request("POST", "/routers", {"router": {}})) == (403, "PolicyNotAuthorized")
    for part, body in (("", {"router": {"name": "x"}}), ("/add_router_interface", {"subnet_id": subnet["id"]})):
        assert refusal(await reader.request("PUT", path + part, body)) == (403, "PolicyNotAuthorized")
        assert refusal(await stranger.request("PUT", path + part, body)) == (404, "RouterNotFound")
    assert refusal(await reader.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    assert (await stranger.get("/routers"))["routers"] == []
    assert (await admin.update("router", router["id"], name="x"))["name"] == "x"
    await admin.update("network", subnet["network_id"], shared=True)
    theirs = await stranger.create("routers")
    answer = await stranger.request("PUT", f"/routers/{theirs['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    assert refusal(answer) == (400, "BadRequest")
    port = {"network_id": subnet["network_id"], "device_owner": "network:router_interface", "device_id": theirs["id"]}
    assert refusal(await member.request("POST", "/ports", {"port": port})) == (409, "DeviceIDNotOwnedByTenant")
