"""Hypervisors: the compute nodes, with the service that runs each."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Select, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.nova.links import next_links, select_page
from mockcloud.nova.tables import compute_nodes, instances, services
from mockcloud.nova.values import is_true
from mockcloud.nova.views import instance_name
from mockcloud.nova.zones import is_up

UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
PATTERN = "hypervisor_hostname_pattern"
SUMS = ("vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "running_vms")


async def list_hypervisors(ctx: Context, query: Query) -> Json:
    return _listed(ctx, query, "os-hypervisors", detailed=False)


async def list_hypervisors_detail(ctx: Context, query: Query) -> Json:
    return _listed(ctx, query, "os-hypervisors/detail", detailed=True)


async def show_hypervisor(ctx: Context, hypervisor_id: str, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        node, service = _find(ctx, tx, hypervisor_id)
        return {"hypervisor": _view(ctx, node, service) | _details(ctx, node, service) | _servers(ctx, tx, node, query)}


async def show_hypervisor_uptime(ctx: Context, hypervisor_id: str) -> Json:
    with ctx.db.transaction() as tx:
        node, service = _find(ctx, tx, hypervisor_id)
    uptime = _uptime(ctx, service)
    if uptime is None:
        raise BadRequest(f"Compute service of {node['host']} is unavailable at this time.")
    return {"hypervisor": _view(ctx, node, service) | {"uptime": uptime}}


async def show_hypervisor_statistics(ctx: Context) -> Json:
    """Sums over the nodes whose service is not disabled."""
    working = select(services.c.host).where(services.c.binary == "nova-compute", services.c.disabled.is_(False))
    rows = ctx.db.all(select(compute_nodes).where(compute_nodes.c.host.in_(working)))
    sums = {name: sum(row[name] for row in rows) for name in SUMS}
    free_disk = sums["local_gb"] - sums["local_gb_used"]
    sums |= {"free_ram_mb": sums["memory_mb"] - sums["memory_mb_used"], "free_disk_gb": free_disk, "disk_available_least": free_disk}
    return {"hypervisor_statistics": {"count": len(rows), "current_workload": sum(_workload(row) for row in rows), **sums}}


async def search_hypervisors(ctx: Context, hypervisor_id: str) -> Json:
    """By a part of the name."""
    with ctx.db.transaction() as tx:
        nodes = _matching(tx, hypervisor_id)
        return {"hypervisors": [_view(ctx, node, service) for node, service in _with_services(tx, nodes)]}


async def list_hypervisor_servers(ctx: Context, hypervisor_id: str) -> Json:
    with ctx.db.transaction() as tx:
        found = []
        for node, service in _with_services(tx, _matching(tx, hypervisor_id)):
            here = _servers_of(tx, node)
            found.append(_view(ctx, node, service) | ({"servers": here} if here else {}))
    return {"hypervisors": found}


def _listed(ctx: Context, query: Query, path: str, detailed: bool) -> Json:
    with ctx.db.transaction() as tx:
        nodes = _page(ctx, tx, query)
        shown = [
            _view(ctx, node, service) | (_details(ctx, node, service) if detailed else {}) | _servers(ctx, tx, node, query)
            for node, service in _with_services(tx, nodes)
        ]
    following = [] if PATTERN in query else next_links(ctx, query, path, shown, "id")
    return {"hypervisors": shown, **({"hypervisors_links": following} if following else {})}


def _page(ctx: Context, tx: Transaction, query: Query) -> list[Row]:
    if PATTERN in query:
        if "limit" in query or "marker" in query:
            raise BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
        return _matching(tx, query[PATTERN])
    stmt = select(compute_nodes)
    if not ctx.at_least("2.33"):
        return tx.all(stmt.order_by(compute_nodes.c.id))
    key = "uuid" if ctx.at_least("2.53") else "id"
    return select_page(tx, stmt, compute_nodes, query, key=key, sort=[("id", "asc")])


def _matching(tx: Transaction, pattern: str) -> list[Row]:
    stmt: Select[Any] = select(compute_nodes).where(compute_nodes.c.hypervisor_hostname.contains(pattern))
    found = tx.all(stmt.order_by(compute_nodes.c.id))
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return found


def _with_services(tx: Transaction, nodes: list[Row]) -> list[tuple[Row, Row]]:
    """A node whose service is gone is passed over."""
    running = {row["host"]: row for row in tx.all(select(services).where(services.c.binary == "nova-compute"))}
    return [(node, running[node["host"]]) for node in nodes if node["host"] in running]


def _find(ctx: Context, tx: Transaction, hypervisor_id: str) -> tuple[Row, Row]:
    column: Any = compute_nodes.c.uuid
    missing = NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
    if ctx.at_least("2.53"):
        if not UUID.match(hypervisor_id):
            raise BadRequest(f"Invalid uuid {hypervisor_id}")
    elif not hypervisor_id.isdecimal() or len(hypervisor_id) > 18:
        raise missing
    else:
        column = compute_nodes.c.id
    found = _with_services(tx, tx.all(select(compute_nodes).where(column == hypervisor_id)))
    if not found:
        raise missing
    return found[0]


def _view(ctx: Context, node: Row, service: Row) -> Json:
    return {
        "id": node["uuid"] if ctx.at_least("2.53") else node["id"],
        "hypervisor_hostname": node["hypervisor_hostname"],
        "state": "up" if is_up(service, ctx.now(), ctx.settings.service_down_time) else "down",
        "status": "disabled" if service["disabled"] else "enabled",
    }


def _details(ctx: Context, node: Row, service: Row) -> Json:
    id = service["uuid"] if ctx.at_least("2.53") else service["id"]
    copied = ("hypervisor_type", "hypervisor_version", "host_ip", *SUMS)
    return {name: node[name] for name in copied} | {
        "service": {"id": id, "host": node["host"], "disabled_reason": service["disabled_reason"]},
        "free_ram_mb": node["memory_mb"] - node["memory_mb_used"],
        "free_disk_gb": node["local_gb"] - node["local_gb_used"],
        "disk_available_least": node["local_gb"] - node["local_gb_used"],
        "current_workload": _workload(node),
        "cpu_info": node["cpu_info"] if ctx.at_least("2.28") else orjson.dumps(node["cpu_info"]).decode(),
        "uptime": _uptime(ctx, service),
    }


def _workload(node: Row) -> int:
    return int(node["stats"].get("io_workload", 0))


def _uptime(ctx: Context, service: Row) -> str | None:
    """As the command of that name says it; unknown of a host that is down. A host began when its service did."""
    now = ctx.now()
    if not is_up(service, now, ctx.settings.service_down_time):
        return None
    up: timedelta = now - service["created_at"]
    hours, minutes = divmod(up.seconds // 60, 60)
    days = f"{up.days} day{'s' if up.days > 1 else ''}, " if up.days else ""
    return f" {now:%H:%M:%S} up {days}{hours:2d}:{minutes:02d},  0 users,  load average: 0.00, 0.00, 0.00"


def _servers(ctx: Context, tx: Transaction, node: Row, query: Query) -> Json:
    """From 2.75 an empty list is shown too."""
    if not is_true(query.get("with_servers", False)):
        return {}
    here = _servers_of(tx, node)
    return {"servers": here} if here or ctx.at_least("2.75") else {}


def _servers_of(tx: Transaction, node: Row) -> list[Json]:
    stmt = select(instances).where(instances.c.host == node["host"], instances.c.deleted_at.is_(None))
    return [{"name": instance_name(row), "uuid": row["uuid"]} for row in tx.all(stmt.order_by(instances.c.id))]
