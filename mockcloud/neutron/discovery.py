"""Versions, extensions, agents and zones: what clients look at to learn what this neutron can do."""

from __future__ import annotations

import uuid

from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json, Query

EXTENSIONS = {  # alias: name; only what is really served
    "agent": "agent",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "binding-extended": "Port Bindings Extended",
    "external-net": "Neutron external network",
    "extra_dhcp_opt": "Neutron Extra DHCP options",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "network_availability_zone": "Network Availability Zone",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quotas": "Quota management support",
    "quota_details": "Quota details management support",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
    "subnet-service-types": "Subnet service types",
}


async def list_versions(ctx: Context) -> Json:
    links = [{"rel": "self", "href": ctx.url("/v2.0/")}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


async def list_resources(ctx: Context) -> Json:
    found = [{"name": name, "collection": f"{name}s", "links": [{"rel": "self", "href": ctx.url(f"/v2.0/{name}s")}]} for name in CORE]
    return {"resources": found}


CORE = ("network", "subnet", "port")


async def list_extensions(ctx: Context, query: Query) -> Json:
    shown = [_extension(alias) for alias in EXTENSIONS]
    if fields := query.get("fields"):
        shown = [{name: extension[name] for name in fields if name in extension} for extension in shown]
    return {"extensions": shown}


async def show_extension(ctx: Context, alias: str) -> Json:
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias} does not exist", type="HTTPNotFound")
    return {"extension": _extension(alias)}


def _extension(alias: str) -> Json:
    name = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": name, "updated": "2020-01-01T00:00:00-00:00", "links": []}


async def list_agents(ctx: Context, query: Query) -> Json:
    """One L2 agent a host, as the ovs mechanism driver needs it."""
    now = ctx.now().strftime("%Y-%m-%d %H:%M:%S")
    agents = [
        {
            "id": str(uuid.UUID(ctx.service.runtime.id_for("agent", host.name))), "agent_type": "Open vSwitch agent",
            "binary": "neutron-openvswitch-agent", "topic": "N/A", "host": host.name, "admin_state_up": True, "alive": True,
            "availability_zone": host.zone, "heartbeat_timestamp": now, "started_at": now, "created_at": now, "description": None,
            "configurations": {}, "resources_synced": None,
        }
        for host in ctx.settings.hosts
    ]  # fmt: skip
    return {"agents": agents}


async def list_availability_zones(ctx: Context, query: Query) -> Json:
    zones = [{"name": "nova", "resource": resource, "state": "available"} for resource in ("network", "router")]
    return {"availability_zones": zones}
