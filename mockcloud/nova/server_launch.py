"""Launching servers: steps 3 and 6 to 8, from the client's request to the scheduler's answer (in cells_v2: to the conductor's queue)."""

from __future__ import annotations

import logging
from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import InternalError
from mockcloud.http.reply import Json, Reply
from mockcloud.nova import launch as lookups
from mockcloud.nova.cell_launch import request_builds
from mockcloud.nova.compute_rpc import notifier
from mockcloud.nova.launch import Launch, flavor_copy
from mockcloud.nova.launch_entries import erase_entries, fail_entries, write_entries
from mockcloud.nova.launch_request import LaunchRequest, is_true, read_request
from mockcloud.nova.links import links
from mockcloud.nova.records import to_message
from mockcloud.trace import step

log = logging.getLogger(__name__)


async def create_server(ctx: Context, body: Json) -> Reply:
    """A launch that is refused leaves nothing behind; one that was accepted ends with a host or with a fault, never in BUILD."""
    request = await _take_request(ctx, body)
    launch = await _look_up(ctx, request)
    launch_servers = request_builds if ctx.settings.dialect == "cells_v2" else _launch
    return _answer(ctx, launch, await launch_servers(ctx, launch))


async def _launch(ctx: Context, launch: Launch) -> list[Row]:
    """The classic way: with the scheduler's answer, hosts are in the rows."""
    try:
        servers = await _write_entries(ctx, launch)
        if not servers:
            raise InternalError("The servers could not be written.")
    except BaseException:
        with ctx.db.transaction() as tx:
            erase_entries(tx, launch)
        raise
    for server in servers:
        await notifier(ctx, "api").updated(ctx.request, None, to_message(server))
    await _schedule(ctx, launch, servers)
    return servers


@step(3)
async def _take_request(ctx: Context, body: Json) -> LaunchRequest:
    """nova-api receives the request to launch."""
    request = read_request(body, with_description=ctx.at_least("2.19"))
    lookups.check_rules(ctx, request)
    return request


@step(6)
async def _look_up(ctx: Context, request: LaunchRequest) -> Launch:
    """nova-api interacts with its database, and sees that image, networks and volumes can be used."""
    return await lookups.look_up(ctx, request)


@step(7)
async def _write_entries(ctx: Context, launch: Launch) -> list[Row]:
    """It makes the initial entries of the new servers."""
    with ctx.db.transaction() as tx:
        return write_entries(ctx, tx, launch)


async def _schedule(ctx: Context, launch: Launch, servers: list[Row]) -> None:
    """A scheduler that does not answer makes the servers fail, as one does that finds no host."""
    try:
        if await _call_scheduler(ctx, launch, servers) is None:
            raise InternalError("The scheduler returned no hosts.")
    except BaseException as error:
        log.error("scheduling of %s failed: %s", ", ".join(launch.uuids), type(error).__name__)
        with ctx.db.transaction() as tx:
            fail_entries(ctx, tx, launch, error)
        if not isinstance(error, Exception):
            raise


@step(8)
async def _call_scheduler(ctx: Context, launch: Launch, servers: list[Row]) -> Any:
    """It calls the scheduler, expecting the entries back with their hosts."""
    arguments = {
        "request_spec": {
            "image": dict(launch.image),
            "instance_properties": to_message(servers[0]),
            "instance_type": flavor_copy(launch.flavor),
            "instance_uuids": [server["uuid"] for server in servers],
            "num_instances": len(servers),
            "security_groups": launch.security_groups,
            "block_device_mapping": [device.columns() for device in launch.devices],
        },
        "admin_password": launch.admin_password,
        "injected_files": [list(file) for file in launch.request.files],
        "requested_networks": launch.networks,
        "is_first_time": True,
        "filter_properties": _filter_properties(launch.request),
    }
    return await ctx.bus.call(ctx.request, "scheduler", "run_instance", version="2.9", args=arguments)


def _filter_properties(request: LaunchRequest) -> dict[str, Any]:
    place = request.place
    properties: dict[str, Any] = {"scheduler_hints": request.hints}
    if place.host:
        properties["force_hosts"] = [place.host]
    if place.node:
        properties["force_nodes"] = [place.node]
    if place.destination:
        properties["requested_destination"] = dict(zip(("host", "node"), place.destination, strict=True))
    return properties


def _answer(ctx: Context, launch: Launch, servers: list[Row]) -> Reply:
    asked = launch.request.server
    if is_true(asked.get("return_reservation_id", False)):
        return Reply({"reservation_id": launch.reservation_id})
    first = servers[0]
    shown = links(ctx, "servers", first["uuid"])
    server = {
        "id": first["uuid"],
        "links": shown,
        "OS-DCF:diskConfig": first["disk_config"],
        "security_groups": asked.get("security_groups", [{"name": "default"}]),
        "adminPass": launch.admin_password,
    }
    return Reply({"server": server}, headers={"Location": shown[0]["href"]})
