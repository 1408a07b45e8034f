"""Roles, and what they imply."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import assignments, domains, implied_roles
from mockcloud.keystone.tables import roles as roles_table

PROHIBITED = "admin"  # keystone's prohibited_implied_role: nobody becomes admin by the way


def _unique(ctx: Context, tx: Transaction, row: Row) -> None:
    """Names are unique in a domain, and among the global roles: a NULL that no constraint compares."""
    domain = row.get("domain_id")
    if domain is not None and tx.one(select(domains).where(domains.c.id == domain)) is None:
        raise NotFound(f"Could not find domain: {domain}.")
    same = select(roles_table.c.id).where(roles_table.c.name == row["name"], roles_table.c.id != row["id"])
    same = same.where(roles_table.c.domain_id.is_(None) if domain is None else roles_table.c.domain_id == domain)
    if tx.scalar(same) is not None:
        raise Conflict(f"Conflict occurred attempting to store role - {roles.named_twice(row)}.")


def _role_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    tx.execute(delete(assignments).where(assignments.c.role_id == row["id"]))
    both = or_(implied_roles.c.prior_role_id == row["id"], implied_roles.c.implied_role_id == row["id"])
    tx.execute(delete(implied_roles).where(both))


def _rule(verb: str, row: Row) -> str:
    """Roles of a domain have rules of their own. Of a list, `row` is the query."""
    kind = "domain_role" if row.get("domain_id") else "role"
    return f"{verb}_{kind}s" if verb == "list" else f"{verb}_{kind}"


roles = Collection(
    "role",
    roles_table,
    "/v3/roles",
    before_create=_unique,
    before_update=_unique,
    before_delete=_role_gone,
    defaults={"domain_id": None, "description": None, "options": {}},
    filters=lambda ctx, query: [] if query.get("domain_id") else [roles_table.c.domain_id.is_(None)],
    rule=_rule,
)


async def list_implied_roles(ctx: Context, prior_role_id: str) -> Json:
    with ctx.db.transaction() as tx:
        prior = roles.find(tx, prior_role_id)
        implied = select(implied_roles.c.implied_role_id).where(implied_roles.c.prior_role_id == prior_role_id)
        found = tx.all(select(roles_table).where(roles_table.c.id.in_(implied)).order_by(roles_table.c.name))
    inference = {"prior_role": _ref(ctx, prior), "implies": [_ref(ctx, row) for row in found]}
    return {"role_inference": inference, "links": {"self": ctx.url(f"/v3/roles/{prior_role_id}/implies")}}


async def list_role_inferences(ctx: Context) -> Json:
    with ctx.db.transaction() as tx:
        by_id = {row["id"]: row for row in tx.all(select(roles_table))}
        rules: dict[str, list[Row]] = {}
        for rule in tx.all(select(implied_roles)):
            rules.setdefault(rule["prior_role_id"], []).append(by_id[rule["implied_role_id"]])
    found = [{"prior_role": _ref(ctx, by_id[p]), "implies": [_ref(ctx, row) for row in rows]} for p, rows in rules.items()]
    return {"role_inferences": found}


async def show_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> Json:
    with ctx.db.transaction() as tx:
        prior, implied = _implied(tx, prior_role_id, implied_role_id)
    return _inference(ctx, prior, implied)


async def check_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> None:
    with ctx.db.transaction() as tx:
        _implied(tx, prior_role_id, implied_role_id)


async def create_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> Json:
    """Loops are allowed, as in keystone: what is implied is followed once."""
    with ctx.db.transaction() as tx:
        prior, implied = roles.find(tx, prior_role_id), roles.find(tx, implied_role_id)
        if implied["name"] == PROHIBITED:
            raise Forbidden(f"{implied_role_id} cannot be an implied roles.")
        if prior["domain_id"] is None and implied["domain_id"] is not None:
            raise Forbidden("Global role cannot imply a domain-specific role")
        if not _has_rule(tx, prior_role_id, implied_role_id):
            tx.insert(implied_roles, prior_role_id=prior_role_id, implied_role_id=implied_role_id)
    return _inference(ctx, prior, implied)


async def delete_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> None:
    with ctx.db.transaction() as tx:
        _implied(tx, prior_role_id, implied_role_id)
        tx.execute(delete(implied_roles).where(_that(prior_role_id, implied_role_id)))


def _that(prior: str, implied: str) -> ColumnElement[bool]:
    return (implied_roles.c.prior_role_id == prior) & (implied_roles.c.implied_role_id == implied)


def _has_rule(tx: Transaction, prior: str, implied: str) -> bool:
    return tx.one(select(implied_roles).where(_that(prior, implied))) is not None


def _implied(tx: Transaction, prior_id: str, implied_id: str) -> tuple[Row, Row]:
    prior, implied = roles.find(tx, prior_id), roles.find(tx, implied_id)
    if not _has_rule(tx, prior_id, implied_id):
        raise NotFound(f"{prior_id} does not imply {implied_id}.")
    return prior, implied


def _ref(ctx: Context, row: Row) -> Json:
    return {"id": row["id"], "name": row["name"], "links": {"self": ctx.url(f"/v3/roles/{row['id']}")}}


def _inference(ctx: Context, prior: Row, implied: Row) -> Json:
    path = f"/v3/roles/{prior['id']}/implies/{implied['id']}"
    return {"role_inference": {"prior_role": _ref(ctx, prior), "implies": _ref(ctx, implied)}, "links": {"self": ctx.url(path)}}
