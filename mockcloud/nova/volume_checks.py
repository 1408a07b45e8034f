"""Volumes, snapshots and volume types of a launch, as cinder knows them: asked in the caller's name, nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, InternalError
from mockcloud.nova.block_devices import INVALID, Device
from mockcloud.nova.image_checks import GIB, Image, fetch_image


async def image_of_root(ctx: Context, root: Device | None) -> Image:
    """What a server without an image is told of the one that its root volume was made of; {} when there is none."""
    if root is None:
        return {}
    if root.image_id:
        return await fetch_image(ctx, root.image_id, f"{INVALID}failed to get image {root.image_id}.")
    volume_id = root.volume_id
    if root.snapshot_id:
        snapshot = await _found(ctx, f"/v3/snapshots/{root.snapshot_id}", f"{INVALID}failed to get snapshot {root.snapshot_id}.")
        volume_id = snapshot["snapshot"]["volume_id"]
    if not volume_id:
        return {}
    volume = (await _found(ctx, f"/v3/volumes/{volume_id}", f"{INVALID}failed to get volume {volume_id}."))["volume"]
    if str(volume.get("bootable", "true")).lower() != "true":
        raise BadRequest(f"Block Device {volume_id} is not bootable.")
    properties = dict(volume.get("volume_image_metadata") or {})
    kept = {"size": volume["size"] * GIB, "min_disk": int(properties.pop("min_disk", 0)), "min_ram": int(properties.pop("min_ram", 0))}
    for name in ("image_id", "image_name", "checksum", "container_format", "disk_format", "size"):
        properties.pop(name, None)
    return kept | properties


async def check_volumes(ctx: Context, devices: Sequence[Device], image_id: str) -> None:
    """Sizes that only cinder knows are filled in."""
    for device in devices:
        if device.volume_type:
            await _check_type(ctx, device)
        if device.image_id and device.image_id != image_id:
            await fetch_image(ctx, device.image_id, f"{INVALID}failed to get image {device.image_id}.")
        elif device.volume_id:
            await _check_volume(ctx, device)
        elif device.snapshot_id:
            refusal = f"{INVALID}failed to get snapshot {device.snapshot_id}."
            snapshot = (await _found(ctx, f"/v3/snapshots/{device.snapshot_id}", refusal))["snapshot"]
            device.volume_size = device.volume_size or snapshot["size"]


async def _check_volume(ctx: Context, device: Device) -> None:
    """It must be free, or shareable with those that have it."""
    id = device.volume_id
    volume = (await _found(ctx, f"/v3/volumes/{id}", f"Volume {id} could not be found."))["volume"]
    shareable = volume.get("multiattach", False)
    if shareable and not ctx.at_least("2.60"):
        raise BadRequest("Multiattach volumes are only supported starting with compute API version 2.60.")
    if volume["status"] != "available" and not (shareable and volume["status"] == "in-use"):
        raise BadRequest(f"Invalid volume: volume '{id}' status must be 'available'. Currently in '{volume['status']}' status")
    device.volume_size = volume["size"]


async def _check_type(ctx: Context, device: Device) -> None:
    answer = await ctx.rest.get("block-storage", "/v3/types", params={"is_public": "None"})
    types = answer.json()["volume_types"] if answer.ok else []
    name = next((t["name"] for t in types if device.volume_type in (t["id"], t["name"])), None)
    if name is None:
        raise BadRequest(f"Volume type {device.volume_type} could not be found.")
    device.volume_type = name


async def _found(ctx: Context, path: str, refusal: str) -> Any:
    answer = await ctx.rest.get("block-storage", path)
    if answer.status in (400, 401, 403, 404):
        raise BadRequest(refusal)
    if not answer.ok:
        raise InternalError(f"cinder answered {answer.status}")
    return answer.json()
