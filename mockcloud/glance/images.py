"""Images: their records."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, insert, select, update

from mockcloud.db.engine import Row
from mockcloud.glance.access import enforce, find, find_for, is_admin, refuse, view
from mockcloud.glance.filters import conditions, read_limit, read_sort
from mockcloud.glance.notices import tell
from mockcloud.glance.patch import apply_changes, read_changes
from mockcloud.glance.record import check_quota, check_record, is_reserved, read_only, reserved
from mockcloud.glance.store import Store
from mockcloud.glance.tables import image_members, images
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query, Reply

IMPORT_METHODS = ("glance-direct",)
REFUSED = ("direct_url", "self", "file", "schema", "stores")
MADE_BY_GLANCE = ("created_at", "updated_at", "status", "checksum", "size", "virtual_size")
RESERVED_AT_CREATION = ("locations", *REFUSED)
IGNORED = ("os_hash_algo", "os_hash_value")  # accepted and without effect, as in glance


async def list_images(ctx: Context, query: Query) -> Json:
    limit, sort = read_limit(query.get("limit")), read_sort(query)
    statement = select(images).where(*conditions(ctx, query))
    with ctx.db.transaction() as tx:
        try:
            rows, _ = page(tx, statement, images, key="id", sort=sort, marker=query.get("marker"), limit=limit)
        except MarkerNotFound as error:
            raise BadRequest(f"No image found with ID {error.marker}") from None
    given: dict[str, Any] = {name: value for name, value in {**query, **query.extra}.items() if name != "marker"}
    body: Json = {"images": [view(row) for row in rows], "first": _link(given), "schema": "/v2/schemas/images"}
    if rows and len(rows) == limit:  # as glance: a full page has a next one, even where that is empty
        body["next"] = _link({**given, "marker": rows[-1]["id"]})
    return body


def _link(parameters: Mapping[str, Any]) -> str:
    return "/v2/images" + ("?" + urlencode(parameters, doseq=True) if parameters else "")


async def show_image(ctx: Context, image_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return view(find_for(ctx, tx, "get_image", image_id))


async def create_image(ctx: Context, body: Json) -> Reply:
    _check_names(body)
    row = _new(ctx, body)
    _check_may_add(ctx, row)
    check_record(row)
    with ctx.db.transaction() as tx:
        if tx.one(select(images.c.id).where(images.c.id == row["id"])) is not None:
            raise Conflict(f"Image ID {row['id']} already exists!")
        tx.execute(insert(images).values(**row))
    await tell(ctx, "create", row)
    headers = {"Location": ctx.url(f"/v2/images/{row['id']}"), "OpenStack-image-import-methods": ",".join(IMPORT_METHODS)}
    return Reply(view(row), headers=headers)


def _check_names(body: Json) -> None:
    """What a client may not choose."""
    for name in (*REFUSED, *MADE_BY_GLANCE):
        if name in body:
            raise read_only(name)
    for name in body:
        if len(name) > 255:
            raise BadRequest("Custom property should not be greater than 255 characters.")
        if is_reserved(name) or name in RESERVED_AT_CREATION:
            raise reserved(name)


def _new(ctx: Context, body: Json) -> Row:
    row: Row = {name: body.get(name) for name in ("name", "container_format", "disk_format")}
    return row | {
        "id": body.get("id") or str(uuid.uuid4()),
        "created_at": ctx.now(),
        "updated_at": ctx.now(),
        "status": "queued",
        "visibility": body.get("visibility", "shared"),
        "protected": body.get("protected", False),
        "os_hidden": body.get("os_hidden", False),
        "owner": body.get("owner", ctx.project_id),
        "min_disk": body.get("min_disk", 0),
        "min_ram": body.get("min_ram", 0),
        "size": None, "virtual_size": None, "checksum": None, "os_hash_algo": None, "os_hash_value": None,
        "tags": sorted(set(body.get("tags", ()))),
        "properties": {name: value for name, value in body.items() if name not in images.c and name not in IGNORED},
    }  # fmt: skip


def _check_may_add(ctx: Context, row: Row) -> None:
    target = {"project_id": row["owner"], "owner": row["owner"], "visibility": row["visibility"]}
    if not ctx.can("add_image", target):
        if row["owner"] != ctx.project_id:
            raise Forbidden(detail=f"You are not permitted to create images owned by '{row['owner']}'")
        refuse("add_image")
    _check_visibility(ctx, row["visibility"], target)


def _check_visibility(ctx: Context, visibility: str, target: dict[str, Any]) -> None:
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(visibility)
    if rule and not ctx.can(rule, target):
        refuse(rule)


async def update_image(ctx: Context, image_id: str, body: Json, headers: Mapping[str, str]) -> Json:
    changes = read_changes(body, headers["content-type"].partition(";")[0].strip().lower())
    with ctx.db.transaction() as tx:
        row = find(ctx, tx, image_id)
        if not changes:
            return view(row)
        for change in changes:
            if change.name == "visibility" and change.op != "remove":
                _check_visibility(ctx, change.value, {"project_id": row["owner"], "owner": row["owner"]})
        enforce(ctx, "modify_image", row)
        changed = apply_changes(row, changes)
        if changed["owner"] != row["owner"] and not is_admin(ctx):
            raise Forbidden(detail="Owner can't be updated by non admin.")
        check_record(changed)
        changed["updated_at"] = ctx.now()
        tx.execute(update(images).where(images.c.id == image_id).values(**changed))
    await tell(ctx, "update", changed)
    return view(changed)


async def delete_image(ctx: Context, image_id: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "delete_image", image_id, "Failed to find image {} to delete")
        if row["protected"]:
            raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
        tx.execute(delete(image_members).where(image_members.c.image_id == image_id))
        tx.execute(delete(images).where(images.c.id == image_id))
    ctx.part(Store).delete(image_id)
    ctx.part(Store).delete(f"{image_id}.staged")
    await tell(ctx, "delete", row, deleted=True, deleted_at=f"{ctx.now().isoformat(timespec='seconds')}Z")


async def deactivate_image(ctx: Context, image_id: str) -> None:
    _switch(ctx, image_id, "deactivate", "active", "deactivated")


async def reactivate_image(ctx: Context, image_id: str) -> None:
    _switch(ctx, image_id, "reactivate", "deactivated", "active")


def _switch(ctx: Context, image_id: str, rule: str, old: str, new: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, rule, image_id)
        if row["status"] not in (old, new):
            raise Forbidden(f"Not allowed to {rule} image in status '{row['status']}'")
        if row["status"] == old:
            tx.execute(update(images).where(images.c.id == image_id).values(status=new, updated_at=ctx.now()))


async def add_image_tag(ctx: Context, image_id: str, tag_value: str) -> None:
    if len(tag_value) > 255:
        raise BadRequest(f"Provided object does not match schema 'image': '{tag_value}' is too long")
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id, "Image {} not found.")
        tags = sorted({*row["tags"], tag_value})
        check_quota("image tags", len(tags))
        tx.execute(update(images).where(images.c.id == image_id).values(tags=tags, updated_at=ctx.now()))


async def delete_image_tag(ctx: Context, image_id: str, tag_value: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id, "Image {} not found.")
        if tag_value not in row["tags"]:
            raise NotFound
        tags = [tag for tag in row["tags"] if tag != tag_value]
        tx.execute(update(images).where(images.c.id == image_id).values(tags=tags, updated_at=ctx.now()))
