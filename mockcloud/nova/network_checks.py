"""Networks, ports and security groups of a launch, as neutron knows them: asked in the caller's name, nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockcloud.clients import Response
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, InternalError
from mockcloud.nova.launch_request import NetworkRequest

AMBIGUOUS = "Multiple possible networks found, use a Network ID to be more specific."
Asked = list[NetworkRequest] | str | None


async def check_networks(ctx: Context, asked: Asked, count: int) -> tuple[list[dict[str, Any]] | str, int]:
    """What the compute is told (docs/rpc.md), and for how many servers the port quota leaves room."""
    if asked == "none":
        return "none", count
    if not asked or asked == "auto":
        told = await _only_network(ctx, required=asked == "auto")
        return told, await _room(ctx, 1, count)
    requests = [network for network in asked if isinstance(network, NetworkRequest)]
    wanted = [network for network in requests if not network.port_id]
    for network in requests:
        if network.port_id:
            await _check_port(ctx, network.port_id)
        elif network.fixed_ip:
            await _check_address(ctx, network)
    await _check_visible(ctx, [network.network_id or "" for network in wanted])
    told_list = [{"network_id": n.network_id, "port_id": n.port_id, "fixed_ip": n.fixed_ip, "tag": n.tag} for n in requests]
    return told_list, await _room(ctx, len(wanted), count)


async def _only_network(ctx: Context, required: bool) -> str:
    """A project with one network need not name it."""
    mine = await _get(ctx, "/v2.0/networks", [("tenant_id", ctx.project_id), ("shared", "False")])
    shared = await _get(ctx, "/v2.0/networks", [("shared", "True")])
    networks = mine["networks"] + shared["networks"]
    if len(networks) > 1:
        raise Conflict(AMBIGUOUS)
    if required and not networks:
        raise BadRequest(f"Unable to automatically allocate a network for project {ctx.project_id}")
    return "auto" if networks else "none"


async def _check_port(ctx: Context, port_id: str) -> None:
    answer = await ctx.rest.get("network", f"/v2.0/ports/{port_id}")
    if answer.status == 404:
        raise BadRequest(f"Port id {port_id} could not be found.")
    port = _body(answer)["port"]
    if port["device_id"]:
        raise Conflict(f"Port {port_id} is still in use.")
    if not port["fixed_ips"] and port.get("ip_allocation") not in ("deferred", "none"):
        raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.")


async def _check_address(ctx: Context, network: NetworkRequest) -> None:
    query = [("network_id", network.network_id), ("fixed_ips", f"ip_address={network.fixed_ip}"), ("fields", "device_id")]
    if ports := (await _get(ctx, "/v2.0/ports", query))["ports"]:
        raise BadRequest(f"Fixed IP address {network.fixed_ip} is already in use on instance {ports[0]['device_id']}.")


async def _check_visible(ctx: Context, ids: Sequence[str]) -> None:
    if not ids:
        return
    found = (await _get(ctx, "/v2.0/networks", [("id", id) for id in ids]))["networks"]
    for network in found:
        if not network["subnets"]:
            raise BadRequest(f"Network {network['id']} requires a subnet in order to boot instances on.")
    known = {network["id"] for network in found}
    if lost := list(dict.fromkeys(id for id in ids if id not in known)):
        raise BadRequest(f"Network {', '.join(lost)} could not be found.")
    for network in found:
        if network["router:external"] and not network["shared"] and not ctx.can("network:attach_external_network"):
            raise Forbidden(f"It is not allowed to create an interface on external network {network['id']}")


async def _room(ctx: Context, each: int, count: int) -> int:
    if not each:
        return count
    limit = int((await _get(ctx, f"/v2.0/quotas/{ctx.project_id}", []))["quota"].get("port", -1))
    if limit == -1:
        return count
    used = len((await _get(ctx, "/v2.0/ports", [("tenant_id", ctx.project_id), ("fields", "id")]))["ports"])
    if used > limit:
        raise Forbidden(f"The number of defined ports: {used} is over the limit: {limit}")
    return min(count, (limit - used) // each)


async def check_security_groups(ctx: Context, names: Sequence[str]) -> list[str]:
    """Names or ids -> ids; `default` stays as it is."""
    if all(name == "default" for name in names):
        return list(names)
    groups = await _get(ctx, "/v2.0/security-groups", [("fields", "id"), ("fields", "name"), ("tenant_id", ctx.project_id)])
    return [name if name == "default" else _group(name, groups["security_groups"]) for name in names]


def _group(wanted: str, groups: Sequence[dict[str, Any]]) -> str:
    ids = [group["id"] for group in groups if group["id"] == wanted] or [group["id"] for group in groups if group["name"] == wanted]
    if not ids:
        raise BadRequest(f"Unable to find security_group with name or id '{wanted}'")
    if len(ids) > 1:
        raise Conflict(f"Multiple security_group matches found for name '{wanted}', use an ID to be more specific.")
    return str(ids[0])


async def _get(ctx: Context, path: str, query: list[tuple[str, Any]]) -> Any:
    return _body(await ctx.rest.get("network", path, params=query))


def _body(answer: Response) -> Any:
    if answer.status == 403:
        raise Forbidden(answer.message())
    if not answer.ok:
        raise InternalError(f"neutron answered {answer.status}")
    return answer.json()
