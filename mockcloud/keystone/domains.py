"""Domains: the namespaces of users, groups and projects."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import application_credentials, assignments, group_members, groups, projects, roles, users
from mockcloud.keystone.tables import domains as domains_table
from mockcloud.keystone.tokens import Tokens


def _changed_domain(ctx: Context, tx: Transaction, row: Row) -> None:
    if not row["enabled"]:
        _end_tokens(ctx, tx, row["id"])


def _end_tokens(ctx: Context, tx: Transaction, domain_id: str) -> None:
    for table, revoke in ((projects, ctx.part(Tokens).revoke_project), (users, ctx.part(Tokens).revoke_user)):
        for row in tx.all(select(table.c.id).where(table.c.domain_id == domain_id)):
            revoke(tx, row["id"])


def _domain_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    """With everything that is in it."""
    if row["enabled"]:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    _end_tokens(ctx, tx, row["id"])
    theirs = {table: select(table.c.id).where(table.c.domain_id == row["id"]) for table in (projects, users, groups, roles)}
    tx.execute(delete(assignments).where(assignments.c.target_id.in_(theirs[projects]) | (assignments.c.target_id == row["id"])))
    tx.execute(delete(assignments).where(assignments.c.actor_id.in_(theirs[users]) | assignments.c.actor_id.in_(theirs[groups])))
    tx.execute(delete(assignments).where(assignments.c.role_id.in_(theirs[roles])))
    tx.execute(delete(group_members).where(group_members.c.user_id.in_(theirs[users]) | group_members.c.group_id.in_(theirs[groups])))
    mine = application_credentials.c.user_id.in_(theirs[users]) | application_credentials.c.project_id.in_(theirs[projects])
    tx.execute(delete(application_credentials).where(mine))
    tx.execute(update(users).where(users.c.default_project_id.in_(theirs[projects])).values(default_project_id=None))
    for table in theirs:
        tx.execute(delete(table).where(table.c.domain_id == row["id"]))


domains = Collection(
    "domain",
    domains_table,
    "/v3/domains",
    before_update=_changed_domain,
    before_delete=_domain_gone,
    defaults={"enabled": True, "description": "", "tags": [], "options": {}},
    filters=lambda ctx, query: [domains_table.c.id == ctx.domain_id] if ctx.domain_id else [],
    named_twice=lambda row: f"it is not permitted to have two projects acting as domains with the same name: {row['name']}",
)
