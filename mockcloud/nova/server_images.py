"""Images of servers: snapshots and backups, queued at glance in the user's name and filled by the compute."""

from __future__ import annotations

from typing import Any

import orjson

from mockcloud.clients import Response
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Forbidden, InternalError
from mockcloud.http.reply import Json, Reply
from mockcloud.nova import acting, quota, states
from mockcloud.nova.compute_rpc import cast
from mockcloud.nova.disks import boots_from_volume, disks_of
from mockcloud.nova.lookup import find_server, owner

NOT_INHERITED = (
    "cache_in_nova", "bittorrent", "img_signature", "img_signature_hash_method", "img_signature_key_type",
    "img_signature_certificate_uuid", "cinder_encryption_key_id", "cinder_encryption_key_deletion_policy", "signature_verified",
)  # fmt: skip
MAPPED = (
    "boot_index", "delete_on_termination", "destination_type", "device_name", "device_type", "disk_bus", "guest_format", "image_id",
    "snapshot_id", "source_type", "tag", "volume_id", "volume_size", "volume_type",
)  # fmt: skip
SNAPSHOT = ("boot_index", "delete_on_termination", "device_name", "device_type", "disk_bus", "volume_size")  # kept of a volume's mapping


async def create_server_image(ctx: Context, server_id: str, body: Json) -> Reply:
    name, metadata = body["name"].strip(), body.get("metadata", {})
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        on_volume = boots_from_volume(tx, server)
        if on_volume:
            ctx.enforce("os_compute_api:servers:create_image:allow_volume_backed", owner(server))
        _check_metadata(ctx, tx, metadata)
        acting.check(ctx, server, states.CREATE_IMAGE)
    if on_volume:
        image_id = await _snapshot_volumes(ctx, server, name, metadata)
    else:
        image_id = await _queue_image(ctx, server, name, "snapshot", metadata)
        server = await _begin(ctx, server_id, states.CREATE_IMAGE, image_id)
        await cast(ctx, server, "snapshot_instance", image_id=image_id)
    return _answer(ctx, image_id, f"{ctx.service.runtime.urls['glance']}/images/{image_id}")


async def create_server_backup(ctx: Context, server_id: str, body: Json) -> Reply:
    """A snapshot of a kind; of each kind the newest `rotation` are kept."""
    rotation, kind = int(body["rotation"]), body["backup_type"]
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        _check_metadata(ctx, tx, body.get("metadata", {}))
        acting.check(ctx, server, states.CREATE_BACKUP)
        if boots_from_volume(tx, server):
            raise BadRequest("Backup is not supported for volume-backed instances.")
    metadata = {**body.get("metadata", {}), "backup_type": kind}
    image_id = await _queue_image(ctx, server, body["name"].strip(), "backup", metadata)
    server = await _begin(ctx, server_id, states.CREATE_BACKUP, image_id)
    await cast(ctx, server, "snapshot_instance", image_id=image_id)
    await _rotate(ctx, server_id, kind, rotation - 1)
    return _answer(ctx, image_id, ctx.url(f"/v2.1/images/{image_id}") if rotation else "")


def _check_metadata(ctx: Context, tx: Transaction, metadata: dict[str, Any]) -> None:
    """From 2.39 on the limits of images are glance's own."""
    if not ctx.at_least("2.39") and quota.over(quota.limits_of(tx, ctx.project_id), {}, {"metadata_items": len(metadata)}):
        raise Forbidden("Image metadata limit exceeded")


def _answer(ctx: Context, image_id: str, location: str) -> Reply:
    if ctx.at_least("2.45"):
        return Reply({"image_id": image_id})
    return Reply(headers={"Location": location} if location else {})


async def _begin(ctx: Context, server_id: str, action: states.Action, image_id: str) -> Row:
    """When somebody else was faster the queued image goes again."""
    try:
        return acting.start(ctx, server_id, action)
    except BaseException:
        await ctx.rest.delete("image", f"/v2/images/{image_id}")
        raise


async def _queue_image(ctx: Context, server: Row, name: str, kind: str, metadata: dict[str, Any]) -> str:
    own = {"instance_uuid": server["uuid"], "user_id": ctx.user_id, "image_type": kind, "base_image_ref": server["image_ref"]}
    image = _describe(ctx, server, name, {**own, **metadata})
    return await _create_image(ctx, image, server["project_id"])


def _describe(ctx: Context, server: Row, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """What the server's image was, but for what belongs to that image alone."""
    inherited = {key: str(value) for key, value in server["image_properties"].items() if value is not None and key not in NOT_INHERITED}
    inherited = {key: value for key, value in inherited.items() if not key.startswith("os_glance")}
    return {**inherited, **properties, "name": name, "min_disk": server["root_gb"], "visibility": "private"}


async def _create_image(ctx: Context, image: dict[str, Any], owner_id: str) -> str:
    """An administrator shares what is made of another project's server with that project."""
    theirs = owner_id != ctx.project_id
    answer = await ctx.rest.post("image", "/v2/images", json=image | ({"visibility": "shared"} if theirs else {}))
    if not answer.ok:
        raise _refused(answer)
    image_id = str(answer.json()["id"])
    if theirs:
        await ctx.rest.post("image", f"/v2/images/{image_id}/members", json={"member": owner_id})
    return image_id


def _refused(answer: Response) -> ApiError:
    kinds: dict[int, type[ApiError]] = {400: BadRequest, 403: Forbidden, 409: BadRequest, 413: Forbidden}
    return kinds.get(answer.status, InternalError)(answer.message())


async def _snapshot_volumes(ctx: Context, server: Row, name: str, metadata: dict[str, Any]) -> str:
    """An image without data, that only says of which snapshots its servers' volumes are made."""
    with ctx.db.transaction() as tx:
        server = acting.begin(ctx, tx, find_server(ctx, tx, server["uuid"]), states.CREATE_VOLUME_IMAGE)
        disks = disks_of(tx, server)
    made: list[str] = []
    try:
        mapping = [await _map(ctx, disk, name, made) for disk in disks]
        image = _describe(ctx, server, name, metadata) | {"bdm_v2": "True", "block_device_mapping": orjson.dumps(mapping).decode()}
        image |= {"disk_format": "raw", "container_format": "bare"}
        if server["root_device_name"]:
            image["root_device_name"] = server["root_device_name"]
        image_id = await _create_image(ctx, image, server["project_id"])
    except BaseException:
        for snapshot_id in made:
            await ctx.rest.delete("block-storage", f"/v3/snapshots/{snapshot_id}")
        raise
    headers = {"Content-Type": "application/octet-stream"}
    await ctx.rest.put("image", f"/v2/images/{image_id}/file", content=b"", headers=headers)
    return image_id


async def _map(ctx: Context, disk: Row, image_name: str, made: list[str]) -> dict[str, Any]:
    entry = {"no_device": None, **{name: disk[name] for name in MAPPED}}
    if not disk["volume_id"]:
        return entry
    asked = {"volume_id": disk["volume_id"], "name": f"snapshot for {image_name}", "force": True}
    answer = await ctx.rest.post("block-storage", "/v3/snapshots", json={"snapshot": asked})
    if not answer.ok:
        raise _refused(answer)
    snapshot_id = answer.json()["snapshot"]["id"]
    made.append(snapshot_id)
    kept = {name: disk[name] if name in SNAPSHOT else None for name in MAPPED}
    return {"no_device": None, **kept, "source_type": "snapshot", "destination_type": "volume", "snapshot_id": snapshot_id}


async def _rotate(ctx: Context, server_id: str, kind: str, kept: int) -> None:
    """`kept`: so many of the finished backups stay beside the new one."""
    asked = {"instance_uuid": server_id, "image_type": "backup", "backup_type": kind, "status": "active", "limit": 1000}
    answer = await ctx.rest.get("image", "/v2/images", params={**asked, "sort_key": "created_at", "sort_dir": "desc"})
    for image in answer.json()["images"][max(kept, 0) :] if answer.ok else []:
        await ctx.rest.delete("image", f"/v2/images/{image['id']}")
