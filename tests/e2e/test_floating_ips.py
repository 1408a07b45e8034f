"""A floating IP from its making to its end, and what nova shows of it. Zones, too: they meet at the port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client
from tests.e2e import launching

Json = dict[str, Any]
As = Callable[[str], Client]


async def _make(client: Client, path: str, noun: str, **values: Any) -> Json:
    answer = await client.post("neutron", path, json={noun: values})
    assert answer.status == 201, answer.content
    made: Json = answer.json()[noun]
    return made


async def _lead_outside(admin: Client, member: Client) -> str:
    """An external network and a router to it from the project's own subnet; the external network's id."""
    outside = await _make(admin, "/v2.0/networks", "network", name="outside", **{"router:external": True})
    await _make(admin, "/v2.0/subnets", "subnet", network_id=outside["id"], cidr="198.51.100.0/24", ip_version=4)
    router = await _make(member, "/v2.0/routers", "router", external_gateway_info={"network_id": outside["id"]})
    inside = (await member.get("neutron", "/v2.0/subnets", params={"name": "private-subnet"})).json()["subnets"][0]
    added = await member.put("neutron", f"/v2.0/routers/{router['id']}/add_router_interface", json={"subnet_id": inside["id"]})
    assert added.status == 200, added.content
    return str(outside["id"])


async def _addresses(client: Client, server_id: str) -> list[tuple[str, str]]:
    server = await launching.show(client, server_id)
    assert server is not None
    return [(one["OS-EXT-IPS:type"], one["addr"]) for one in server["addresses"]["private"]]


async def _shown(cloud: Cloud, client: Client, server_id: str, count: int) -> list[tuple[str, str]]:
    """The server's addresses as soon as there are `count`."""
    for _ in range(500):
        found = await _addresses(client, server_id)
        if len(found) == count:
            return found
        await cloud.clock.sleep(0.01)
    raise AssertionError(f"not {count} addresses but {found}")


async def test_a_server_shows_its_floating_ip_while_it_has_one(cloud: Cloud, as_: As) -> None:
    member, given = as_("member"), await launching.prepare(cloud, as_("member"), 0)
    outside = await _lead_outside(as_("admin"), member)
    server = (await launching.boot(member, given)).json()["server"]["id"]
    await launching.settled(cloud, member, server)
    (fixed,) = await _addresses(member, server)
    (port,) = (await member.get("neutron", "/v2.0/ports", params={"device_id": server})).json()["ports"]
    floating = await _make(member, "/v2.0/floatingips", "floatingip", floating_network_id=outside, port_id=port["id"])
    assert await _shown(cloud, member, server, 2) == [fixed, ("floating", floating["floating_ip_address"])]
    interfaces = (await member.get("nova", f"/v2.1/servers/{server}/os-interface")).json()["interfaceAttachments"]
    assert [one["ip_address"] for one in interfaces[0]["fixed_ips"]] == [fixed[1]]
    ips = (await member.get("nova", f"/v2.1/servers/{server}/ips")).json()["addresses"]["private"]
    assert {"version": 4, "addr": floating["floating_ip_address"]} in ips
    freed = await member.put("neutron", f"/v2.0/floatingips/{floating['id']}", json={"floatingip": {"port_id": None}})
    assert freed.status == 200, freed.content
    assert await _shown(cloud, member, server, 1) == [fixed]


async def test_a_server_born_with_a_port_that_has_a_floating_ip_shows_it(cloud: Cloud, as_: As) -> None:
    member, given = as_("member"), await launching.prepare(cloud, as_("member"), 0)
    outside = await _lead_outside(as_("admin"), member)
    port = await _make(member, "/v2.0/ports", "port", network_id=given.network_id)
    floating = await _make(member, "/v2.0/floatingips", "floatingip", floating_network_id=outside, port_id=port["id"])
    server = (await launching.boot(member, given, networks=[{"port": port["id"]}])).json()["server"]["id"]
    await launching.settled(cloud, member, server)
    assert ("floating", floating["floating_ip_address"]) in await _addresses(member, server)
    await launching.delete(cloud, member, server)
    kept = (await member.get("neutron", f"/v2.0/floatingips/{floating['id']}")).json()["floatingip"]
    assert kept["port_id"] == port["id"]


async def test_a_port_belongs_to_the_zone_of_the_chosen_host(cloud: Cloud, as_: As) -> None:
    admin, member = as_("admin"), as_("member")
    given = await launching.prepare(cloud, member, 0)
    made = await admin.post("nova", "/v2.1/os-aggregates", json={"aggregate": {"name": "east", "availability_zone": "east"}})
    path = f"/v2.1/os-aggregates/{made.json()['aggregate']['id']}/action"
    await admin.post("nova", path, json={"add_host": {"host": "compute2"}})
    for host, zone in (("compute1", "nova"), ("compute2", "east")):
        answer = await admin.post(
            "nova", "/v2.1/servers", version="2.74",
            json={"server": {"name": "vm", "flavorRef": "1", "imageRef": given.image_id, "networks": "auto", "host": host}},
        )  # fmt: skip
        server = await launching.settled(cloud, admin, answer.json()["server"]["id"])
        (port,) = (await admin.get("neutron", "/v2.0/ports", params={"device_id": server["id"]})).json()["ports"]
        assert (server["OS-EXT-AZ:availability_zone"], port["device_owner"]) == (zone, f"compute:{zone}")
