"""Nova's own way to images, until 2.35: it asks glance in the caller's name and shows the answer in nova's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden, InternalError, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.nova.image_checks import properties_of
from mockcloud.nova.links import limit_of, links, next_links

FILTERS = {"name": "name", "type": "image_type", "minRam": "min_ram", "minDisk": "min_disk", "marker": "marker"}  # nova's word: glance's
STATUSES = {
    "active": "ACTIVE", "queued": "SAVING", "saving": "SAVING", "deleted": "DELETED", "pending_delete": "DELETED", "killed": "ERROR",
}  # fmt: skip
PROGRESS = {"queued": 25, "saving": 50, "active": 100}


async def list_nova_images(ctx: Context, query: Query) -> Json:
    images = await _found(ctx, query)
    shown = [{"id": image["id"], "name": image["name"], "links": _links(ctx, image)} for image in images]
    return _listed(ctx, query, "images", images, shown)


async def list_nova_images_detail(ctx: Context, query: Query) -> Json:
    images = await _found(ctx, query)
    return _listed(ctx, query, "images/detail", images, [_view(ctx, image) for image in images])


async def show_nova_image(ctx: Context, image_id: str) -> Json:
    answer = await ctx.rest.get("image", f"/v2/images/{image_id}")
    if not answer.ok:
        raise NotFound("Image not found.")
    return {"image": _view(ctx, answer.json())}


async def delete_nova_image(ctx: Context, image_id: str) -> None:
    answer = await ctx.rest.delete("image", f"/v2/images/{image_id}")
    if answer.status == 403:
        raise Forbidden("You are not allowed to delete the image.")
    if answer.status == 404:
        raise NotFound("Image not found.")
    if not answer.ok:
        raise InternalError(f"glance answered {answer.status}")


async def _found(ctx: Context, query: Query) -> list[Json]:
    answer = await ctx.rest.get("image", "/v2/images", params=_asked(query))
    if answer.status == 400:
        raise BadRequest(answer.message())
    if not answer.ok:
        raise InternalError(f"glance answered {answer.status}")
    images: list[Json] = answer.json()["images"]
    return images


def _asked(query: Query) -> dict[str, Any]:
    """Glance's query for nova's. Properties are `property-NAME` here and plain names there."""
    asked: dict[str, Any] = {"limit": limit_of(query)}
    asked |= {theirs: query[ours] for ours, theirs in FILTERS.items() if ours in query}
    asked |= {name.removeprefix("property-"): values[-1] for name, values in query.extra.items() if name.startswith("property-")}
    if "status" in query:
        asked["status"] = query["status"].lower()
    if "server" in query:
        asked["instance_uuid"] = query["server"].rsplit("/", 1)[-1]
    if "changes-since" in query:
        asked["updated_at"] = f"gte:{query['changes-since']}"
    return asked


def _listed(ctx: Context, query: Query, path: str, images: list[Json], shown: list[Json]) -> Json:
    more = next_links(ctx, query, path, images, "id")
    return {"images": shown} | ({"images_links": more} if more else {})


def _links(ctx: Context, image: Mapping[str, Any]) -> list[dict[str, str]]:
    glance = ctx.service.runtime.urls["glance"]
    alternate = {"rel": "alternate", "type": "application/vnd.openstack.image", "href": f"{glance}/images/{image['id']}"}
    return [*links(ctx, "images", image["id"]), alternate]


def _view(ctx: Context, image: Mapping[str, Any]) -> Json:
    properties = properties_of(image)
    shown: Json = {
        "id": image["id"],
        "name": image["name"],
        "minRam": int(image["min_ram"] or 0),
        "minDisk": int(image["min_disk"] or 0),
        "metadata": properties,
        "created": image["created_at"],
        "updated": image["updated_at"],
        "status": STATUSES.get(image["status"], "UNKNOWN"),
        "progress": PROGRESS.get(image["status"], 0),
        "OS-EXT-IMG-SIZE:size": image["size"],
        "links": _links(ctx, image),
    }
    if (server_id := properties.get("instance_uuid")) is not None:
        shown["server"] = {"id": server_id, "links": links(ctx, "servers", server_id)}
    if (automatic := properties.get("auto_disk_config")) is not None:
        shown["OS-DCF:diskConfig"] = "AUTO" if str(automatic).lower() in ("1", "true", "t", "yes", "y", "on") else "MANUAL"
    return shown
