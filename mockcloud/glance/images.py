"""Images: their records."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update

from mockcloud.db.engine import Row
from mockcloud.glance.access import enforce, find_for, is_admin, shared_with, view
from mockcloud.glance.patch import apply_patch
from mockcloud.glance.store import Store
from mockcloud.glance.tables import image_members, images
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query, Reply

DEFAULT_LIMIT, MAX_LIMIT = 25, 1000
FIXED = ("name", "status", "container_format", "disk_format", "owner", "id", "checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "protected")  # fmt: skip  # noqa: E501
READ_ONLY = ("status", "size", "checksum", "os_hash_algo", "os_hash_value", "virtual_size", "created_at", "updated_at", "direct_url", "self", "file", "schema", "locations")  # fmt: skip  # noqa: E501
SORTABLE = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at", "min_disk", "min_ram")


async def list_images(ctx: Context, query: Query) -> Json:
    limit = min(query.get("limit", DEFAULT_LIMIT), MAX_LIMIT)
    statement = select(images).where(*_filters(ctx, query))
    with ctx.db.transaction() as tx:
        try:
            rows, more = page(tx, statement, images, key="id", sort=_sort(query), marker=query.get("marker"), limit=limit)
        except MarkerNotFound as error:
            raise BadRequest("Invalid marker. Image could not be found.") from error
    given = [(name, value) for name, value in query.items() if name != "marker"]
    given += [(name, value) for name, values in query.extra.items() for value in values]
    body: Json = {"images": [view(row) for row in rows], "first": _link(given), "schema": "/v2/schemas/images"}
    if more and rows:
        body["next"] = _link([*given, ("marker", rows[-1]["id"])])
    return body


def _link(parameters: list[tuple[str, Any]]) -> str:
    return "/v2/images" + ("?" + urlencode(parameters, doseq=True) if parameters else "")


def _sort(query: Query) -> list[tuple[str, str]]:
    if "sort" in query:
        pairs = [part.partition(":")[::2] for part in query["sort"].split(",")]
    else:
        keys = query.get("sort_key", ["created_at"])
        directions = query.get("sort_dir", ["desc"])
        pairs = [(key, directions[min(n, len(directions) - 1)]) for n, key in enumerate(keys)]
    for key, direction in pairs:
        if key not in SORTABLE:
            raise BadRequest(f"Invalid sort key: {key}.")
        if direction not in ("asc", "desc", ""):
            raise BadRequest(f"Invalid sort direction: {direction}")
    sort = [(key, direction or "desc") for key, direction in pairs]
    return [*sort, *((key, "desc") for key in ("created_at", "id") if key not in dict(sort))]


def _filters(ctx: Context, query: Query) -> list[ColumnElement[bool]]:
    asked = {name: values[-1] for name, values in query.extra.items()}
    found = [_visibility(ctx, asked.pop("visibility", None), asked.pop("member_status", "accepted"))]
    hidden = asked.pop("os_hidden", "false").lower()
    if hidden not in ("true", "false"):
        raise BadRequest("Invalid value for os_hidden: true or false is expected")
    found.append(images.c.os_hidden.is_(hidden == "true"))
    found += [_has_tag(tag) for tag in query.extra.get("tag", ())]
    asked.pop("tag", None)
    for name, value in asked.items():
        if name in ("size_min", "size_max"):
            if not value.isdecimal():
                raise BadRequest(f"Cannot convert image {name} {value} to an integer.")
            found.append(images.c.size >= int(value) if name == "size_min" else images.c.size <= int(value))
        elif name in FIXED:
            found.append(_column(name, value))
        else:
            found.append(images.c.properties[name].as_string() == value)
    return found


def _column(name: str, value: str) -> ColumnElement[bool]:
    column = images.c[name]
    if name == "protected":
        return column.is_(value.lower() == "true")
    if name in ("min_disk", "min_ram"):
        return column == (int(value) if value.isdecimal() else -1)
    if value.startswith("in:") and name in ("id", "name", "status", "container_format", "disk_format"):
        return column.in_([part.strip('"') for part in value[3:].split(",")])
    return column == value


def _has_tag(tag: str) -> ColumnElement[bool]:
    from sqlalchemy import String, cast

    return cast(images.c.tags, String).contains(f'"{tag}"', autoescape=True)


def _visibility(ctx: Context, asked: str | None, member_status: str) -> ColumnElement[bool]:
    """What a list holds: community images only when asked for, shared ones as far as the member has accepted."""
    own = images.c.owner == ctx.project_id
    shared = and_(images.c.visibility == "shared", images.c.id.in_(shared_with(ctx.project_id, member_status)))
    if asked is None:
        return images.c.id.is_not(None) if is_admin(ctx) else or_(own, images.c.visibility == "public", shared)
    if asked in ("public", "community"):
        return images.c.visibility == asked
    if asked == "private":
        return images.c.visibility == "private" if is_admin(ctx) else and_(images.c.visibility == "private", own)
    if asked == "shared":
        return or_(shared, and_(images.c.visibility == "shared", own))
    if asked == "all":
        return images.c.id.is_not(None) if is_admin(ctx) else or_(own, images.c.visibility.in_(("public", "community")), shared)
    raise BadRequest(f"Invalid visibility value: {asked}")


async def show_image(ctx: Context, image_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return view(find_for(ctx, tx, "get_image", image_id))


async def create_image(ctx: Context, body: Json) -> Reply:
    for name in READ_ONLY:
        if name in body:
            raise Forbidden(f"Attribute '{name}' is read-only.")
    row: Row = {name: body.get(name) for name in ("name", "container_format", "disk_format")}
    row |= {
        "id": body.get("id") or str(uuid.uuid4()),
        "created_at": ctx.now(),
        "updated_at": ctx.now(),
        "status": "queued",
        "visibility": body.get("visibility", "shared"),
        "protected": body.get("protected", False),
        "os_hidden": body.get("os_hidden", False),
        "owner": body.get("owner") or ctx.project_id,
        "min_disk": body.get("min_disk", 0),
        "min_ram": body.get("min_ram", 0),
        "size": None, "virtual_size": None, "checksum": None, "os_hash_algo": None, "os_hash_value": None,
        "tags": sorted(set(body.get("tags", ()))),
        "properties": {name: value for name, value in body.items() if name not in images.c},
    }  # fmt: skip
    enforce(ctx, "add_image", row)
    _check_visibility(ctx, row)
    with ctx.db.transaction() as tx:
        if tx.one(select(images.c.id).where(images.c.id == row["id"])) is not None:
            raise Conflict(f"Image ID {row['id']} already exists!")
        tx.execute(insert(images).values(**row))
    headers = {"Location": ctx.url(f"/v2/images/{row['id']}"), "OpenStack-image-import-methods": "glance-direct"}
    return Reply(view(row), headers=headers)


def _check_visibility(ctx: Context, row: Row) -> None:
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(row["visibility"])
    if rule:
        enforce(ctx, rule, row)


async def update_image(ctx: Context, image_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id)
        changed = apply_patch(row, body)
        if changed["visibility"] != row["visibility"]:
            _check_visibility(ctx, changed)
        if changed["owner"] != row["owner"] and not is_admin(ctx):
            raise Forbidden("You are not permitted to change the owner of an image.")
        changed["updated_at"] = ctx.now()
        tx.execute(update(images).where(images.c.id == image_id).values(**changed))
    return view(changed)


async def delete_image(ctx: Context, image_id: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "delete_image", image_id)
        if row["protected"]:
            raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
        tx.execute(delete(image_members).where(image_members.c.image_id == image_id))
        tx.execute(delete(images).where(images.c.id == image_id))
    ctx.part(Store).delete(image_id)
    ctx.part(Store).delete(f"{image_id}.staged")


async def deactivate_image(ctx: Context, image_id: str) -> None:
    _switch(ctx, image_id, "deactivate", "active", "deactivated")


async def reactivate_image(ctx: Context, image_id: str) -> None:
    _switch(ctx, image_id, "reactivate", "deactivated", "active")


def _switch(ctx: Context, image_id: str, rule: str, old: str, new: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, rule, image_id)
        if row["status"] not in (old, new):
            raise Forbidden(f"Image status transition from {row['status']} to {new} is not allowed")
        tx.execute(update(images).where(images.c.id == image_id).values(status=new, updated_at=ctx.now()))


async def add_image_tag(ctx: Context, image_id: str, tag_value: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id)
        tags = sorted({*row["tags"], tag_value})
        tx.execute(update(images).where(images.c.id == image_id).values(tags=tags, updated_at=ctx.now()))


async def delete_image_tag(ctx: Context, image_id: str, tag_value: str) -> None:
    from mockcloud.http.errors import NotFound

    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id)
        if tag_value not in row["tags"]:
            raise NotFound(f"Image {image_id} does not have the tag {tag_value}.")
        tags = [tag for tag in row["tags"] if tag != tag_value]
        tx.execute(update(images).where(images.c.id == image_id).values(tags=tags, updated_at=ctx.now()))
