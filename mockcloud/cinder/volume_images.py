"""Between volumes and images: upload, re-image, and what a volume remembers of its image."""

from __future__ import annotations

from sqlalchemy import update

from mockcloud.cinder import faults, states
from mockcloud.cinder.images import check_image, fetch_image, new_image
from mockcloud.cinder.listing import is_true
from mockcloud.cinder.lookup import apply, attachments_of, find_type, find_volume
from mockcloud.cinder.rpc import cast_manager
from mockcloud.cinder.tables import volumes
from mockcloud.cinder.views import show_type_row, shown_time
from mockcloud.clients import EndpointDown
from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json


async def upload_volume_image(ctx: Context, volume_id: str, body: Json) -> Json:
    wanted = _wanted_image(ctx, body)
    change = states.FORCED_UPLOAD if is_true(body.get("force", False)) else states.UPLOAD
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        if not apply(tx, volumes, volume, change, ctx.now()):
            raise faults.invalid_volume(f"Volume {volume_id} status must be {states.either(change.allowed or ())}")
        type_view = show_type_row(ctx, find_type(ctx, tx, volume["volume_type_id"]))
    image = await _create_image(ctx, volume, wanted)
    await cast_manager(ctx, volume, "copy_volume_to_image", volume_id=volume_id, image_id=image["id"])
    view = {
        "id": volume_id,
        "updated_at": shown_time(volume["updated_at"]),
        "status": "uploading",
        "display_description": volume["display_description"],
        "size": volume["size"],
        "volume_type": type_view,
        "image_id": image["id"],
        "container_format": image["container_format"],
        "disk_format": image["disk_format"],
        "image_name": image.get("name"),
    }
    return {"os-volume_upload_image": view | {name: image[name] for name in ("visibility", "protected") if name in image}}


def _wanted_image(ctx: Context, body: Json) -> Json:
    wanted = {
        "name": body["image_name"],
        "disk_format": body.get("disk_format", "raw"),
        "container_format": body.get("container_format", "bare"),
    }
    if ctx.at_least("3.1"):
        wanted |= {"visibility": body.get("visibility", "private"), "protected": is_true(body.get("protected", False))}
        if wanted["visibility"] == "public":
            ctx.enforce("volume_extension:volume_actions:upload_public")
    return wanted


async def _create_image(ctx: Context, volume: Row, wanted: Json) -> Json:
    """The image record; when glance refuses it the volume is as it was."""
    try:
        answer = await ctx.rest.post("image", "/v2/images", json=new_image(volume, wanted))
        if answer.ok:
            return answer.json()
        refusal = answer.message()
    except EndpointDown as error:
        refusal = str(error)
    _take_back(ctx, volume, "uploading")
    raise BadRequest(refusal)


def _take_back(ctx: Context, volume: Row, status: str) -> None:
    with ctx.db.transaction() as tx:
        back = states.Change(volume["status"], (status,))
        apply(tx, volumes, volume, back, ctx.now(), previous_status=None)


async def reimage_volume(ctx: Context, volume_id: str, body: Json) -> None:
    change = states.REIMAGE_RESERVED if is_true(body.get("reimage_reserved", False)) else states.REIMAGE
    with ctx.db.transaction() as tx:
        volume = find_volume(ctx, tx, volume_id)
        if volume["status"] == "reserved":
            ctx.enforce("volume:reimage_reserved", volume)
        if len(attachments_of(tx, volume_id)) > 1:
            raise Conflict("Cannot re-image a volume which is attached to more than one server.")
        if not apply(tx, volumes, volume, change, ctx.now()):
            expected = states.either(change.allowed or ())
            raise faults.invalid_volume(f"Volume {volume_id} status must be {expected}, but current status is {volume['status']}.")
    try:
        check_image(await fetch_image(ctx.rest, body["image_id"]), volume["size"])
    except (ApiError, EndpointDown) as error:
        _take_back(ctx, volume, "downloading")
        raise error if isinstance(error, ApiError) else BadRequest(str(error)) from None
    await cast_manager(ctx, volume, "reimage", volume_id=volume_id, image_id=body["image_id"])


async def show_volume_image_metadata(ctx: Context, volume_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"metadata": find_volume(ctx, tx, volume_id)["glance_metadata"]}


async def set_volume_image_metadata(ctx: Context, volume_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        kept = {**find_volume(ctx, tx, volume_id)["glance_metadata"], **body["metadata"]}
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(glance_metadata=kept))
    return {"metadata": kept}


async def unset_volume_image_metadata(ctx: Context, volume_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        known = find_volume(ctx, tx, volume_id)["glance_metadata"]
        if body["key"] not in known:
            raise NotFound(f"Glance metadata for volume/snapshot {volume_id} cannot be found.")
        kept = {name: value for name, value in known.items() if name != body["key"]}
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(glance_metadata=kept))
