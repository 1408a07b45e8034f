"""neutron as a compute sees it: ports made in the user's name, bound in nova's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mockcloud.clients import Clients, EndpointDown, Response
from mockcloud.compute.errors import (
    FixedIpAlreadyInUse,
    NetworkAmbiguous,
    NetworkNotFound,
    NetworkRefused,
    NeutronFailed,
    NoMoreFixedIps,
    PortBindingFailed,
    PortInUse,
    PortLimitExceeded,
    PortNotFound,
)
from mockcloud.context import RequestContext

Json = dict[str, Any]
Floating = dict[tuple[str, str], str]  # floating addresses, by port and fixed address
Asked = list[Json] | str | None  # entries, "auto", "none"
UNBOUND: Json = {"device_id": "", "device_owner": "", "binding:host_id": None, "binding:profile": {}}


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a server: neutron's body, and what nova knows besides."""

    body: Json
    given: bool = False  # it was there before the server, and stays after it
    tag: str | None = None


class Networks:
    def __init__(self, clients: Clients, host: str, default_zone: str) -> None:
        self._clients, self._host, self._default_zone = clients, host, default_zone

    async def allocate(self, ctx: RequestContext, server: Json, asked: Asked) -> list[Port]:
        """One bound port for each network asked for. Raises NetworkRefused for what no other host could do either."""
        entries = await self._entries(ctx, server, asked)
        groups = await self._group_ids(ctx, server) if any(not entry.get("port_id") for entry in entries) else None
        return [await self.add_port(ctx, server, entry, groups) for entry in entries]

    async def add_port(self, ctx: RequestContext, server: Json, entry: Json, groups: list[str] | None = None) -> Port:
        """The port that the entry names, or a new one in its network; bound to this host."""
        if entry.get("port_id"):
            body = await self._given(ctx, entry["port_id"], server["uuid"])
        else:
            body = await self._create(ctx, server, entry, groups)
        body = await self.bind(ctx, body["id"], server)
        return Port(body, bool(entry.get("port_id")), entry.get("tag"))

    async def bind(self, ctx: RequestContext, port_id: str, server: Json) -> Json:
        owner = f"compute:{server['host_zone'] or self._default_zone}"
        binding = {"device_id": server["uuid"], "device_owner": owner, "binding:host_id": self._host, "binding:profile": {}}
        body: Json = (await self._own(ctx, "PUT", f"/v2.0/ports/{port_id}", json={"port": binding}))["port"]
        if body["binding:vif_type"] == "binding_failed":
            raise PortBindingFailed(port_id)
        return body

    async def deallocate(self, ctx: RequestContext, server_id: str, given: Sequence[str] = ()) -> None:
        """Ports made for the server are deleted, those given to it are free again. Absence is success."""
        for port in await self.ports_of(ctx, server_id):
            await self.remove_port(ctx, port["id"], port["id"] in given)

    async def remove_port(self, ctx: RequestContext, port_id: str, given: bool) -> None:
        path = f"/v2.0/ports/{port_id}"
        if given:
            await self._own(ctx, "PUT", path, missing_ok=True, json={"port": UNBOUND})
        else:
            await self._own(ctx, "DELETE", path, missing_ok=True)

    async def confirm(self, ctx: RequestContext, server_id: str, ports: Sequence[Port]) -> list[Port]:
        """The ports as neutron has them now. One that the server has besides was made by a request made twice, and goes."""
        now = {port["id"]: port for port in await self.ports_of(ctx, server_id)}
        mine = [Port(now.pop(port.body["id"], port.body), port.given, port.tag) for port in ports]
        for stray in now:
            await self.remove_port(ctx, stray, given=False)
        return mine

    async def ports_of(self, ctx: RequestContext, server_id: str) -> list[Json]:
        found: list[Json] = (await self._own(ctx, "GET", "/v2.0/ports", params={"device_id": server_id}))["ports"]
        return found

    async def describe(self, ctx: RequestContext, ports: Sequence[Port]) -> list[Json]:
        """`network_info` (docs/rpc.md), in the order of the ports."""
        networks: dict[str, Json] = {}
        subnets: dict[str, list[Json]] = {}
        floating = await self._floating_ips(ctx, ports)
        for network_id in {port.body["network_id"] for port in ports}:
            networks[network_id] = (await self._own(ctx, "GET", f"/v2.0/networks/{network_id}"))["network"]
            listed = await self._own(ctx, "GET", "/v2.0/subnets", params={"network_id": network_id})
            subnets[network_id] = listed["subnets"]
        return [_vif(port, networks[port.body["network_id"]], subnets[port.body["network_id"]], floating) for port in ports]

    async def _floating_ips(self, ctx: RequestContext, ports: Sequence[Port]) -> Floating:
        if not ports:
            return {}
        asked = [("port_id", port.body["id"]) for port in ports]
        listed = await self._own(ctx, "GET", "/v2.0/floatingips", params=asked)
        return {(ip["port_id"], ip["fixed_ip_address"]): ip["floating_ip_address"] for ip in listed["floatingips"]}

    # what is asked for

    async def _entries(self, ctx: RequestContext, server: Json, asked: Asked) -> list[Json]:
        if asked == "none":
            return []
        if isinstance(asked, list) and asked:
            return asked
        usable = await self._usable(ctx, server["project_id"])
        if len(usable) > 1:
            raise NetworkAmbiguous
        if not usable and asked == "auto":
            raise NetworkRefused(f"Unable to automatically allocate a network for project {server['project_id']}")
        return [{"network_id": network["id"]} for network in usable]

    async def _usable(self, ctx: RequestContext, project_id: str) -> list[Json]:
        """The project's own networks, then the shared ones."""
        own = await self._user(ctx, "GET", "/v2.0/networks", params={"tenant_id": project_id, "shared": "false"})
        shared = await self._user(ctx, "GET", "/v2.0/networks", params={"shared": "true"})
        found = {network["id"]: network for network in (*own["networks"], *shared["networks"]) if network["admin_state_up"]}
        return list(found.values())

    async def _group_ids(self, ctx: RequestContext, server: Json) -> list[str] | None:
        """None leaves the choice to neutron: the project's default group."""
        wanted = server.get("security_groups") or []
        if wanted in ([], ["default"]):
            return None
        query = [("fields", "id"), ("fields", "name"), ("tenant_id", server["project_id"])]
        groups = (await self._user(ctx, "GET", "/v2.0/security-groups", params=query))["security_groups"]
        return list(dict.fromkeys(_group_id(groups, name) for name in wanted))

    async def _given(self, ctx: RequestContext, port_id: str, server_id: str) -> Json:
        port: Json = (await self._user(ctx, "GET", f"/v2.0/ports/{port_id}"))["port"]
        if port["device_id"] not in ("", server_id):
            raise PortInUse(port_id)
        if not port["fixed_ips"]:
            raise NetworkRefused(f"Port {port_id} requires a FixedIP in order to be used.")
        return port

    async def _create(self, ctx: RequestContext, server: Json, entry: Json, groups: list[str] | None) -> Json:
        body = {"network_id": entry["network_id"], "tenant_id": server["project_id"], "device_id": server["uuid"], "admin_state_up": True}
        if groups is not None:
            body["security_groups"] = groups
        if entry.get("fixed_ip"):
            body["fixed_ips"] = [{"ip_address": entry["fixed_ip"]}]
        try:
            port: Json = (await self._user(ctx, "POST", "/v2.0/ports", json={"port": body}))["port"]
        except FixedIpAlreadyInUse:
            said = f"Fixed IP address {entry['fixed_ip']} is already in use on instance {server['uuid']}."
            raise FixedIpAlreadyInUse(said) from None
        return port

    # REST

    async def _user(self, ctx: RequestContext, method: str, path: str, **options: Any) -> Json:
        return await self._send(self._clients.user(ctx).request("network", method, path, **options))

    async def _own(self, ctx: RequestContext, method: str, path: str, missing_ok: bool = False, **options: Any) -> Json:
        return await self._send(self._clients.own(ctx).request("network", method, path, **options), missing_ok)

    async def _send(self, request: Any, missing_ok: bool = False) -> Json:
        try:
            answer: Response = await request
        except EndpointDown as error:
            raise NeutronFailed(str(error)) from error
        if answer.ok or (missing_ok and answer.status == 404):
            return answer.json() or {} if answer.ok else {}
        if answer.status == 401 or answer.status >= 500:
            raise NeutronFailed(f"neutron answered {answer.status}: {answer.message()}")
        raise _refusal(answer)


def _refusal(answer: Response) -> NetworkRefused:
    """nova's name for neutron's refusal, and its sentence, where it has them."""
    body, said = answer.json(), answer.message()
    error = body.get("NeutronError") if isinstance(body, dict) else None
    kind = error.get("type", "") if isinstance(error, dict) else ""
    named = said.removesuffix(".").rsplit(" ", 1)[-1]  # the network of a sentence that ends with it
    known: dict[str, NetworkRefused] = {
        "OverQuota": PortLimitExceeded("Maximum number of ports exceeded"),
        "IpAddressGenerationFailure": NoMoreFixedIps(f"No fixed IP addresses available for network: {named}"),
        "IpAddressAlreadyAllocated": FixedIpAlreadyInUse(said),
        "PortNotFound": PortNotFound(said.replace("Port ", "Port id ", 1)),
        "NetworkNotFound": NetworkNotFound(said),
    }
    return known.get(kind, NetworkRefused(said))


def _group_id(groups: list[Json], wanted: str) -> str:
    """By id, else by a name that only one has."""
    if any(group["id"] == wanted for group in groups):
        return wanted
    named = [group["id"] for group in groups if group["name"] == wanted]
    if not named:
        raise NetworkRefused(f"Security group {wanted} not found.")
    if len(named) > 1:
        raise NetworkRefused(f"Multiple security groups found matching '{wanted}'. Use an ID to be more specific.")
    return str(named[0])


def _vif(port: Port, network: Json, subnets: list[Json], floating: Floating) -> Json:
    body = port.body
    used = [subnet for subnet in subnets if any(ip["subnet_id"] == subnet["id"] for ip in body["fixed_ips"])]
    return {
        "id": body["id"],
        "address": body["mac_address"],
        "network": {
            "id": network["id"],
            "label": network["name"],
            "bridge": (body.get("binding:vif_details") or {}).get("bridge_name", "br-int"),
            "subnets": [_subnet(subnet, body, floating) for subnet in used],
            "meta": {"mtu": network["mtu"]},
        },
        "type": body.get("binding:vif_type", "unbound"),
        "details": body.get("binding:vif_details") or {},
        "devname": f"tap{body['id']}"[:14],
        "active": body["status"] == "ACTIVE",
        "vnic_type": body.get("binding:vnic_type", "normal"),
        "preserve_on_delete": port.given,
        "tag": port.tag,
    }


def _subnet(subnet: Json, port: Json, floating: Floating) -> Json:
    addresses = [ip["ip_address"] for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]]
    return {
        "id": subnet["id"],
        "cidr": subnet["cidr"],
        "version": subnet["ip_version"],
        "gateway": subnet["gateway_ip"],
        "dns": subnet["dns_nameservers"],
        "ips": [_ip(address, subnet["ip_version"], floating.get((port["id"], address))) for address in addresses],
    }


def _ip(address: str, version: int, floating: str | None) -> Json:
    outside = [{"address": floating, "type": "floating", "version": 4}] if floating else []
    return {"address": address, "type": "fixed", "version": version, "floating_ips": outside}
