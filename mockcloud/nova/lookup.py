"""Servers and flavors by id, as far as the caller may see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.nova.build_requests import find_request
from mockcloud.nova.tables import flavor_projects, flavors, instances

_SERVER = Prepared(select(instances).where(instances.c.uuid == bindparam("uuid"), instances.c.deleted_at.is_(None)))


def is_admin(ctx: Context) -> bool:
    return ctx.can("context_is_admin")


def own(ctx: Context, stmt: Select[Any]) -> Select[Any]:
    """Only the caller's project's servers, unless an administrator asks."""
    return stmt if is_admin(ctx) else stmt.where(instances.c.project_id == ctx.project_id)


def find_server(ctx: Context, tx: Transaction, server_id: str, rule: str = "") -> Row:
    """The row of a server that is not deleted, with or without a cell. Another project's is not there; `rule` is enforced on its owner."""
    row = tx.one(_SERVER, uuid=server_id) or find_request(tx, server_id)
    if row is None or not (row["project_id"] == ctx.project_id or is_admin(ctx)):
        raise NotFound(f"Instance {server_id} could not be found.")
    if rule:
        ctx.enforce(rule, owner(row))
    return row


def owner(row: Row) -> dict[str, Any]:
    """A server as the target of a policy."""
    return {"project_id": row["project_id"], "user_id": row["user_id"], "tenant_id": row["project_id"]}


def visible_flavors(ctx: Context) -> Select[Any]:
    """Public flavors, and the private ones that the caller's project was given."""
    return select(flavors) if is_admin(ctx) else _open_to(ctx.project_id)


def _open_to(project_id: Any) -> Select[Any]:
    """`project_id` is one, or the parameter that stands for it."""
    given = select(flavor_projects.c.flavor_id).where(flavor_projects.c.project_id == project_id)
    return select(flavors).where(or_(flavors.c.is_public, flavors.c.id.in_(given)))


_ANY_FLAVOR = Prepared(select(flavors).where(flavors.c.flavorid == bindparam("id")))
_OPEN_FLAVOR = Prepared(_open_to(bindparam("project_id")).where(flavors.c.flavorid == bindparam("id")))


def find_flavor(ctx: Context, tx: Transaction, flavor_id: str) -> Row:
    """By the id that the API shows (column `flavorid`)."""
    row = tx.one(_ANY_FLAVOR, id=flavor_id) if is_admin(ctx) else tx.one(_OPEN_FLAVOR, id=flavor_id, project_id=ctx.project_id)
    if row is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.")
    return row
