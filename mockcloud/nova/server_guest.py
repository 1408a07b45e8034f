"""What is known of a server's inside. Guests here have no NUMA nodes and leave no password with the metadata service."""

from __future__ import annotations

from string import ascii_lowercase

from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, NotFound, NotImplementedHere
from mockcloud.http.reply import Json
from mockcloud.nova.compute_rpc import ask
from mockcloud.nova.lookup import find_server


async def show_server_topology(ctx: Context, server_id: str) -> Json:
    _find(ctx, server_id)
    return {"nodes": [], "pagesize_kb": None}


async def show_server_diagnostics(ctx: Context, server_id: str) -> Json:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
    if not server["host"]:
        raise Conflict(f"Instance {server_id} is not ready")
    refusals = {"NotImplementedError": NotImplementedHere, "AbilityMissing": NotImplementedHere, "GuestNotFound": NotFound}
    found = await ask(ctx, server, "get_diagnostics", refusals)
    return found if ctx.at_least("2.48") else older_diagnostics(found)


def older_diagnostics(found: Json) -> Json:
    """As the libvirt driver named them before they were the same for all drivers. Memory in KiB."""
    shown = {f"cpu{cpu['id']}_time": cpu["time"] for cpu in found["cpu_details"]}
    shown["memory"] = found["memory_details"]["maximum"] * 1024
    for letter, disk in zip(ascii_lowercase, found["disk_details"], strict=False):
        counts = {"read": "read_bytes", "read_req": "read_requests", "write": "write_bytes", "write_req": "write_requests"}
        shown |= {f"vd{letter}_{name}": disk[count] for name, count in counts.items()} | {f"vd{letter}_errors": disk["errors_count"]}
    return shown


async def show_server_password(ctx: Context, server_id: str) -> Json:
    _find(ctx, server_id)
    return {"password": ""}


async def clear_server_password(ctx: Context, server_id: str) -> None:
    _find(ctx, server_id)


def _find(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        find_server(ctx, tx, server_id)
