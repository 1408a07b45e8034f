"""Flavors: what a server may be."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Select, delete, or_, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.patterns import BadPattern, matcher
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict
from mockcloud.http.reply import Json, Query
from mockcloud.nova.links import links, next_links, select_page
from mockcloud.nova.lookup import find_flavor, is_admin, visible_flavors
from mockcloud.nova.tables import flavor_projects, flavors
from mockcloud.nova.values import is_true, strict_bool

HUGE = 2**63 - 1  # what a database still compares


async def list_flavors(ctx: Context, query: Query) -> Json:
    rows = _page(ctx, query)
    shown = [_brief(ctx, row) for row in rows]
    return _listed(shown, next_links(ctx, query, "flavors", rows, "flavorid"))


async def list_flavors_detail(ctx: Context, query: Query) -> Json:
    rows = _page(ctx, query)
    shown = [_view(ctx, row) for row in rows]
    return _listed(shown, next_links(ctx, query, "flavors/detail", rows, "flavorid"))


async def show_flavor(ctx: Context, flavor_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"flavor": _view(ctx, find_flavor(ctx, tx, flavor_id))}


async def create_flavor(ctx: Context, body: Json) -> Json:
    asked = body["flavor"]
    values = {
        "flavorid": str(asked.get("id") or uuid.uuid4()),
        "name": asked["name"],
        "description": asked.get("description"),
        "memory_mb": int(asked["ram"]),
        "vcpus": int(asked["vcpus"]),
        "root_gb": int(asked["disk"]),
        "ephemeral_gb": int(asked.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        "swap": int(asked.get("swap", 0)),
        "rxtx_factor": _rxtx_factor(asked.get("rxtx_factor", 1.0)),
        "is_public": is_true(asked.get("os-flavor-access:is_public", True)),
    }
    with ctx.db.transaction() as tx:
        _check_own(tx, values)
        tx.insert(flavors, created_at=ctx.now(), **values)
        return {"flavor": _view(ctx, find_flavor(ctx, tx, values["flavorid"]))}


def _rxtx_factor(value: Any) -> float:
    factor = float(value)
    if not 0 < factor <= 3.40282e38:
        raise BadRequest("Invalid input received: 'rxtx_factor' argument must be a float between 0 and 3.40282e+38")
    return factor


def _check_own(tx: Transaction, values: dict[str, Any]) -> None:
    """An id and a name stand for one flavor."""
    if tx.one(select(flavors.c.id).where(flavors.c.flavorid == values["flavorid"])):
        raise Conflict(f"Flavor with ID {values['flavorid']} already exists.")
    if tx.one(select(flavors.c.id).where(flavors.c.name == values["name"])):
        raise Conflict(f"Flavor with name {values['name']} already exists.")


async def update_flavor(ctx: Context, flavor_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        changed = {"description": body["flavor"]["description"], "updated_at": ctx.now()}
        tx.execute(update(flavors).where(flavors.c.id == row["id"]).values(**changed))
        return {"flavor": _view(ctx, {**row, **changed})}


async def delete_flavor(ctx: Context, flavor_id: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        tx.execute(delete(flavor_projects).where(flavor_projects.c.flavor_id == row["id"]))
        tx.execute(delete(flavors).where(flavors.c.id == row["id"]))


def _page(ctx: Context, query: Query) -> list[Row]:
    stmt = _filtered(ctx, query)
    sort_key, sort_dir = query.get("sort_key") or "flavorid", query.get("sort_dir") or "asc"
    order = [(name, sort_dir) for name in (sort_key, "id") if name in flavors.c]
    with ctx.db.transaction() as tx:
        return select_page(tx, stmt, flavors, query, key="flavorid", sort=order)


def _filtered(ctx: Context, query: Query) -> Select[Any]:
    public = _public(query.get("is_public")) if is_admin(ctx) else True
    stmt = visible_flavors(ctx)
    if public:  # and those that the project was given
        given = select(flavor_projects.c.flavor_id).where(flavor_projects.c.project_id == ctx.project_id)
        stmt = stmt.where(or_(flavors.c.is_public, flavors.c.id.in_(given)))
    elif public is not None:
        stmt = stmt.where(flavors.c.is_public.is_(False))
    if not is_admin(ctx):
        stmt = stmt.where(flavors.c.disabled.is_(False))
    for name, column in (("minRam", flavors.c.memory_mb), ("minDisk", flavors.c.root_gb)):
        if name in query:
            stmt = stmt.where(column >= _number(name, query[name]))
    if "name" in query:
        stmt = stmt.where(flavors.c.name.regexp_match(_pattern(query["name"])))
    return stmt


def _public(asked: str | None) -> bool | None:
    """Administrators see the public flavors unless they ask for others; none means both."""
    if asked is None:
        return True
    if asked.lower() == "none":
        return None
    try:
        return strict_bool(asked)
    except ValueError:
        raise BadRequest(f"Invalid is_public filter [{asked}]") from None


def _number(name: str, value: str) -> int:
    try:
        return min(int(value), HUGE)
    except ValueError:
        raise BadRequest(f"Invalid {name} filter [{value}]") from None


def _pattern(text: str) -> str:
    try:
        matcher(text)
    except BadPattern as error:
        raise BadRequest(f"Invalid name filter [{text}]: {error}") from None
    return text


def _listed(shown: list[Json], following: Json) -> Json:
    return {"flavors": shown, **({"flavors_links": following} if following else {})}


def _brief(ctx: Context, row: Row) -> Json:
    id = row["flavorid"]
    return {"id": id, "name": row["name"], "description": row["description"], "links": links(ctx, "flavors", id)}


def _view(ctx: Context, row: Row) -> Json:
    no_swap = 0 if ctx.at_least("2.75") else ""
    shown = _brief(ctx, row) | {
        "ram": row["memory_mb"],
        "disk": row["root_gb"],
        "swap": row["swap"] or no_swap,
        "OS-FLV-EXT-DATA:ephemeral": row["ephemeral_gb"],
        "OS-FLV-DISABLED:disabled": row["disabled"],
        "vcpus": row["vcpus"],
        "os-flavor-access:is_public": row["is_public"],
        "rxtx_factor": row["rxtx_factor"],
    }
    if ctx.can("os_compute_api:os-flavor-extra-specs:index"):
        shown["extra_specs"] = row["extra_specs"]
    return shown
