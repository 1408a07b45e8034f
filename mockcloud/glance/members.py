"""Who an image is shared with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, func, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.glance.access import allowed, enforce, find, is_admin, stamp
from mockcloud.glance.record import QUOTA
from mockcloud.glance.tables import image_members
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from mockcloud.http.reply import Json

STATUSES = ("pending", "accepted", "rejected")


async def list_image_members(ctx: Context, image_id: str) -> Json:
    """All of them for the owner; a member sees itself."""
    with ctx.db.transaction() as tx:
        image = _image(ctx, tx, image_id)
        if image["visibility"] != "shared":
            raise Forbidden(f"Not allowed to list members for image {image_id}: Only shared images have members.")
        enforce(ctx, "get_members", image)
        return {"members": [_view(row) for row in tx.all(_members(ctx, image))], "schema": "/v2/schemas/members"}


async def show_image_member(ctx: Context, image_id: str, member_id: str) -> Json:
    with ctx.db.transaction() as tx:
        image = _image(ctx, tx, image_id)
        if image["visibility"] != "shared" or not allowed(ctx, "get_member", image):
            raise NotFound("Only shared images have members.")
        return _view(_member(ctx, tx, image, member_id))


async def create_image_member(ctx: Context, image_id: str, body: Json) -> Json:
    member_id = _member_id(body)
    with ctx.db.transaction() as tx:
        image = _image(ctx, tx, image_id)
        if image["visibility"] != "shared":
            raise Forbidden(f"Not allowed to create members for image {image_id}.")
        enforce(ctx, "add_member", image)
        if tx.one(_members(ctx, image, member_id)) is not None:
            raise Conflict(f"Member {member_id} is duplicated for image {image_id}")
        _check_quota(tx, image_id)
        row: Row = {"image_id": image_id, "member_id": member_id, "status": "pending", "created_at": ctx.now(), "updated_at": ctx.now()}
        tx.insert(image_members, **row)
    return _view(row)


def _member_id(body: Json) -> str:
    if not isinstance(body, dict):
        raise BadRequest('Expected a member in the form: {"member": "image_id"}')
    if "member" not in body:
        raise BadRequest("Member to be added not specified")
    if not body["member"]:
        raise BadRequest("Member can't be empty")
    if not isinstance(body["member"], str) or len(body["member"]) > 255:
        raise BadRequest(f"Invalid value '{body['member']}' for parameter 'member'")
    return str(body["member"])


def _check_quota(tx: Transaction, image_id: str) -> None:
    attempted = tx.scalar(select(func.count()).where(image_members.c.image_id == image_id)) + 1
    if attempted > QUOTA:
        raise TooLarge(
            f"Image member limit exceeded for image {image_id}: The limit has been exceeded on the number of allowed image members "
            f"for this image. Attempted: {attempted}, Maximum: {QUOTA}:"
        )


async def update_image_member(ctx: Context, image_id: str, member_id: str, body: Json) -> Json:
    """By the member itself: the owner cannot accept for it."""
    if not isinstance(body, dict):
        raise BadRequest('Expected a status in the form: {"status": "status"}')
    if "status" not in body:
        raise BadRequest("Status not specified")
    with ctx.db.transaction() as tx:
        image = _image(ctx, tx, image_id)
        if image["visibility"] != "shared":
            raise Forbidden(f"Not allowed to update members for image {image_id}.")
        row = _member(ctx, tx, image, member_id)
        enforce(ctx, "modify_member", image)
        if body["status"] not in STATUSES:
            raise BadRequest('Incorrect request: Status must be "pending", "accepted" or "rejected".')
        changed: Row = {"status": body["status"], "updated_at": ctx.now()}
        tx.execute(update(image_members).where(_key(image_id, member_id)).values(**changed))
    return _view(row | changed)


async def delete_image_member(ctx: Context, image_id: str, member_id: str) -> None:
    with ctx.db.transaction() as tx:
        image = _image(ctx, tx, image_id)
        if image["visibility"] != "shared":
            raise Forbidden(f"Not allowed to delete members for image {image_id}.")
        _member(ctx, tx, image, member_id)
        enforce(ctx, "delete_member", image)
        tx.execute(delete(image_members).where(_key(image_id, member_id)))


def _image(ctx: Context, tx: Transaction, image_id: str) -> Row:
    return find(ctx, tx, image_id, "Image {} not found.")


def _key(image_id: str, member_id: str) -> Any:
    return (image_members.c.image_id == image_id) & (image_members.c.member_id == member_id)


def _members(ctx: Context, image: Row, member_id: str | None = None) -> Select[Any]:
    """Those that the caller may know of."""
    statement = select(image_members).where(image_members.c.image_id == image["id"]).order_by(image_members.c.created_at)
    if image["owner"] != ctx.project_id and not is_admin(ctx):
        statement = statement.where(image_members.c.member_id == ctx.project_id)
    return statement if member_id is None else statement.where(image_members.c.member_id == member_id)


def _member(ctx: Context, tx: Transaction, image: Row, member_id: str) -> Row:
    row = tx.one(_members(ctx, image, member_id))
    if row is None:
        raise NotFound(f"{member_id} not found in the member list of the image {image['id']}.")
    return row


def _view(row: Row) -> Json:
    moments = {name: stamp(row[name]) for name in ("created_at", "updated_at")}
    return {"member_id": row["member_id"], "image_id": row["image_id"], "status": row["status"], "schema": "/v2/schemas/member", **moments}
