"""Volumes of a server: reserved at cinder here, connected by the compute."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import select, update

from mockcloud.clients import Response
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, InternalError, NotFound
from mockcloud.http.reply import Json, Query, Reply
from mockcloud.nova import acting, states
from mockcloud.nova.compute_rpc import cast
from mockcloud.nova.disks import disks_of, free_device
from mockcloud.nova.lookup import find_server
from mockcloud.nova.tables import block_device_mapping as disks
from mockcloud.nova.values import is_true

RULE = "os_compute_api:os-volumes-attachments"
CINDER = "3.44"


async def list_server_volumes(ctx: Context, server_id: str, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        found = disks_of(tx, find_server(ctx, tx, server_id))
    first = int(query.get("offset", 0))
    rows = found[first:][: int(query.get("limit", len(found)))]
    return {"volumeAttachments": [_view(row) for row in rows if _is_shown(ctx, row)]}


async def show_server_volume(ctx: Context, server_id: str, volume_id: str) -> Json:
    with ctx.db.transaction() as tx:
        row = _find_disk(tx, find_server(ctx, tx, server_id), volume_id)
    if not _is_shown(ctx, row):
        raise _not_attached(server_id, volume_id)
    return {"volumeAttachment": _view(row)}


def _is_shown(ctx: Context, row: Row) -> bool:
    """From 2.89 on only once cinder's attachment is known."""
    return bool(row["volume_id"] and (row["attachment_id"] or not ctx.at_least("2.89")))


def _view(row: Row) -> Json:
    return _brief(row) | {"attachment_id": row["attachment_id"], "bdm_uuid": row["uuid"]}


def _brief(row: Row) -> Json:
    """What nova answers to a new attachment, in whatever version."""
    shown = {"id": row["volume_id"], "volumeId": row["volume_id"], "serverId": row["instance_uuid"], "tag": row["tag"]}
    shown["delete_on_termination"] = row["delete_on_termination"]
    return shown | ({"device": row["device_name"]} if row["device_name"] else {})


async def attach_server_volume(ctx: Context, server_id: str, body: Json) -> Reply:
    asked = body["volumeAttachment"]
    with ctx.db.transaction() as tx:
        _check_begin(ctx, find_server(ctx, tx, server_id), states.ATTACH_VOLUME)
    volume = await _show_volume(ctx, asked["volumeId"])
    with ctx.db.transaction() as tx:
        _check_free(ctx, tx, server_id, volume)
    await _act(ctx, volume["id"], "os-reserve", "Invalid input received: ")
    try:
        with ctx.db.transaction() as tx:
            server, disk = _add_disk(ctx, tx, server_id, volume, asked)
    except BaseException:
        await _act(ctx, volume["id"], "os-unreserve")
        raise
    await cast(ctx, server, "attach_volume", bdm_id=disk["id"], volume_id=volume["id"], device=disk["device_name"])
    return Reply() if ctx.at_least("2.101") else Reply({"volumeAttachment": _brief(disk)})


def _check_begin(ctx: Context, server: Row, action: states.Action) -> None:
    if server["vm_state"] in ("shelved", "shelved_offloaded") and not ctx.at_least("2.20"):
        raise Conflict(states.in_state(action.name, server, "vm_state"))
    acting.check(ctx, server, action)


def _check_free(ctx: Context, tx: Transaction, server_id: str, volume: Json) -> None:
    having = [row["instance_uuid"] for row in tx.all(select(disks).where(disks.c.volume_id == volume["id"]))]
    if having and not volume["multiattach"]:
        raise BadRequest(f"Invalid volume: volume {volume['id']} is already attached to instances: {' '.join(having)}")
    if server_id in having:
        raise BadRequest(f"Invalid volume: volume {volume['id']} already attached")
    if volume["multiattach"] and not ctx.at_least("2.60"):
        raise BadRequest("Multiattach volumes are only supported starting with compute API version 2.60.")


def _add_disk(ctx: Context, tx: Transaction, server_id: str, volume: Json, asked: Json) -> tuple[Row, Row]:
    _check_free(ctx, tx, server_id, volume)
    server = acting.begin(ctx, tx, find_server(ctx, tx, server_id), states.ATTACH_VOLUME)
    device = free_device(disks_of(tx, server), server["root_device_name"], asked.get("device"))
    if device is None:
        raise Conflict(f"The supplied device path ({asked['device']}) is in use.")
    values = {"source_type": "volume", "destination_type": "volume", "volume_id": volume["id"], "volume_size": volume["size"]}
    values |= {"device_name": device, "tag": asked.get("tag"), "delete_on_termination": is_true(asked.get("delete_on_termination", False))}
    row_id = tx.insert(disks, uuid=str(uuid.uuid4()), created_at=ctx.now(), instance_uuid=server_id, **values)
    disk = tx.one(select(disks).where(disks.c.id == row_id))
    assert disk is not None
    return server, disk


async def update_server_volume(ctx: Context, server_id: str, volume_id: str, body: Json) -> None:
    asked = body["volumeAttachment"]
    swaps = not ctx.at_least("2.85") or asked["volumeId"] != volume_id
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id, "" if swaps else f"{RULE}:update")
        if swaps:
            ctx.enforce(f"{RULE}:swap", {})
        if ctx.at_least("2.85"):
            _update(ctx, tx, server, volume_id, asked)
    if swaps:
        await _show_volume(ctx, volume_id)
        raise Conflict(f"volume {volume_id} is not migrating; this API should only be called by Cinder")


def _update(ctx: Context, tx: Transaction, server: Row, volume_id: str, asked: Json) -> None:
    row = tx.one(select(disks).where(disks.c.volume_id == volume_id, disks.c.instance_uuid == server["uuid"]))
    if row is None:
        raise NotFound(f"No volume Block Device Mapping with id {volume_id}.")
    fixed = {"id": volume_id, "serverId": server["uuid"], "device": row["device_name"], "tag": row["tag"]}
    for name, value in fixed.items():
        if name in asked and asked[name] != value:
            raise BadRequest(f"The {name} property is not mutable")
    if "delete_on_termination" in asked:
        values = {"delete_on_termination": is_true(asked["delete_on_termination"]), "updated_at": ctx.now()}
        tx.execute(update(disks).where(disks.c.id == row["id"]).values(**values))


async def detach_server_volume(ctx: Context, server_id: str, volume_id: str) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        if server["vm_state"] in ("shelved", "shelved_offloaded") and not ctx.at_least("2.20"):
            raise Conflict(states.in_state("detach_volume", server, "vm_state"))
    await _show_volume(ctx, volume_id)
    with ctx.db.transaction() as tx:
        if _find_disk(tx, server, volume_id)["boot_index"] == 0:
            raise BadRequest("Cannot detach a root device volume")
        acting.check(ctx, find_server(ctx, tx, server_id), states.DETACH_VOLUME)
        acting.check_host_up(ctx, tx, server["host"])
    await _act(ctx, volume_id, "os-begin_detaching", "Invalid volume: Invalid input received: ")
    try:
        with ctx.db.transaction() as tx:
            server = acting.begin(ctx, tx, find_server(ctx, tx, server_id), states.DETACH_VOLUME)
            disk = _find_disk(tx, server, volume_id)
    except BaseException:
        await _act(ctx, volume_id, "os-roll_detaching")
        raise
    await cast(ctx, server, "detach_volume", volume_id=volume_id, attachment_id=disk["attachment_id"])


def _find_disk(tx: Transaction, server: Row, volume_id: str) -> Row:
    row = tx.one(select(disks).where(disks.c.volume_id == volume_id, disks.c.instance_uuid == server["uuid"]))
    if row is None:
        raise _not_attached(server["uuid"], volume_id)
    return row


def _not_attached(server_id: str, volume_id: str) -> NotFound:
    return NotFound(f"Instance {server_id} is not attached to volume {volume_id}")


async def _show_volume(ctx: Context, volume_id: str) -> dict[str, Any]:
    answer = await ctx.rest.get("block-storage", f"/v3/volumes/{volume_id}", version=CINDER)
    if answer.status in (400, 404):
        raise NotFound(f"Volume {volume_id} could not be found.")
    if not answer.ok:
        raise InternalError(answer.message())
    found: dict[str, Any] = answer.json()["volume"]
    return found


async def _act(ctx: Context, volume_id: str, action: str, refusal: str = "") -> Response:
    """In the user's name. What cinder refuses is nova's 400, worded after `refusal`; without one an answer does not matter."""
    answer = await ctx.rest.post("block-storage", f"/v3/volumes/{volume_id}/action", json={action: {}}, version=CINDER)
    if refusal and not answer.ok:
        raise BadRequest(refusal + answer.message()) if answer.status < 500 else InternalError(answer.message())
    return answer
