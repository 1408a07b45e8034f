"""Security groups of a server: those of its ports, in the network service's hands."""

from __future__ import annotations

from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, InternalError, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova.lookup import find_server

Group = dict[str, Any]
ALL_PORTS = {"tcp": (1, 65_535), "udp": (1, 65_535)}  # as nova has always shown a rule without ports


async def list_server_security_groups(ctx: Context, server_id: str) -> Json:
    """A group stands there once for each port that has it."""
    ports = await _ports(ctx, server_id)
    groups = {group["id"]: group for group in await _groups(ctx)} if ports else {}
    shown = [_view(groups[group_id], groups) for port in ports for group_id in port["security_groups"] if group_id in groups]
    return {"security_groups": sorted(shown, key=lambda group: (group["tenant_id"], group["name"]))}


async def add_server_security_group(ctx: Context, server_id: str, body: Json) -> None:
    group_id, ports = await _find(ctx, server_id, body["name"])
    for port in ports:
        if not port.get("port_security_enabled", True) or not port["fixed_ips"]:
            raise BadRequest("Network requires port_security_enabled and subnet associated in order to apply security groups.")
        await _set_groups(ctx, port["id"], [*port["security_groups"], group_id])


async def remove_server_security_group(ctx: Context, server_id: str, body: Json) -> None:
    group_id, ports = await _find(ctx, server_id, body["name"])
    having = [port for port in ports if group_id in port["security_groups"]]
    if not having:
        raise NotFound(f"Security group {body['name']} not associated with the instance {server_id}")
    for port in having:
        await _set_groups(ctx, port["id"], [kept for kept in port["security_groups"] if kept != group_id])


async def _find(ctx: Context, server_id: str, name: str) -> tuple[str, list[dict[str, Any]]]:
    """The id of a group by its id or name, and the server's ports."""
    if not name.strip():
        raise BadRequest("Security group name cannot be empty")
    with ctx.db.transaction() as tx:
        find_server(ctx, tx, server_id)
    groups = await _groups(ctx, id=name) or await _groups(ctx, name=name, project_id=ctx.project_id)
    if not groups:
        raise NotFound(f"Security group {name} is not found for project {ctx.project_id}")
    if len(groups) > 1:
        raise Conflict(f"Multiple security_group matches found for name '{name}', use an ID to be more specific.")
    ports = await _ports(ctx, server_id)
    if not ports:
        raise NotFound(f"instance_id {server_id} could not be found as device id on any ports")
    return groups[0]["id"], ports


async def _ports(ctx: Context, server_id: str) -> list[dict[str, Any]]:
    with ctx.db.transaction() as tx:
        find_server(ctx, tx, server_id)
    answer = await ctx.rest.get("network", "/v2.0/ports", params={"device_id": server_id})
    if not answer.ok:
        raise InternalError(answer.message())
    found: list[dict[str, Any]] = answer.json()["ports"]
    return found


async def _groups(ctx: Context, **filters: Any) -> list[Group]:
    answer = await ctx.rest.get("network", "/v2.0/security-groups", params=filters)
    if not answer.ok:
        raise InternalError(answer.message())
    found: list[Group] = answer.json()["security_groups"]
    return found


async def _set_groups(ctx: Context, port_id: str, groups: list[str]) -> None:
    answer = await ctx.rest.put("network", f"/v2.0/ports/{port_id}", json={"port": {"security_groups": list(dict.fromkeys(groups))}})
    if answer.status in (400, 409):
        raise (BadRequest if answer.status == 400 else Conflict)(answer.message())
    if not answer.ok:
        raise InternalError(answer.message())


def _view(group: Group, groups: dict[str, Group]) -> Group:
    incoming = [rule for rule in group["security_group_rules"] if rule["direction"] == "ingress"]
    shown = {name: group[name] for name in ("id", "name", "description", "tenant_id")}
    return {**shown, "rules": [_rule(rule, groups) for rule in incoming if rule["remote_group_id"] in (None, *groups)]}


def _rule(rule: dict[str, Any], groups: dict[str, Group]) -> dict[str, Any]:
    low, high = rule["port_range_min"], rule["port_range_max"]
    if rule["protocol"] and low is None and high is None:
        low, high = ALL_PORTS.get(rule["protocol"].lower(), (-1, -1))
    shown = {"id": rule["id"], "parent_group_id": rule["security_group_id"], "ip_protocol": rule["protocol"]}
    shown |= {"from_port": low, "to_port": high, "group": {}, "ip_range": {}}
    if rule["remote_group_id"]:
        source = groups[rule["remote_group_id"]]
        return {**shown, "group": {"name": source["name"], "tenant_id": source["tenant_id"]}}
    return {**shown, "ip_range": {"cidr": rule["remote_ip_prefix"] or "0.0.0.0/0"}}
