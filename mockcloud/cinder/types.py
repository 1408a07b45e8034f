"""Volume types, and which projects may use private ones."""

from __future__ import annotations

import ast
import uuid
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from mockcloud.cinder import faults, listing
from mockcloud.cinder.lookup import DEFAULT_TYPE, default_type, find_type, is_admin, visible_types
from mockcloud.cinder.tables import volume_type_projects, volume_types, volumes
from mockcloud.cinder.views import USER_VISIBLE_EXTRA_SPECS, show_type_row
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json, Query


async def list_types(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        stmt = _filtered(ctx, query)
        unknown = faults.type_not_found(str(query.get("marker")))
        rows = listing.select_page(tx, stmt, volume_types, query, unknown)
    links = listing.next_links(ctx, rows, query, "types")
    return {"volume_types": [show_type_row(ctx, row) for row in rows], **({"volume_type_links": links} if links else {})}


def _filtered(ctx: Context, query: Query) -> Select[Any] | None:
    filters = dict(listing.filters_of(ctx, query, "volume_type")) if ctx.at_least("3.52") else dict(query)
    stmt: Select[Any] | None = visible_types(ctx)
    wanted = _public(filters.get("is_public")) if is_admin(ctx) else None
    if wanted is not None and stmt is not None:
        stmt = stmt.where(volume_types.c.is_public.is_(wanted))
    if (text := filters.get("extra_specs")) is not None and stmt is not None:
        if not ctx.can("volume_extension:types_extra_specs:read_sensitive") and not _only_visible(text):
            return None
        stmt = listing.where_dict(stmt, (volume_types.c.extra_specs,), text)
    return stmt


def _public(asked: str | None) -> bool | None:
    """Administrators see the public types unless they ask for others; none means both."""
    if asked is None:
        return True
    if asked.strip().lower() == "none":
        return None
    if asked.strip().lower() not in listing.TRUE + listing.FALSE:
        raise BadRequest(f"Invalid is_public filter [{asked}]")
    return listing.is_true(asked)


def _only_visible(text: str) -> bool:
    try:
        return set(ast.literal_eval(text)) <= set(USER_VISIBLE_EXTRA_SPECS)
    except (ValueError, SyntaxError, TypeError):
        return False


async def create_type(ctx: Context, body: Json) -> Json:
    asked = body["volume_type"]
    values = {
        "created_at": ctx.now(),
        "name": asked["name"],
        "description": asked.get("description"),
        "is_public": listing.is_true(asked.get("os-volume-type-access:is_public", True)),
        "extra_specs": asked.get("extra_specs", {}),
    }
    with ctx.db.transaction() as tx:
        _check_name(tx, asked["name"])
        type_id = tx.insert(volume_types, id=str(uuid.uuid4()), **values)
        return {"volume_type": show_type_row(ctx, find_type(ctx, tx, type_id))}


def _check_name(tx: Transaction, name: str, besides: str = "") -> None:
    if tx.one(select(volume_types.c.id).where(volume_types.c.name == name, volume_types.c.id != besides)):
        raise Conflict(f"Volume Type {name} already exists.")


async def show_type(ctx: Context, type_id: str) -> Json:
    with ctx.db.transaction() as tx:
        row = default_type(tx) if type_id == "default" else find_type(ctx, tx, type_id)
    return {"volume_type": show_type_row(ctx, row)}


async def update_type(ctx: Context, type_id: str, body: Json) -> Json:
    asked = body["volume_type"]
    name = asked.get("name")
    if name and not name.strip():
        raise BadRequest("Volume type name can not be empty.")
    values = {column: asked[column] for column in ("name", "description") if asked.get(column) is not None}
    if asked.get("is_public") is not None:
        values["is_public"] = listing.is_true(asked["is_public"])
    if not values:
        raise BadRequest("Specify volume type name, description, is_public or a combination thereof.")
    with ctx.db.transaction() as tx:
        find_type(ctx, tx, type_id)
        if name:
            _check_name(tx, name, besides=type_id)
        tx.execute(update(volume_types).where(volume_types.c.id == type_id).values(updated_at=ctx.now(), **values))
        return {"volume_type": show_type_row(ctx, find_type(ctx, tx, type_id))}


async def delete_type(ctx: Context, type_id: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_type(ctx, tx, type_id)
        if row["name"] == DEFAULT_TYPE:
            raise BadRequest(f"The volume type {type_id} is a default volume type and cannot be deleted.")
        if tx.scalar(select(func.count()).select_from(volumes).where(volumes.c.volume_type_id == type_id)):
            raise BadRequest("Target volume type is still in use.")
        tx.execute(delete(volume_type_projects).where(volume_type_projects.c.volume_type_id == type_id))
        tx.execute(delete(volume_types).where(volume_types.c.id == type_id))


async def list_type_access(ctx: Context, type_id: str) -> Json:
    with ctx.db.transaction() as tx:
        if find_type(ctx, tx, type_id)["is_public"]:
            raise NotFound("Access list not available for public volume types.")
        rows = tx.all(select(volume_type_projects).where(volume_type_projects.c.volume_type_id == type_id))
    return {"volume_type_access": [{"volume_type_id": row["volume_type_id"], "project_id": row["project_id"]} for row in rows]}


async def add_type_access(ctx: Context, type_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        _check_private(find_type(ctx, tx, type_id))
        if _has_access(tx, type_id, body["project"]):
            raise Conflict(f"Volume type access for {type_id} / {body['project']} combination already exists.")
        tx.insert(volume_type_projects, volume_type_id=type_id, project_id=body["project"])


async def remove_type_access(ctx: Context, type_id: str, body: Json) -> None:
    with ctx.db.transaction() as tx:
        _check_private(find_type(ctx, tx, type_id))
        if not _has_access(tx, type_id, body["project"]):
            raise NotFound(f"Volume type access not found for {type_id} / {body['project']} combination.")
        given = (volume_type_projects.c.volume_type_id == type_id, volume_type_projects.c.project_id == body["project"])
        tx.execute(delete(volume_type_projects).where(*given))


def _check_private(row: Row) -> None:
    if row["is_public"]:
        raise BadRequest("Invalid volume type: Type access modification is not applicable to public volume type.")


def _has_access(tx: Transaction, type_id: str, project_id: str) -> bool:
    stmt = select(volume_type_projects)
    given = (volume_type_projects.c.volume_type_id == type_id, volume_type_projects.c.project_id == project_id)
    return tx.one(stmt.where(*given)) is not None
