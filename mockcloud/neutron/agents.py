"""Agents, one L2 agent a host, and the availability zones that neutron derives from its agents."""

from __future__ import annotations

import uuid
from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.neutron.networks import ZONES

AGENT_NAMES = (
    "id", "agent_type", "binary", "topic", "host", "admin_state_up", "alive", "availability_zone", "description",
)  # fmt: skip


async def list_agents(ctx: Context, query: Query) -> Json:
    return {"agents": [_fields(agent, query) for agent in _chosen(_agents(ctx), query, AGENT_NAMES)]}


async def show_agent(ctx: Context, agent_id: str, query: Query) -> Json:
    for agent in _agents(ctx):
        if agent["id"] == agent_id:
            return {"agent": _fields(agent, query)}
    raise NotFound(f"Agent {agent_id} could not be found.", type="AgentNotFound")


async def list_availability_zones(ctx: Context, query: Query) -> Json:
    zones = [{"name": name, "resource": resource, "state": "available"} for name in ZONES for resource in ("network", "router")]
    return {"availability_zones": [_fields(zone, query) for zone in _chosen(zones, query, ("name", "resource", "state"))]}


def _agents(ctx: Context) -> list[Json]:
    now = ctx.now().strftime("%Y-%m-%d %H:%M:%S")
    return [
        {
            "id": str(uuid.UUID(ctx.service.runtime.id_for("agent", host.name))), "agent_type": "Open vSwitch agent",
            "binary": "neutron-openvswitch-agent", "topic": "N/A", "host": host.name, "admin_state_up": True, "alive": True,
            "availability_zone": None, "heartbeat_timestamp": now, "started_at": now, "created_at": now, "description": None,
            "configurations": {"bridge_mappings": {}, "tunnel_types": ["vxlan"], "l2_population": False}, "resources_synced": None,
        }
        for host in ctx.settings.hosts
    ]  # fmt: skip


def _chosen(rows: list[Json], query: Query, names: tuple[str, ...]) -> list[Json]:
    if unknown := [name for name in query.extra if name not in names]:
        raise BadRequest(f"{unknown} is invalid attribute for filtering", type="HTTPBadRequest")
    return [row for row in rows if all(_text(row[name]) in map(_text, values) for name, values in query.extra.items())]


def _text(value: Any) -> str:
    return {"1": "true", "0": "false"}.get(str(value), str(value).lower())


def _fields(row: Json, query: Query) -> Json:
    fields = query.get("fields")
    return {name: row[name] for name in fields if name in row} if fields else row
