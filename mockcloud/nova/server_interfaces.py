"""Ports of a server: the network service has them, the compute plugs them."""

from __future__ import annotations

from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict, Forbidden, InternalError, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova import acting, states
from mockcloud.nova.compute_rpc import ask, cast
from mockcloud.nova.lookup import find_server

REFUSALS: dict[str, type[ApiError]] = {
    **dict.fromkeys(("PortInUse", "FixedIpAlreadyInUse"), Conflict),
    **dict.fromkeys(("PortNotFound", "NetworkNotFound"), NotFound),
    **dict.fromkeys(
        ("InterfaceAttachFailedNoNetwork", "NetworkAmbiguous", "NetworkRefused", "NoMoreFixedIps", "PortNotUsable",
         "SecurityGroupCannotBeApplied", "NetworkInterfaceTaggedAttachNotSupported"),
        BadRequest,
    ),
    "PortLimitExceeded": Forbidden,
    "InterfaceAttachFailed": InternalError,
}  # fmt: skip


async def list_server_interfaces(ctx: Context, server_id: str) -> Json:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
    answer = await ctx.rest.get("network", "/v2.0/ports", params={"device_id": server_id})
    if not answer.ok:
        raise InternalError(answer.message())
    return {"interfaceAttachments": [_view(port, server) for port in answer.json()["ports"]]}


async def show_server_interface(ctx: Context, server_id: str, port_id: str) -> Json:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
    answer = await ctx.rest.get("network", f"/v2.0/ports/{port_id}")
    if answer.status == 404:
        raise NotFound(f"Port id {port_id} could not be found.")
    if not answer.ok:
        raise Forbidden(answer.message()) if answer.status == 403 else InternalError(answer.message())
    port = answer.json()["port"]
    if port["device_id"] != server_id:
        raise NotFound(f"Instance {server_id} does not have a port with id {port_id}")
    return {"interfaceAttachment": _view(port, server)}


async def attach_server_interface(ctx: Context, server_id: str, body: Json = None) -> Json:
    asked = (body or {}).get("interfaceAttachment", {})
    network_id, port_id = asked.get("net_id"), asked.get("port_id")
    address = asked["fixed_ips"][0]["ip_address"] if "fixed_ips" in asked else None
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        if network_id and port_id:
            raise BadRequest("Must not input both network_id and port_id")
        if address and not network_id:
            raise BadRequest("Must input network_id when request IP address")
        acting.check(ctx, server, states.ATTACH_INTERFACE)
    await _check_target(ctx, network_id, port_id)
    server = acting.start(ctx, server_id, states.ATTACH_INTERFACE)
    wanted = {"network_id": network_id, "port_id": port_id, "requested_ip": address, "tag": asked.get("tag")}
    vif = await ask(ctx, server, "attach_interface", REFUSALS, **wanted)
    return await show_server_interface(ctx, server_id, vif["id"])


async def _check_target(ctx: Context, network_id: str | None, port_id: str | None) -> None:
    """What the caller cannot see, or another device has, is not the compute's to try."""
    if network_id and (await ctx.rest.get("network", f"/v2.0/networks/{network_id}")).status == 404:
        raise NotFound(f"Network {network_id} could not be found.")
    if port_id:
        answer = await ctx.rest.get("network", f"/v2.0/ports/{port_id}")
        if answer.status == 404:
            raise NotFound(f"Port id {port_id} could not be found.")
        if answer.ok and answer.json()["port"]["device_id"]:
            raise Conflict(f"Port {port_id} is still in use.")


async def detach_server_interface(ctx: Context, server_id: str, port_id: str) -> None:
    await cast(ctx, acting.start(ctx, server_id, states.DETACH_INTERFACE), "detach_interface", port_id=port_id)


def _view(port: dict[str, Any], server: Row) -> Json:
    tags = {vif["id"]: vif.get("tag") for vif in server["network_info"]}
    shown = {"net_id": port["network_id"], "port_id": port["id"], "mac_addr": port["mac_address"], "port_state": port["status"]}
    fixed_ips = [{name: ip[name] for name in ("ip_address", "subnet_id")} for ip in port["fixed_ips"]]
    return {**shown, "fixed_ips": fixed_ips, "tag": tags.get(port["id"])}
