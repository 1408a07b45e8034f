"""Resizes and cold migrations: asked of the scheduler here, then confirmed or reverted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova import acting, quota, states
from mockcloud.nova.block_devices import Device
from mockcloud.nova.compute_rpc import cast
from mockcloud.nova.disks import boots_from_volume
from mockcloud.nova.image_checks import check_image
from mockcloud.nova.launch import flavor_copy
from mockcloud.nova.lookup import find_flavor, find_server, owner
from mockcloud.nova.records import to_message
from mockcloud.nova.tables import compute_nodes, migrations

RULE = "os_compute_api:os-migrate-server:migrate"
VERSION = "2.9"  # of the scheduler's interface


async def resize_server(ctx: Context, server_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        _check_begin(ctx, tx, server, states.RESIZE)
        flavor = _new_flavor(ctx, tx, server, str(body["flavorRef"]))
        on_volume = boots_from_volume(tx, server)
        _check_size(server, flavor, on_volume)
        _check_quota(tx, server, flavor)
    await _check_image(ctx, server, flavor, on_volume)
    with ctx.db.transaction() as tx:
        disk_config = body.get("OS-DCF:diskConfig", "MANUAL")
        server = acting.begin(ctx, tx, find_server(ctx, tx, server_id), states.RESIZE, progress=0, disk_config=disk_config)
    await _schedule(ctx, server, flavor_copy(flavor), {})


async def migrate_server(ctx: Context, server_id: str, body: Json) -> None:
    """Within its flavor to another host; only administrators say which."""
    host = (body or {}).get("host") if ctx.at_least("2.56") else None
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        ctx.enforce(f"{RULE}:host" if host else RULE, owner(server))
        _check_begin(ctx, tx, server, states.MIGRATE)
        if host:
            _check_destination(tx, server, host)
        server = acting.begin(ctx, tx, server, states.MIGRATE, progress=0, disk_config="MANUAL")
    await _schedule(ctx, server, server["flavor"], {"requested_destination": {"host": host, "node": ""}} if host else {})


async def confirm_resize(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        acting.check(ctx, server, states.CONFIRM_RESIZE)
        migration = _finished(tx, server)
        acting.check_host_up(ctx, tx, migration["source_compute"])
        migration = _mark(ctx, tx, migration, "confirming")
        server = acting.begin(ctx, tx, server, states.CONFIRM_RESIZE)
    await cast(ctx, server, "confirm_resize", host=migration["source_compute"], migration=to_message(migration))


async def revert_resize(ctx: Context, server_id: str) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        acting.check(ctx, server, states.REVERT_RESIZE)
        migration = _mark(ctx, tx, _finished(tx, server), "reverting")
        server = acting.begin(ctx, tx, server, states.REVERT_RESIZE)
    await cast(ctx, server, "revert_resize", host=migration["dest_compute"], migration=to_message(migration))


def _check_begin(ctx: Context, tx: Transaction, server: Row, action: states.Action) -> None:
    acting.check(ctx, server, action)
    acting.check_host_up(ctx, tx, server["host"])


def _new_flavor(ctx: Context, tx: Transaction, server: Row, flavor_id: str) -> Row:
    try:
        flavor = find_flavor(ctx, tx, flavor_id)
    except NotFound as unknown:
        raise BadRequest(unknown.message) from None
    same = flavor["flavorid"] == server["flavor"]["flavorid"]
    if flavor["disabled"] and not same:
        raise BadRequest(f"Flavor {flavor_id} could not be found.")
    if same:
        raise BadRequest("When resizing, instances must change flavor!")
    return flavor


def _check_size(server: Row, flavor: Mapping[str, Any], on_volume: bool) -> None:
    if not flavor["root_gb"] and server["root_gb"] and not on_volume:
        raise BadRequest("Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.")


def _check_quota(tx: Transaction, server: Row, flavor: Mapping[str, Any]) -> None:
    """Only what is more than before counts."""
    more = {"cores": flavor["vcpus"] - server["vcpus"], "ram": flavor["memory_mb"] - server["memory_mb"]}
    more = {name: amount for name, amount in more.items() if amount > 0}
    if more:
        quota.check(tx, server["project_id"], more, server["user_id"])


async def _check_image(ctx: Context, server: Row, flavor: Row, on_volume: bool) -> None:
    """The image's own minimum, as far as it is still there to be asked."""
    if not server["image_ref"]:
        return
    answer = await ctx.rest.get("image", f"/v2/images/{server['image_ref']}")
    if answer.ok:
        image = answer.json()
        least = {name: image[name] for name in ("id", "min_ram", "min_disk")}
        check_image(ctx, least, flavor, Device("volume", "volume") if on_volume else None, server["image_ref"])


def _check_destination(tx: Transaction, server: Row, host: str) -> None:
    if host == server["host"]:
        raise BadRequest("Cannot migrate to the host where the server exists.")
    if tx.one(select(compute_nodes.c.id).where(compute_nodes.c.host == host).limit(1)) is None:
        raise BadRequest(f"Compute host {host} could not be found.")


async def _schedule(ctx: Context, server: Row, flavor: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    image = {"id": server["image_ref"], **server["image_properties"]} if server["image_ref"] else {}
    instance = to_message(server)
    spec: dict[str, Any] = {"image": image, "instance_properties": instance, "instance_type": flavor, "instance_uuids": [server["uuid"]]}
    spec |= {"num_instances": 1, "security_groups": server["security_groups"], "block_device_mapping": []}
    arguments: dict[str, Any] = {"instance": instance, "image": image, "instance_type": flavor, "request_spec": spec}
    hints = {"scheduler_hints": server["scheduler_hints"], "ignore_hosts": []}
    arguments["filter_properties"] = {**hints, **properties}
    await ctx.bus.cast(ctx.request, "scheduler", "prep_resize", version=VERSION, args=arguments)


def _finished(tx: Transaction, server: Row) -> Row:
    m = migrations.c
    row = tx.one(select(migrations).where(m.instance_uuid == server["uuid"], m.status == "finished").order_by(m.id.desc()).limit(1))
    if row is None:
        raise BadRequest("Instance has not been resized.")
    return row


def _mark(ctx: Context, tx: Transaction, migration: Row, status: str) -> Row:
    changed = {"status": status, "updated_at": ctx.now()}
    mine = (migrations.c.id == migration["id"], migrations.c.status == migration["status"])
    if not tx.execute(update(migrations).where(*mine).values(**changed)):
        raise BadRequest("Instance has not been resized.")
    return {**migration, **changed}
