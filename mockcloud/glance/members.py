"""Members: the projects that a shared image is shared with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.glance.access import enforce, find, is_admin, stamp
from mockcloud.glance.tables import image_members
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json


async def list_image_members(ctx: Context, image_id: str) -> Json:
    """All of them for the owner; a member sees itself."""
    with ctx.db.transaction() as tx:
        image = _shared(ctx, tx, image_id, "get_members")
        statement = select(image_members).where(image_members.c.image_id == image_id)
        if image["owner"] != ctx.project_id and not is_admin(ctx):
            statement = statement.where(image_members.c.member_id == ctx.project_id)
        return {"members": [_view(row) for row in tx.all(statement)], "schema": "/v2/schemas/members"}


async def show_image_member(ctx: Context, image_id: str, member_id: str) -> Json:
    with ctx.db.transaction() as tx:
        image = _shared(ctx, tx, image_id, "get_member")
        if ctx.project_id not in (image["owner"], member_id) and not is_admin(ctx):
            raise _unknown(image_id)
        return _view(_find(tx, image_id, member_id))


async def create_image_member(ctx: Context, image_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        image = _shared(ctx, tx, image_id, "add_member")
        if image["visibility"] != "shared":
            raise Forbidden("Only shared images have members.")
        member = body["member"]
        if tx.one(_one(image_id, member)) is not None:
            raise Conflict(f"Member {member} is duplicated for image {image_id}")
        row: Row = {"image_id": image_id, "member_id": member, "status": "pending", "created_at": ctx.now(), "updated_at": ctx.now()}
        tx.insert(image_members, **row)
    return _view(row)


async def update_image_member(ctx: Context, image_id: str, member_id: str, body: Json) -> Json:
    """By the member itself: the owner cannot accept for it."""
    with ctx.db.transaction() as tx:
        find(ctx, tx, image_id)
        if ctx.project_id != member_id and not is_admin(ctx):
            raise Forbidden("You are not authorized to complete modify_member action.")
        row = _find(tx, image_id, member_id) | {"status": body["status"], "updated_at": ctx.now()}
        mine = (image_members.c.image_id == image_id) & (image_members.c.member_id == member_id)
        tx.execute(update(image_members).where(mine).values(status=row["status"], updated_at=row["updated_at"]))
    return _view(row)


async def delete_image_member(ctx: Context, image_id: str, member_id: str) -> None:
    with ctx.db.transaction() as tx:
        _shared(ctx, tx, image_id, "delete_member")
        _find(tx, image_id, member_id)
        mine = (image_members.c.image_id == image_id) & (image_members.c.member_id == member_id)
        tx.execute(delete(image_members).where(mine))


def _shared(ctx: Context, tx: Transaction, image_id: str, rule: str) -> Row:
    image = find(ctx, tx, image_id)
    enforce(ctx, rule, image)
    return image


def _one(image_id: str, member_id: str) -> Select[Any]:
    return select(image_members).where(image_members.c.image_id == image_id, image_members.c.member_id == member_id)


def _find(tx: Transaction, image_id: str, member_id: str) -> Row:
    row = tx.one(_one(image_id, member_id))
    if row is None:
        raise NotFound(f"{member_id} not found in the member list of the image {image_id}.")
    return row


def _unknown(image_id: str) -> NotFound:
    return NotFound(f"No image found with ID {image_id}")


def _view(row: Row) -> Json:
    moments = {name: stamp(row[name]) for name in ("created_at", "updated_at")}
    return {"member_id": row["member_id"], "image_id": row["image_id"], "status": row["status"], "schema": "/v2/schemas/member", **moments}
