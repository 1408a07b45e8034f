"""S22 to S24: the network of a launch, as neutron gives it and as the compute uses it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from conformance.cloud import Cloud
from conformance.endings import addresses, eventually, fixed, must_fail, must_leave_nothing, must_show_its_ports, port_is_free
from conformance.launch import Launch
from conformance.mishaps import failing, refuses_bad_tokens, validates_the_token, volumes_for
from conformance.registry import Broken, Unsupported, check, require
from conformance.shared_launches import crowd
from conformance.situations import other_quota

Json = dict[str, Any]


def own_network(cloud: Cloud, **subnet: Any) -> str:
    """A network of the project's own, of which every address is known."""
    try:
        return cloud.resources.network(cloud.member, **subnet)
    except Broken as error:
        raise Unsupported(f"a member may not make a network here: {error}") from error


def ports(cloud: Cloud, **wanted: str) -> list[Json]:
    shown = cloud.member.get("network", "/ports", params=wanted)
    return list((shown.body or {}).get("ports", []))


@check(
    "S22.C1", "B", needs=("network",), given="a network with a subnet", when="a server is launched in it",
    then="exactly one port of the server's in that network, and no second one once it is ACTIVE",
)  # fmt: skip
def one_port(cloud: Cloud) -> None:
    """A server has one port in the network that was asked for."""
    launch = cloud.golden.must_be_active()
    network = cloud.network()["id"]
    shown = cloud.member.get("network", "/ports", params={"device_id": launch.server_id})
    for found in (launch.ports, (shown.body or {}).get("ports", [])):
        where = [port["network_id"] for port in found]
        require(where == [network], f"one port, in network {network}", f"{len(found)} port(s), in {where}", shown.fact)


@check(
    "S22.C2", "B", needs=("network",), given="a port that was made before", when="a server is launched with it, and deleted",
    then="no other port; its MAC and address are the server's; afterwards it is still there, and nobody's",
)  # fmt: skip
def given_port(cloud: Cloud) -> None:
    """A port that is given to a launch is used, and outlives the server."""
    port = cloud.resources.port(cloud.member, cloud.network()["id"])
    launch = cloud.launcher.launch(networks=[{"port": port["id"]}]).must_be_active()
    found = [one["id"] for one in launch.ports]
    require(found == [port["id"]], f"port {port['id']} and no other", found, launch.boot.fact)
    shown = {(a["addr"], a.get("OS-EXT-IPS-MAC:mac_addr")) for a in addresses(launch)}
    wanted = {(address, port["mac_address"]) for address in fixed(port)}
    require(shown == wanted, f"addresses {sorted(wanted)}", sorted(shown), *launch.views[-1:])
    cloud.launcher.gone(launch)
    port_is_free(cloud, port["id"])


@check(
    "S22.C3", "B", needs=("network",), given="an address that is free, one that is taken, and one outside the subnet",
    when="a server is launched with each as its fixed_ip", then="that very address; a refusal or ERROR, and no port of it, for the others",
)  # fmt: skip
def fixed_address(cloud: Cloud) -> None:
    """A server gets the very address that it asks for, or none at all."""
    network = own_network(cloud, cidr="192.0.2.0/24")
    launch = cloud.launcher.launch(networks=[{"uuid": network, "fixed_ip": "192.0.2.77"}]).must_be_active()
    shown = [address["addr"] for address in addresses(launch)]
    require(shown == ["192.0.2.77"], "address 192.0.2.77", shown, *launch.views[-1:])
    cloud.resources.port(cloud.member, network, fixed_ips=[{"ip_address": "192.0.2.78"}])
    before = {port["id"] for port in ports(cloud, network_id=network)}
    for address in ("192.0.2.78", "198.51.100.9"):
        failed = cloud.launcher.launch(networks=[{"uuid": network, "fixed_ip": address}])
        must_fail(failed)
        must_leave_nothing(cloud, failed)
    after = {port["id"] for port in ports(cloud, network_id=network)}
    require(after <= before, "no port more than before", f"{len(after - before)} more", launch.boot.fact)


@check(
    "S22.C4", "B", needs=("network",), alone=True, given="a subnet without a free address; as admin, also a port quota that is used up",
    when="a server with a volume is launched", then="a refusal or ERROR; no port and no allocation is left, the volume is free",
)  # fmt: skip
def no_address(cloud: Cloud) -> None:
    """A server that can have no address is not run, and leaves nothing."""
    only = {"start": "192.0.2.2", "end": "192.0.2.2"}
    network = own_network(cloud, cidr="192.0.2.0/29", allocation_pools=[only])
    cloud.resources.port(cloud.member, network)
    launch = cloud.launcher.launch(networks=[{"uuid": network}], volumes=volumes_for(cloud))
    must_fail(launch)
    must_leave_nothing(cloud, launch)
    if "admin" in cloud.people:
        with no_port_quota(cloud):
            launch = cloud.launcher.launch(volumes=launch.volumes)
        must_fail(launch)
        must_leave_nothing(cloud, launch)


@contextmanager
def no_port_quota(cloud: Cloud) -> Iterator[None]:
    """The member's project may have no more ports than it has: newer neutrons let no quota be lower."""
    project = cloud.member.project_id
    with other_quota(cloud.admin, "network", project, {"port": len(ports(cloud, project_id=project))}):
        yield


@check("S22.C5", "B", needs=("network",), given="networks: none", when="a server is launched (2.37)", then="ACTIVE without a port")
def no_network(cloud: Cloud) -> None:
    """A server that asks for no network gets none."""
    launch = cloud.launcher.launch(networks="none").must_be_active()
    require(not launch.ports, "no port", f"{len(launch.ports)} port(s)", launch.boot.fact)
    require(not addresses(launch), "no address", addresses(launch), *launch.views[-1:])


@check(
    "S22.C6", "B", needs=("network",), given="two security groups, and none", when="a server is launched with them",
    then="its port has exactly these two; the project's default one where none was asked for",
)  # fmt: skip
def security_groups(cloud: Cloud) -> None:
    """The port of a server carries the security groups that were asked for."""
    default = cloud.member.get("network", "/security-groups", params={"name": "default", "project_id": cloud.member.project_id})
    usual = {group["id"] for group in default.body["security_groups"]}
    for port in cloud.golden.must_be_active().ports:
        require(set(port["security_groups"]) == usual, f"the default group {usual}", port["security_groups"], default.fact)
    groups = [cloud.resources.security_group(cloud.member) for _ in range(2)]
    launch = cloud.launcher.launch(security_groups=[{"name": group["name"]} for group in groups]).must_be_active()
    wanted = sorted(group["id"] for group in groups)
    for port in launch.ports:
        require(sorted(port["security_groups"]) == wanted, f"groups {wanted}", port["security_groups"], launch.boot.fact)


@check(
    "S23.C1", "B", needs=("network",), given="a garbage token, and one that was revoked before neutron ever saw it",
    when="GET /v2.0/ports and POST /v2.0/ports", then="401 and no port, while a token that was not revoked gets 200",
)  # fmt: skip
def neutron_refuses_bad_tokens(cloud: Cloud) -> None:
    """Neutron asks keystone, and refuses a token that is no good."""
    refuses_bad_tokens(cloud.member, "network", "GET", "/ports", control="/ports")
    name = cloud.resources.name("refused")
    body = {"port": {"network_id": cloud.network()["id"], "name": name}}
    try:
        refuses_bad_tokens(cloud.member, "network", "POST", "/ports", control="/ports", json=body)
    finally:
        made = ports(cloud, name=name)
        for port in made:
            cloud.resources.remember(cloud.member, "network", f"/ports/{port['id']}", f"port {port['id']}")
    require(not made, "no port", f"{len(made)} port(s) named {name}")


@check(
    "S23.C2", "B2", needs=("network", "stranger"), given="a private network and a port of a project",
    when="a stranger makes a port in it, and GETs the port",
    then="403 or 404; 404",
)  # fmt: skip
def networks_are_private(cloud: Cloud) -> None:
    """Nobody gets into another project's network, or sees its ports."""
    network = cloud.resources.create(cloud.member, "network", "/networks", "network", {"name": cloud.resources.name("private")})
    made = cloud.stranger.post("network", "/ports", json={"port": {"network_id": network["id"]}})
    if made.status == 201:
        cloud.resources.remember(cloud.stranger, "network", f"/ports/{made.body['port']['id']}", "a stranger's port")
    require(made.status in (403, 404), "403 or 404 for a stranger", made, made.fact)
    port = cloud.resources.port(cloud.member, network["id"])
    shown = cloud.stranger.get("network", f"/ports/{port['id']}")
    require(shown.status == 404, "404 for a stranger", shown, shown.fact)


@check(
    "S23.C3", "B", needs=("network",), given="a member who is no admin", when="PUT binding:host_id of a port of their own", then="403",
)  # fmt: skip
def binding_is_for_admins(cloud: Cloud) -> None:
    """A plain member may not bind a port to a host."""
    port = cloud.resources.port(cloud.member, cloud.network()["id"])
    answer = cloud.member.put("network", f"/ports/{port['id']}", json={"port": {"binding:host_id": "conformance"}})
    require(answer.status == 403, "403", answer, answer.fact)


@check(
    "S23.C4", "P", needs=("http.client|http.server",),
    given="a launch with a token that nobody has seen before", when="neutron is asked for a port",
    then="keystone is asked by neutron about that very token",
)  # fmt: skip
def neutron_validates(cloud: Cloud) -> None:
    """Neutron has keystone validate the token that it is shown."""
    validates_the_token(cloud, "neutron")


@check(
    "S24.C1", "B", needs=("network",), given="an ACTIVE server", when="its addresses are compared with its ports",
    then="each fixed address of each port, by the network's name, with version, MAC and type; inside the subnet's pools, and nobody else's",
)  # fmt: skip
def addresses_are_the_ports(cloud: Cloud) -> None:
    """A server shows exactly the addresses that its ports have."""
    launch = cloud.golden.must_be_active()
    must_show_its_ports(launch)
    for port in launch.ports:
        for ip in port["fixed_ips"]:
            subnet = cloud.member.get("network", f"/subnets/{ip['subnet_id']}")
            pools = subnet.body["subnet"]["allocation_pools"] if subnet.status == 200 else []
            require(not pools or _inside(ip["ip_address"], pools), f"an address in {pools}", ip["ip_address"], subnet.fact)
        others = [other for other in ports(cloud, network_id=port["network_id"]) if other["id"] != port["id"]]
        shared = {port["mac_address"], *fixed(port)} & {value for other in others for value in (other["mac_address"], *fixed(other))}
        require(not shared, "addresses that no other port has", shared, launch.boot.fact)


def _inside(address: str, pools: Sequence[Json]) -> bool:
    at = ipaddress.ip_address(address)
    return any(int(ipaddress.ip_address(p["start"])) <= int(at) <= int(ipaddress.ip_address(p["end"])) for p in pools)


@check(
    "S24.C2", "B", needs=("network",), given="an ACTIVE server", when="GET its port",
    then="device_owner compute:<zone>, status ACTIVE; as admin: bound to the server's host, without a failure",
)  # fmt: skip
def port_is_bound(cloud: Cloud) -> None:
    """The port of a running server is a compute's, bound to the server's host, and wired."""
    launch = cloud.golden.must_be_active()
    zone = launch.final.get("OS-EXT-AZ:availability_zone", "")
    for port in launch.ports:
        path = f"/ports/{port['id']}"
        shown = eventually(lambda p=path: cloud.member.get("network", p), lambda s: s.body["port"]["status"] == "ACTIVE", 20)  # type: ignore[misc]
        now = shown.body["port"]
        require(now["device_owner"] == f"compute:{zone}", f"device_owner compute:{zone}", now["device_owner"] or "none", shown.fact)
        require(now["status"] == "ACTIVE", "status ACTIVE", now["status"], shown.fact)
        if "admin" in cloud.people:
            _bound_to_its_host(cloud, launch, path)


def _bound_to_its_host(cloud: Cloud, launch: Launch, path: str) -> None:
    server = cloud.admin.get("compute", f"/servers/{launch.server_id}").body["server"]
    shown = cloud.admin.get("network", path)
    port, host = shown.body["port"], server.get("OS-EXT-SRV-ATTR:host")
    if cloud.dialect == "classic" and "binding:host_id" not in port:
        return  # quantum bound nothing
    require(port.get("binding:host_id") == host, f"binding:host_id {host}", port.get("binding:host_id"), shown.fact)
    kind = port.get("binding:vif_type")
    require(kind not in ("binding_failed", "unbound", None), "a vif_type of a bound port", kind, shown.fact)


@check(
    "S24.C3", "H", needs=("network", "faults"), given="a port that no host can bind; a network whose answer never comes",
    when="a server is launched with it", then="no ACTIVE; the given port is nobody's again, one made for the server is gone",
)  # fmt: skip
def binding_fails(cloud: Cloud) -> None:
    """A server whose port cannot be bound is not run, and leaves its ports as they were."""
    port = cloud.resources.port(cloud.member, cloud.network()["id"], **{"binding:vnic_type": "direct"})
    launch = cloud.launcher.launch(networks=[{"port": port["id"]}])
    must_fail(launch)
    must_leave_nothing(cloud, launch, (port["id"],))
    with failing(cloud, 22, "after") as launch:
        must_fail(launch)
    must_leave_nothing(cloud, launch)


@check(
    "S24.C4", "B", needs=("network",), alone=True, given="one subnet",
    when="20 servers (fewer elsewhere) are launched at once",
    then="as many different addresses and MACs, one port each",
)  # fmt: skip
def many_addresses(cloud: Cloud) -> None:
    """Servers that are launched at the same time do not get each other's addresses."""
    launches = [launch.must_be_active() for launch in crowd(cloud).own]
    for launch in launches:
        require(len(launch.ports) == 1, "one port each", f"{len(launch.ports)} ports", launch.boot.fact)
    for what, found in (
        ("addresses", [address for launch in launches for port in launch.ports for address in fixed(port)]),
        ("MACs", [port["mac_address"] for launch in launches for port in launch.ports]),
        ("addresses shown by servers", [a["addr"] for launch in launches for a in addresses(launch)]),
    ):
        twice = sorted({value for value in found if found.count(value) > 1})
        require(not twice, f"{len(launches)} different {what}", f"more than once: {', '.join(twice)}", launches[0].boot.fact)
