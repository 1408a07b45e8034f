"""Who may see an image, and how it looks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, true

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
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


def shared_with(project_id: Any, status: str = "all") -> Any:
    """Ids of the images that a project is a member of."""
    wanted = select(image_members.c.image_id).where(image_members.c.member_id == project_id)
    return wanted if status == "all" else wanted.where(image_members.c.status == status)


def visible(ctx: Context, member_status: str = "all") -> ColumnElement[bool]:
    """What the caller may see by id; a shared image as far as its membership has that status."""
    return true() if is_admin(ctx) else _open_to(ctx.project_id, member_status)


def _open_to(project_id: Any, member_status: str = "all") -> ColumnElement[bool]:
    """`project_id` is one, or the parameter that stands for it."""
    shared = and_(images.c.visibility == "shared", images.c.id.in_(shared_with(project_id, member_status)))
    for_all = or_(images.c.visibility == "public", images.c.visibility == "community")
    return or_(images.c.owner == project_id, images.c.owner.is_(None), for_all, shared)


_BY_ID = select(images).where(images.c.id == bindparam("id"))
_ANY, _OPEN = Prepared(_BY_ID), Prepared(_BY_ID.where(_open_to(bindparam("project_id"))))


def find(ctx: Context, tx: Transaction, image_id: str, missing: str = "No image found with ID {}") -> Row:
    """404 for what is not there and for what the caller may not see; `missing` words it."""
    row = tx.one(_ANY, id=image_id) if is_admin(ctx) else tx.one(_OPEN, id=image_id, project_id=ctx.project_id)
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
