"""Ports over REST."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Json, Neutron, refusal, words

SERVER = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
async def network(member: Neutron) -> Json:
    made = await member.network()
    await member.subnet(made["id"])
    return made


async def test_a_new_port_has_a_mac_an_address_and_the_default_group(member: Neutron, nova: Neutron, network: Json) -> None:
    made = await member.port(network["id"], name="p", device_id=SERVER)
    assert (made["name"], made["status"], made["admin_state_up"], made["device_id"], made["device_owner"]) == (
        "p",
        "DOWN",
        True,
        SERVER,
        "",
    )
    assert made["mac_address"].startswith("fa:16:3e:")
    assert [ip["ip_address"] for ip in made["fixed_ips"]] == ["10.1.0.2"]
    assert made["security_groups"] == [(await member.default_group())["id"]]
    assert (made["port_security_enabled"], made["allowed_address_pairs"], made["binding:vnic_type"]) == (True, [], "normal")
    assert not {"binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details"} & set(made)
    as_nova = await nova.show("port", made["id"])
    assert (as_nova["binding:host_id"], as_nova["binding:vif_type"], as_nova["binding:vif_details"]) == ("", "unbound", {})


async def test_nova_binds_a_members_port_and_unbinds_it(member: Neutron, nova: Neutron, network: Json) -> None:
    port = await member.port(network["id"], device_id=SERVER)
    binding = {"device_id": SERVER, "device_owner": "compute:nova", "binding:host_id": "compute1", "binding:profile": {}}
    bound = await nova.update("port", port["id"], **binding)
    assert (bound["binding:vif_type"], bound["binding:vif_details"]["bridge_name"], bound["status"]) == ("ovs", "br-int", "DOWN")
    (listed,) = (await nova.get("/ports", device_id=SERVER, tenant_id=member.project_id))["ports"]
    assert listed["fixed_ips"] == port["fixed_ips"]
    unbound = {"device_id": "", "device_owner": "", "binding:host_id": None, "binding:profile": {}}
    freed = await nova.update("port", port["id"], **unbound)
    assert (freed["binding:vif_type"], freed["binding:host_id"], freed["status"], freed["device_id"]) == ("unbound", "", "DOWN", "")


@pytest.mark.parametrize("change", [{"host_id": "compute2"}, {"host_id": "compute1", "vnic_type": "direct"}, {"host_id": "nowhere"}])
async def test_a_port_that_no_driver_binds_says_so(make_cloud: Any, change: dict[str, str]) -> None:
    from mockcloud.testing.client import client

    cloud = await make_cloud(services=("keystone", "neutron"), unbindable_hosts=("compute2",))
    nova = Neutron(cloud, client(cloud, "nova"))
    network = await nova.network()
    made = await nova.port(network["id"], device_id=SERVER, **{f"binding:{name}": value for name, value in change.items()})
    assert (made["binding:vif_type"], made["status"]) == ("binding_failed", "DOWN")
    again = await nova.update("port", made["id"], **{"binding:host_id": "compute1", "binding:profile": {"a": 1}})
    assert again["binding:vif_type"] == ("binding_failed" if "vnic_type" in change else "ovs")


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"network_id": NOWHERE}, 404, "NetworkNotFound"),
        ({"network_id": "n"}, 400, "HTTPBadRequest"),
        ({"network_id": None}, 400, "HTTPBadRequest"),
        ({"mac_address": "x"}, 400, "HTTPBadRequest"),
        ({"mac_address": "01:00:5e:00:00:01"}, 400, "HTTPBadRequest"),
        ({"fixed_ips": [{"ip_address": "10.9.0.1"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "10.1.0.255"}]}, 400, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "x"}]}, 400, "HTTPBadRequest"),
        ({"fixed_ips": [{}]}, 400, "HTTPBadRequest"),
        ({"fixed_ips": [{"subnet_id": NOWHERE}]}, 404, "SubnetNotFound"),
        ({"fixed_ips": [{"ip_address": "10.1.0.9"}, {"ip_address": "10.1.0.9"}]}, 400, "HTTPBadRequest"),
        ({"security_groups": [NOWHERE]}, 404, "SecurityGroupNotFound"),
        ({"security_groups": ["g"]}, 400, "HTTPBadRequest"),
        ({"port_security_enabled": False, "security_groups": [NOWHERE]}, 400, "PortSecurityAndIPRequiredForSecurityGroups"),
        (
            {"port_security_enabled": False, "allowed_address_pairs": [{"ip_address": "10.1.0.9"}]},
            409,
            "AddressPairAndPortSecurityRequired",
        ),
        ({"allowed_address_pairs": [{"ip_address": "x"}]}, 400, "HTTPBadRequest"),
        ({"allowed_address_pairs": [{}]}, 400, "HTTPBadRequest"),
        ({"allowed_address_pairs": [{"ip_address": "10.1.0.9"}] * 2}, 400, "DuplicateAddressPairInRequest"),
        ({"allowed_address_pairs": [{"ip_address": f"10.1.0.{n}"} for n in range(20, 31)]}, 400, "AllowedAddressPairExhausted"),
        ({"extra_dhcp_opts": [{"opt_name": ""}]}, 400, "HTTPBadRequest"),
        ({"binding:host_id": "compute1"}, 403, "PolicyNotAuthorized"),
        ({"binding:profile": {"a": 1}}, 403, "PolicyNotAuthorized"),
        ({"binding:vnic_type": "carrier-pigeon"}, 400, "HTTPBadRequest"),
        ({"status": "ACTIVE"}, 400, "HTTPBadRequest"),
        ({"project_id": "another"}, 403, "HTTPForbidden"),
    ],
)
async def test_a_port_that_cannot_be_is_refused(member: Neutron, network: Json, values: dict[str, Any], status: int, kind: str) -> None:
    body = {"network_id": network["id"]} | values
    assert refusal(await member.request("POST", "/ports", {"port": body})) == (status, kind)
    assert (await member.get("/ports"))["ports"] == []


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"binding:host_id": "compute1"}, 403, "PolicyNotAuthorized"),
        ({"binding:profile": {"a": 1}}, 403, "PolicyNotAuthorized"),
        ({"mac_address": "fa:16:3e:11:22:33"}, 403, "PolicyNotAuthorized"),
        ({"fixed_ips": [{"ip_address": "10.9.0.1"}]}, 400, "InvalidIpForNetwork"),
        ({"network_id": NOWHERE}, 400, "HTTPBadRequest"),
        ({"security_groups": [NOWHERE]}, 404, "SecurityGroupNotFound"),
        ({"port_security_enabled": False}, 409, "PortSecurityPortHasSecurityGroup"),
        ({"admin_state_up": None}, 400, "HTTPBadRequest"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(member: Neutron, network: Json, values: dict[str, Any], status: int, kind: str) -> None:
    port = await member.port(network["id"])
    assert refusal(await member.request("PUT", f"/ports/{port['id']}", {"port": values})) == (status, kind)
    assert await member.show("port", port["id"]) == port


async def test_a_fixed_address_is_given_once(member: Neutron, network: Json) -> None:
    made = await member.port(network["id"], fixed_ips=[{"ip_address": "10.1.0.77"}])
    assert made["fixed_ips"][0]["ip_address"] == "10.1.0.77"
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.1.0.77"}]}}
    assert refusal(await member.request("POST", "/ports", body)) == (409, "IpAddressAlreadyAllocated")
    await member.request("DELETE", f"/ports/{made['id']}")
    assert (await member.request("POST", "/ports", body)).status == 201


async def test_addresses_of_a_port_change(member: Neutron, network: Json) -> None:
    port = await member.port(network["id"])
    subnet_id = port["fixed_ips"][0]["subnet_id"]
    two = await member.update("port", port["id"], fixed_ips=[{"subnet_id": subnet_id}, {"ip_address": "10.1.0.50"}])
    assert {ip["ip_address"] for ip in two["fixed_ips"]} == {"10.1.0.2", "10.1.0.50"}
    none = await member.update("port", port["id"], fixed_ips=[])
    assert none["fixed_ips"] == []
    assert (await member.port(network["id"]))["fixed_ips"][0]["ip_address"] == "10.1.0.2"


async def test_a_full_subnet_gives_no_more(member: Neutron) -> None:
    network = await member.network()
    await member.subnet(network["id"], "10.2.0.0/30")
    await member.port(network["id"])
    answer = await member.request("POST", "/ports", {"port": {"network_id": network["id"]}})
    assert refusal(answer) == (409, "IpAddressGenerationFailure")
    assert words(answer) == f"No more IP addresses available on network {network['id']}."
    assert len((await member.get("/ports", network_id=network["id"]))["ports"]) == 1


async def test_ports_made_at_the_same_time_share_nothing(member: Neutron, network: Json) -> None:
    await member.get("/networks")  # the token
    made = await asyncio.gather(*(member.port(network["id"]) for _ in range(20)))
    assert len({port["fixed_ips"][0]["ip_address"] for port in made}) == 20
    assert len({port["mac_address"] for port in made}) == 20


async def test_an_address_that_another_took_first_is_chosen_anew(member: Neutron, network: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a database with several writers: the constraint refuses, the request is done again."""
    from mockcloud.neutron import ports

    await member.port(network["id"])
    real, calls = ports.allocation.allocate, []

    def stale(wishes: Any, subnets: Any, taken: Any) -> Any:
        calls.append(taken)
        return real(wishes, subnets, {} if len(calls) == 1 else taken)

    monkeypatch.setattr(ports.allocation, "allocate", stale)
    made = await member.port(network["id"])
    assert (made["fixed_ips"][0]["ip_address"], len(calls)) == ("10.1.0.3", 2)


async def test_a_mac_is_had_once_in_a_network(member: Neutron, network: Json) -> None:
    mac = "fa:16:3e:AA:bb:cc"
    made = await member.port(network["id"], mac_address=mac)
    assert made["mac_address"] == mac.lower()
    answer = await member.request("POST", "/ports", {"port": {"network_id": network["id"], "mac_address": mac}})
    assert refusal(answer) == (409, "MacAddressInUse")
    other = await member.network()
    assert (await member.port(other["id"], mac_address=mac))["mac_address"] == mac.lower()
    assert [port["id"] for port in (await member.get("/ports", mac_address=mac, network_id=network["id"]))["ports"]] == [made["id"]]


async def test_a_bound_port_keeps_its_mac_and_card(nova: Neutron, admin: Neutron) -> None:
    network = await admin.network()
    port = await admin.port(network["id"], device_id=SERVER, **{"binding:host_id": "compute1"})
    path = f"/ports/{port['id']}"
    assert refusal(await admin.request("PUT", path, {"port": {"mac_address": "fa:16:3e:00:00:01"}})) == (409, "PortBound")
    assert refusal(await admin.request("PUT", path, {"port": {"binding:vnic_type": "direct"}})) == (409, "PortInUse")
    await nova.update("port", port["id"], **{"binding:host_id": ""})
    assert (await admin.update("port", port["id"], mac_address="fa:16:3e:00:00:01"))["mac_address"] == "fa:16:3e:00:00:01"
    await admin.update("port", port["id"], device_owner="network:dhcp")
    answer = await admin.request("PUT", path, {"port": {"mac_address": "fa:16:3e:00:00:02"}})
    assert refusal(answer) == (409, "UnsupportedPortDeviceOwner")


async def test_groups_of_a_port_are_chosen_changed_and_none(member: Neutron, stranger: Neutron, network: Json) -> None:
    group = await member.create("security-groups", name="g")
    assert (await member.port(network["id"], security_groups=[group["id"], group["id"]]))["security_groups"] == [group["id"]]
    bare = await member.port(network["id"], security_groups=[])
    assert bare["security_groups"] == []
    assert (await member.update("port", bare["id"], security_groups=[group["id"]]))["security_groups"] == [group["id"]]
    assert (await member.update("port", bare["id"], security_groups=None))["security_groups"] == []
    foreign = await stranger.create("security-groups", name="g")
    answer = await member.request("PUT", f"/ports/{bare['id']}", {"port": {"security_groups": [foreign["id"]]}})
    assert refusal(answer) == (404, "SecurityGroupNotFound")
    stateless = await member.create("security-groups", name="s", stateful=False)
    answer = await member.request("PUT", f"/ports/{bare['id']}", {"port": {"security_groups": [group["id"], stateless["id"]]}})
    assert refusal(answer) == (409, "SecurityGroupConflict")


async def test_port_security_is_the_networks_unless_said(member: Neutron) -> None:
    network = await member.network(port_security_enabled=False)
    port = await member.port(network["id"])
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])
    assert (await member.port(network["id"], port_security_enabled=True))["security_groups"]


async def test_address_pairs_have_the_ports_mac_unless_said(member: Neutron, network: Json) -> None:
    pairs = [{"ip_address": "10.1.0.0/28"}, {"ip_address": "10.1.0.9", "mac_address": "fa:16:3e:00:00:09"}]
    port = await member.port(network["id"], allowed_address_pairs=pairs)
    assert port["allowed_address_pairs"] == [pairs[0] | {"mac_address": port["mac_address"]}, pairs[1]]
    assert (await member.update("port", port["id"], allowed_address_pairs=[]))["allowed_address_pairs"] == []


async def test_a_server_port_is_deleted_by_nova_not_by_the_member(member: Neutron, nova: Neutron, network: Json) -> None:
    port = await member.port(network["id"], device_id=SERVER, device_owner="compute:nova")
    path = f"/ports/{port['id']}"
    assert refusal(await member.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    beside = {"X-Service-Token": await nova.rest.login()}
    assert (await member.request("DELETE", path, headers=beside)).status == 204
    again = await nova.request("DELETE", path)
    assert refusal(again) == (404, "PortNotFound")
    assert words(again) == f"Port {port['id']} could not be found."


@pytest.mark.parametrize("owner", ["network:router_interface", "network:router_gateway", "network:floatingip"])
async def test_a_routers_port_is_not_deleted_directly(admin: Neutron, owner: str) -> None:
    network = await admin.network()
    port = await admin.port(network["id"], device_owner=owner, device_id=NOWHERE)
    answer = await admin.request("DELETE", f"/ports/{port['id']}")
    assert refusal(answer) == (409, "ServicePortInUse")


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron, network: Json) -> None:
    port = await member.port(network["id"])
    path, body = f"/ports/{port['id']}", {"port": {"network_id": network["id"]}}
    assert (await reader.show("port", port["id"]))["id"] == port["id"]
    for user in (reader, stranger):
        assert refusal(await user.request("POST", "/ports", body)) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("PUT", path, {"port": {"name": "x"}})) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    for method in ("GET", "PUT", "DELETE"):
        assert refusal(await stranger.request(method, path, {"port": {"name": "x"}})) == (404, "PortNotFound")
    assert (await stranger.get("/ports"))["ports"] == []
    assert (await admin.update("port", port["id"], name="x"))["name"] == "x"


async def test_on_a_shared_network_a_stranger_has_a_port_but_no_say(
    member: Neutron, stranger: Neutron, admin: Neutron, network: Json
) -> None:
    await admin.update("network", network["id"], shared=True)
    port = await stranger.port(network["id"])
    subnet_id = port["fixed_ips"][0]["subnet_id"]
    assert (await stranger.port(network["id"], fixed_ips=[{"subnet_id": subnet_id}]))["fixed_ips"]
    for values in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.1.0.99"}]},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.1.0.99"}]},
        {"device_owner": "network:dhcp"},
    ):
        answer = await stranger.request("POST", "/ports", {"port": {"network_id": network["id"], **values}})
        assert refusal(answer) == (403, "PolicyNotAuthorized"), values
    answer = await stranger.request("PUT", f"/ports/{port['id']}", {"port": {"device_owner": "network:dhcp"}})
    assert refusal(answer) == (403, "PolicyNotAuthorized")
    assert (await member.show("port", port["id"]))["project_id"] == stranger.project_id  # the network's owner sees all on it


async def test_a_refusal_names_the_parts_of_an_attribute(member: Neutron, stranger: Neutron, admin: Neutron, network: Json) -> None:
    await admin.update("network", network["id"], shared=True)
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.1.0.99"}]}}
    said = "(rule:create_port and (rule:create_port:fixed_ips and (rule:create_port:fixed_ips:ip_address))) is disallowed by policy"
    assert words(await stranger.request("POST", "/ports", body)) == said


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"fixed_ips": "ip_address=10.1.0.2"}, ["first"]),
        ({"fixed_ips": ["ip_address=10.1.0.2", "ip_address=10.1.0.3"]}, ["first", "second"]),
        ({"fixed_ips": ["ip_address=10.1.0.2", "subnet_id=nowhere"]}, []),
        ({"device_owner": "compute:nova"}, ["second"]),
        ({"device_owner": "", "name": "first"}, ["first"]),
        ({"status": "DOWN", "device_id": SERVER}, ["second"]),
    ],
)
async def test_ports_are_found_by_what_they_have(member: Neutron, network: Json, filters: dict[str, Any], found: list[str]) -> None:
    await member.port(network["id"], name="first")
    await member.port(network["id"], name="second", device_id=SERVER, device_owner="compute:nova")
    listed = (await member.get("/ports", sort_key="name", sort_dir="asc", **filters))["ports"]
    assert [port["name"] for port in listed] == found


async def test_ports_are_found_by_their_group(member: Neutron, network: Json) -> None:
    group = await member.create("security-groups", name="g")
    port = await member.port(network["id"], security_groups=[group["id"]])
    await member.port(network["id"])
    assert [one["id"] for one in (await member.get("/ports", security_groups=group["id"]))["ports"]] == [port["id"]]
    assert refusal(await member.request("GET", "/ports?fixed_ips=10.1.0.2")) == (400, "InvalidInput")
