"""The image of a launch: whether the caller may use it, and whether it fits the flavor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden, InternalError
from mockcloud.nova.block_devices import Device

GIB = 1024**3
Image = Mapping[str, Any]
BASE = frozenset({
    "id", "name", "status", "visibility", "owner", "size", "virtual_size", "min_disk", "min_ram", "disk_format", "container_format",
    "checksum", "os_hash_algo", "os_hash_value", "os_hidden", "protected", "tags", "created_at", "updated_at", "self", "file", "schema",
    "direct_url", "locations", "stores",
})  # fmt: skip


async def fetch_image(ctx: Context, image_id: str, refusal: str = "") -> Image:
    """Glance's body. One that the caller cannot have is refused, with `refusal` whatever the reason."""
    answer = await ctx.rest.get("image", f"/v2/images/{image_id}")
    if answer.status in (400, 404):
        raise BadRequest(refusal or "Can not find requested image")
    if answer.status in (401, 403):
        raise BadRequest(refusal or f"Not authorized for image {image_id}.")
    if not answer.ok:
        raise InternalError(f"glance answered {answer.status}")
    image: Image = answer.json()
    return image


def properties_of(image: Image) -> dict[str, Any]:
    """What glance's body has beside the image's own fields."""
    return {name: value for name, value in image.items() if name not in BASE}


def check_image(ctx: Context, image: Image, flavor: Mapping[str, Any], root: Device | None, image_id: str) -> None:
    """`root`: the root disk; a volume need not fit the flavor. `image_id`: empty when only a volume was made of the image."""
    if not image:
        return
    if image_id and "cinder_encryption_key_id" in image:
        reason = "Direct booting of an image uploaded from an encrypted volume is unsupported."
        raise BadRequest(f"Image {image_id} is unacceptable: {reason}")
    if image.get("status", "active") != "active":
        raise BadRequest(f"Image {image_id or image['id']} is not active.")
    if (option := image.get("img_config_drive", "optional")) not in ("optional", "mandatory"):
        raise BadRequest(f"Image's config drive option '{option}' is invalid")
    if flavor["memory_mb"] < int(image.get("min_ram") or 0):
        raise BadRequest("Flavor's memory is too small for requested image.")
    min_disk, size = int(image.get("min_disk") or 0) * GIB, int(image.get("size") or 0)
    if root is not None and root.destination_type == "volume":
        _check_volume(root, min_disk)
        return
    disk = flavor["root_gb"] * GIB
    if not disk:
        if not ctx.can("os_compute_api:servers:create:zero_disk_flavor"):
            raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
        return
    if size > disk:
        raise BadRequest(f"Flavor's disk is too small for requested image. Flavor disk is {disk} bytes, image is {size} bytes.")
    if min_disk > disk:
        said = "Flavor's disk is smaller than the minimum size specified in image metadata."
        raise BadRequest(f"{said} Flavor disk is {disk} bytes, minimum size is {min_disk} bytes.")


def _check_volume(root: Device, min_disk: int) -> None:
    size = (root.volume_size or 0) * GIB
    if root.source_type != "volume" and size and min_disk > size:
        said = "Volume is smaller than the minimum size specified in image metadata."
        raise BadRequest(f"{said} Volume size is {size} bytes, minimum size is {min_disk} bytes.")
