"""Import of staged data: asked for here, done in the background."""

from __future__ import annotations

import asyncio
import logging

from mockcloud.db.engine import Row
from mockcloud.glance.access import enforce, find
from mockcloud.glance.images import IMPORT_METHODS
from mockcloud.glance.notices import tell
from mockcloud.glance.states import activate, move, take_back
from mockcloud.glance.store import Store
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict
from mockcloud.http.reply import Json

log = logging.getLogger(__name__)


async def import_image(ctx: Context, image_id: str, body: Json) -> None:
    _check_body(body)
    with ctx.db.transaction() as tx:
        row = find(ctx, tx, image_id)
        _check_state(row)
        enforce(ctx, "modify_image", row)
        if not body.get("all_stores_must_succeed", True):
            raise BadRequest("All_stores_must_succeed can only be set with enabled_backends None")
        if not ctx.part(Store).exists(_staged(image_id)) or not move(ctx, tx, image_id, "uploading", "importing"):
            raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
    ctx.spawn(_import(ctx, row))


def _staged(image_id: str) -> str:
    return f"{image_id}.staged"


def _check_body(body: Json) -> None:
    if not isinstance(body, dict) or "method" not in body:
        raise BadRequest("Import request requires a 'method' field.")
    if not isinstance(body["method"], dict) or "name" not in body["method"]:
        raise BadRequest("Import request requires a 'name' field.")
    if body["method"]["name"] not in IMPORT_METHODS:
        raise BadRequest(f"Unknown import method name '{body['method']['name']}'.")
    for name in ("all_stores_must_succeed", "all_stores"):
        if not isinstance(body.get(name, True), bool):
            raise BadRequest(f"'{name}' must be boolean value only")


def _check_state(row: Row) -> None:
    if row["status"] == "active":
        raise Conflict("Image with status active cannot be target for import")
    if row["status"] != "uploading":
        raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
    for name in ("container_format", "disk_format"):
        if not row[name]:
            raise Conflict(f"'{name}' needs to be set before import")


async def _import(ctx: Context, row: Row) -> None:
    store, image_id = ctx.part(Store), row["id"]
    try:
        written = await asyncio.to_thread(store.measure, _staged(image_id))
        store.rename(_staged(image_id), image_id)
        active = activate(ctx, row, written)
    except (ApiError, OSError) as error:
        log.warning("import of image %s failed: %s", image_id, getattr(error, "detail", "") or error)
        store.delete(image_id)
        store.delete(_staged(image_id))
        take_back(ctx, image_id, "importing")
        return
    await tell(ctx, "upload", active)
    await tell(ctx, "activate", active)
