"""Who may see an image, and how it looks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true

from mockcloud.db.engine import Row, Transaction
from mockcloud.glance.tables import image_members, images
from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden, NotFound
from mockcloud.http.reply import Json

BASE = (
    "id", "name", "status", "visibility", "protected", "os_hidden", "owner", "container_format", "disk_format", "min_disk", "min_ram",
    "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "tags",
)  # fmt: skip


def is_admin(ctx: Context) -> bool:
    return ctx.can("context_is_admin")


def shared_with(project_id: str, status: str = "all") -> Any:
    """Ids of the images that a project is a member of."""
    wanted = select(image_members.c.image_id).where(image_members.c.member_id == project_id)
    return wanted if status == "all" else wanted.where(image_members.c.status == status)


def visible(ctx: Context, member_status: str = "all") -> ColumnElement[bool]:
    """What the caller may see by id; a shared image as far as its membership has that status."""
    if is_admin(ctx):
        return true()
    shared = and_(images.c.visibility == "shared", images.c.id.in_(shared_with(ctx.project_id, member_status)))
    return or_(images.c.owner == ctx.project_id, images.c.owner.is_(None), images.c.visibility.in_(("public", "community")), shared)


def find(ctx: Context, tx: Transaction, image_id: str, missing: str = "No image found with ID {}") -> Row:
    """404 for what is not there and for what the caller may not see; `missing` words it."""
    row = tx.one(select(images).where(images.c.id == image_id, visible(ctx)))
    if row is None:
        raise NotFound(missing.format(image_id))
    return row


def find_for(ctx: Context, tx: Transaction, rule: str, image_id: str, missing: str = "No image found with ID {}") -> Row:
    row = find(ctx, tx, image_id, missing)
    enforce(ctx, rule, row)
    return row


def enforce(ctx: Context, rule: str, row: Row) -> None:
    """403; 404 where the caller may not even see the image."""
    if allowed(ctx, rule, row):
        return
    if not allowed(ctx, "get_image", row):
        raise NotFound
    refuse(rule)


def refuse(rule: str) -> None:
    raise Forbidden(f"You are not authorized to complete {rule} action.")


def allowed(ctx: Context, rule: str, row: Row) -> bool:
    """`row` may be an image that is only proposed."""
    target = {"project_id": row["owner"], "owner": row["owner"], "visibility": row["visibility"]}
    if row["visibility"] == "shared" and row["owner"] != ctx.project_id:
        target["member_id"] = ctx.project_id  # it is seen through its membership
    return ctx.can(rule, target)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def view(row: Row) -> Json:
    path = f"/v2/images/{row['id']}"
    shown = {name: row[name] for name in BASE}
    return {
        **row["properties"],
        **shown,
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }
