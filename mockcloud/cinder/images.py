"""What cinder asks of glance, and what it makes of an image."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from mockcloud.cinder.faults import invalid_input
from mockcloud.cinder.lookup import UUID
from mockcloud.clients import EndpointDown, Rest
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict, NotFound

GIB = 1024**3
COPIED = ("checksum", "container_format", "disk_format", "min_disk", "min_ram", "size")  # base attributes that a volume remembers
BASE = {
    "id", "name", "status", "visibility", "protected", "tags", "created_at", "updated_at", "os_hash_algo", "os_hash_value", "os_hidden",
    "owner", "virtual_size", "self", "file", "schema", "direct_url", "locations", "stores", "metadata", *COPIED,
}  # fmt: skip
UNCONVERTIBLE = ("vmdk", "vdi", "vhd", "vhdx", "iso")
UNREADABLE = "Invalid image identifier or unable to access requested image."

Image = dict[str, Any]


class ImageTransferFailed(Exception):
    """glance refused the data, or was not there."""


async def resolve_image(ctx: Context, reference: str) -> Image:
    """The image that a request means by an id, by the URL that ends in one, or by a name."""
    image_id = reference.rsplit("/", 1)[-1]
    try:
        if UUID.match(image_id):
            answer = await ctx.rest.get("image", f"/v2/images/{image_id}")
            if answer.ok:
                return dict(answer.json())
        answer = await ctx.rest.get("image", "/v2/images", params={"name": reference})
    except EndpointDown:
        raise BadRequest(UNREADABLE) from None
    found = answer.json()["images"] if answer.ok else []
    if len(found) > 1:
        raise Conflict(f"Multiple matches found for '{reference}', use an ID to be more specific.")
    if not found:
        raise BadRequest(UNREADABLE)
    return dict(found[0])


async def fetch_image(rest: Rest, image_id: str) -> Image:
    answer = await rest.get("image", f"/v2/images/{image_id}")
    if not answer.ok:
        raise NotFound(f"Image {image_id} could not be found.")
    return dict(answer.json())


async def open_image(rest: Rest, image_id: str) -> AsyncIterator[bytes]:
    """The image's data, piece by piece."""
    answer = await rest.get("image", f"/v2/images/{image_id}/file", stream=True)
    if not answer.ok or answer.stream is None:
        raise ImageTransferFailed(f"glance answered {answer.status} for the data of image {image_id}")
    return answer.stream


async def upload_image(rest: Rest, image_id: str, data: AsyncIterator[bytes]) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = await rest.put("image", f"/v2/images/{image_id}/file", content=data, headers=headers)
    if not answer.ok:
        raise ImageTransferFailed(f"glance answered {answer.status} to the data of image {image_id}: {answer.message()}")


def check_convertible(disk_format: str) -> None:
    if disk_format in UNCONVERTIBLE:
        raise ImageTransferFailed(f"the data of a volume cannot be converted to {disk_format}")


def check_image(image: Image, volume_size: int) -> None:
    """Whether a volume of so many GiB can be made from it."""
    if image["status"] != "active":
        raise invalid_input(f"Image {image['id']} is not active.")
    size = _gib(image.get("size"))
    if size > volume_size:
        raise invalid_input(f"Size of specified image {size}GB is larger than volume size {volume_size}GB.")
    min_disk = image.get("min_disk") or 0
    if volume_size < min_disk:
        raise invalid_input(f"Volume size {volume_size}GB cannot be smaller than the image minDisk size {min_disk}GB.")
    virtual = _gib(image.get("virtual_size"))
    if virtual > volume_size:
        raise _unacceptable(image, f"Image virtual size is {virtual}GB and doesn't fit in a volume of size {volume_size}GB.")


def _unacceptable(image: Image, reason: str) -> ApiError:
    return BadRequest(f"Image {image['id']} is unacceptable: {reason}")


def _gib(size: int | None) -> int:
    return -(-int(size or 0) // GIB)


def volume_image_metadata(image: Image) -> dict[str, str]:
    """What a volume remembers of the image that it was made from; all of it text."""
    kept = {"signature_verified": "False"}
    kept |= {name: _text(value) for name, value in image.items() if name not in BASE and value is not None}
    kept["image_id"] = image["id"]
    if image.get("name"):
        kept["image_name"] = image["name"]
    return kept | {name: _text(image[name]) for name in COPIED if image.get(name) is not None}


def new_image(volume: Mapping[str, Any], asked: Mapping[str, Any]) -> Image:
    """The image to create for a volume: what was asked for, and what its own image was like."""
    remembered = dict(volume["glance_metadata"])
    image: Image = {name: value for name, value in asked.items() if value is not None}
    for name in ("min_disk", "min_ram"):
        if name in remembered:
            image[name] = int(remembered[name])
    skipped = {*COPIED, "image_id", "image_name", "signature_verified"}
    properties = {name: value for name, value in remembered.items() if name not in skipped and not name.startswith("os_glance")}
    return properties | image


def boot_snapshot(image: Image) -> str | None:
    """The volume snapshot behind an image without data, which nova makes of a server that boots from a volume."""
    mapping = image.get("block_device_mapping") or "[]"
    devices = json.loads(mapping) if isinstance(mapping, str) else mapping
    for device in devices:
        if device.get("source_type") == "snapshot" and device.get("boot_index") == 0:
            return str(device.get("snapshot_id"))
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
