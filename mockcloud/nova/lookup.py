"""Servers by id, as far as the caller may see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.nova.tables import instances


def is_admin(ctx: Context) -> bool:
    return ctx.can("context_is_admin")


def own(ctx: Context, stmt: Select[Any]) -> Select[Any]:
    """Only the caller's project's servers, unless an administrator asks."""
    return stmt if is_admin(ctx) else stmt.where(instances.c.project_id == ctx.project_id)


def find_server(ctx: Context, tx: Transaction, server_id: str, rule: str = "") -> Row:
    """The row of a server that is not deleted. Another project's is not there; `rule` is enforced on its owner."""
    row = tx.one(own(ctx, select(instances).where(instances.c.uuid == server_id, instances.c.deleted_at.is_(None))))
    if row is None:
        raise NotFound(f"Instance {server_id} could not be found.")
    if rule:
        ctx.enforce(rule, owner(row))
    return row


def owner(row: Row) -> dict[str, Any]:
    """A server as the target of a policy."""
    return {"project_id": row["project_id"], "user_id": row["user_id"], "tenant_id": row["project_id"]}
