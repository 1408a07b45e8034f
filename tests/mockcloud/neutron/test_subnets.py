"""Subnets over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Neutron, refusal, words


async def test_a_new_subnet_has_a_gateway_and_a_pool_without_it(member: Neutron) -> None:
    network = await member.network()
    made = await member.subnet(network["id"], "10.1.0.9/24", name="s")
    assert (made["cidr"], made["gateway_ip"], made["ip_version"], made["enable_dhcp"]) == ("10.1.0.0/24", "10.1.0.1", 4, True)
    assert made["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    assert (made["dns_nameservers"], made["host_routes"], made["service_types"]) == ([], [], [])
    assert (made["subnetpool_id"], made["router:external"]) == (None, False)
    assert (await member.show("network", network["id"]))["subnets"] == [made["id"]]


async def test_an_ipv6_subnet_and_its_modes(member: Neutron) -> None:
    network = await member.network()
    made = await member.subnet(network["id"], "fd00::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac", ip_version="6")
    assert (made["ip_version"], made["gateway_ip"], made["ipv6_ra_mode"]) == (6, "fd00::", "slaac")
    assert made["allocation_pools"] == [{"start": "fd00::1", "end": "fd00::ffff:ffff:ffff:ffff"}]


async def test_a_subnet_without_a_gateway(member: Neutron) -> None:
    made = await member.subnet((await member.network())["id"], "10.1.0.0/29", gateway_ip=None)
    assert (made["gateway_ip"], made["allocation_pools"]) == (None, [{"start": "10.1.0.1", "end": "10.1.0.6"}])


async def test_a_subnet_as_it_is_asked_for(member: Neutron) -> None:
    asked: dict[str, Any] = {
        "gateway_ip": "10.1.0.254",
        "allocation_pools": [{"start": "10.1.0.10", "end": "10.1.0.20"}, {"start": "10.1.0.30", "end": "10.1.0.40"}],
        "dns_nameservers": ["9.9.9.9", "1.1.1.1"],
        "host_routes": [{"destination": "10.2.0.0/24", "nexthop": "10.1.0.2"}],
        "enable_dhcp": False,
    }
    made = await member.subnet((await member.network())["id"], **asked)
    assert {name: made[name] for name in asked} == asked
    changed = await member.update(
        "subnet", made["id"], name="n", dns_nameservers=[], allocation_pools=[{"start": "10.1.0.2", "end": "10.1.0.9"}]
    )
    assert (changed["name"], changed["dns_nameservers"], changed["host_routes"]) == ("n", [], asked["host_routes"])
    assert changed["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.9"}]


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"cidr": "10.1.0.0/33"}, 400, "HTTPBadRequest"),
        ({"cidr": "10.1.0.1"}, 400, "HTTPBadRequest"),
        ({"cidr": "here"}, 400, "HTTPBadRequest"),
        ({"cidr": None}, 400, "BadRequest"),
        ({"cidr": None, "use_default_subnetpool": True}, 400, "BadRequest"),
        ({"cidr": None, "subnetpool_id": NOWHERE}, 404, "SubnetPoolNotFound"),
        ({"cidr": "0.0.0.0/0"}, 400, "InvalidInput"),
        ({"cidr": "10.1.0.0/31"}, 400, "InvalidInput"),
        ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
        ({"cidr": "127.0.0.0/24"}, 400, "InvalidInput"),
        ({"ip_version": 6}, 400, "InvalidInput"),
        ({"ip_version": 5}, 400, "HTTPBadRequest"),
        ({"network_id": "n"}, 400, "HTTPBadRequest"),
        ({"network_id": NOWHERE}, 404, "NetworkNotFound"),
        ({"gateway_ip": "10.1.0.0"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.1.0.255"}, 400, "InvalidInput"),
        ({"gateway_ip": "fd00::1"}, 400, "InvalidInput"),
        ({"gateway_ip": "x"}, 400, "HTTPBadRequest"),
        ({"allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]}, 400, "InvalidAllocationPool"),
        ({"allocation_pools": [{"start": "10.1.0.2", "end": "10.1.1.2"}]}, 400, "OutOfBoundsAllocationPool"),
        ({"allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.9"}]}, 409, "GatewayConflictWithAllocationPools"),
        (
            {"allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}, {"start": "10.1.0.9", "end": "10.1.0.12"}]},
            409,
            "OverlappingAllocationPools",
        ),
        ({"allocation_pools": [{"start": "10.1.0.2"}]}, 400, "HTTPBadRequest"),
        ({"dns_nameservers": ["x"]}, 400, "HTTPBadRequest"),
        ({"dns_nameservers": ["fd00::1"]}, 400, "InvalidInput"),
        ({"dns_nameservers": [f"9.9.9.{n}" for n in range(6)]}, 400, "DNSNameServersExhausted"),
        ({"host_routes": [{"destination": "x", "nexthop": "10.1.0.2"}]}, 400, "InvalidInput"),
        ({"host_routes": [{"destination": "fd00::/64", "nexthop": "10.1.0.2"}]}, 400, "InvalidInput"),
        ({"host_routes": [{"destination": f"10.2.{n}.0/24", "nexthop": "10.1.0.2"} for n in range(21)]}, 400, "HostRoutesExhausted"),
        ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}, 400, "InvalidInput"),
        ({"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "enable_dhcp": False}, 400, "InvalidInput"),
        ({"cidr": "fd00::/80", "ip_version": 6, "ipv6_address_mode": "slaac"}, 400, "InvalidInput"),
        ({"cidr": "::/64", "ip_version": 6}, 400, "InvalidInput"),
        ({"service_types": ["compute:nova"]}, 403, "PolicyNotAuthorized"),
        ({"service_types": ["nonsense"]}, 400, "HTTPBadRequest"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
    ],
)
async def test_a_subnet_that_cannot_be_is_refused(member: Neutron, values: dict[str, Any], status: int, kind: str) -> None:
    network = await member.network()
    body = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"} | values
    assert refusal(await member.request("POST", "/subnets", {"subnet": body})) == (status, kind)
    assert (await member.get("/subnets", network_id=network["id"]))["subnets"] == []


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"gateway_ip": "10.1.0.255"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.1.0.7"}, 409, "GatewayConflictWithAllocationPools"),
        ({"allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.2"}]}, 400, "OutOfBoundsAllocationPool"),
        ({"cidr": "10.3.0.0/24"}, 400, "HTTPBadRequest"),
        ({"network_id": NOWHERE}, 400, "HTTPBadRequest"),
        ({"dns_nameservers": ["fd00::1"]}, 400, "InvalidInput"),
        ({"enable_dhcp": "perhaps"}, 400, "HTTPBadRequest"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(member: Neutron, values: dict[str, Any], status: int, kind: str) -> None:
    made = await member.subnet((await member.network())["id"])
    assert refusal(await member.request("PUT", f"/subnets/{made['id']}", {"subnet": values})) == (status, kind)
    assert await member.show("subnet", made["id"]) == made


async def test_subnets_of_one_network_do_not_overlap(member: Neutron) -> None:
    one, other = await member.network(), await member.network()
    await member.subnet(one["id"], "10.1.0.0/24")
    body = {"network_id": one["id"], "ip_version": 4, "cidr": "10.1.0.128/25"}
    answer = await member.request("POST", "/subnets", {"subnet": body})
    assert refusal(answer) == (400, "InvalidInput")
    assert "overlaps with another subnet" in words(answer)
    await member.subnet(other["id"], "10.1.0.0/24")


async def test_a_subnet_with_ports_stays(member: Neutron) -> None:
    network = await member.network()
    subnet = await member.subnet(network["id"])
    port = await member.port(network["id"])
    answer = await member.request("DELETE", f"/subnets/{subnet['id']}")
    assert refusal(answer) == (409, "SubnetInUse")
    await member.request("DELETE", f"/ports/{port['id']}")
    assert (await member.request("DELETE", f"/subnets/{subnet['id']}")).status == 204
    assert refusal(await member.request("DELETE", f"/subnets/{subnet['id']}")) == (404, "SubnetNotFound")


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron) -> None:
    network = await member.network()
    subnet = await member.subnet(network["id"])
    path, body = f"/subnets/{subnet['id']}", {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}}
    assert (await reader.show("subnet", subnet["id"]))["cidr"] == "10.1.0.0/24"
    for user in (reader, stranger):
        assert refusal(await user.request("POST", "/subnets", body)) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    assert refusal(await stranger.request("GET", path)) == (404, "SubnetNotFound")
    assert refusal(await stranger.request("DELETE", path)) == (404, "SubnetNotFound")
    assert subnet["id"] not in [one["id"] for one in (await stranger.get("/subnets"))["subnets"]]
    await admin.update("network", network["id"], shared=True)
    assert subnet["id"] in [one["id"] for one in (await stranger.get("/subnets"))["subnets"]]
    assert refusal(await stranger.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    assert (await admin.request("DELETE", path)).status == 204
