"""Groups of users. Who is in them stands with the users."""

from __future__ import annotations

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import assignments, domains, group_members
from mockcloud.keystone.tables import groups as groups_table


def _new_group(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.one(select(domains).where(domains.c.id == row["domain_id"])) is None:
        raise NotFound(f"Could not find domain: {row['domain_id']}.")


def _group_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    tx.execute(delete(group_members).where(group_members.c.group_id == row["id"]))
    tx.execute(delete(assignments).where(assignments.c.actor_type == "group", assignments.c.actor_id == row["id"]))


groups = Collection(
    "group",
    groups_table,
    "/v3/groups",
    before_create=_new_group,
    before_delete=_group_gone,
    defaults={"description": ""},
)
