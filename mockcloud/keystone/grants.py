"""Giving roles and taking them: one set of operations for each pair of actor and target, which differ in their paths only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Table, delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden, NotFound
from mockcloud.http.reply import Json, Reply
from mockcloud.keystone.roles import roles
from mockcloud.keystone.tables import application_credentials, assignments, domains, groups, projects, users
from mockcloud.keystone.tables import roles as roles_table

TABLES: dict[str, Table] = {"user": users, "group": groups, "project": projects, "domain": domains, "role": roles_table}
PAIRS = [(target, actor, False) for target in ("project", "domain", "system") for actor in ("user", "group")]
INHERITED = [(target, actor, True) for target in ("project", "domain") for actor in ("user", "group")]

Act = Callable[[Context, Transaction, Row], Any]


class _Grants:
    def operations(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        made: dict[str, Callable[..., Awaitable[Any]]] = {}
        for target, actor, inherited in (*PAIRS, *INHERITED):
            end = f"{'inherited_' if inherited else ''}{target}_{actor}_role"
            acts = {f"check_{end}": _check, f"grant_{end}": _grant, f"revoke_{end}": _revoke}
            if not (inherited and target == "project"):  # keystone has no such list
                acts[f"list_{end}s"] = _list
            made |= {name: _bound(act, target, actor, inherited) for name, act in acts.items()}
        return made


grants = _Grants()


def _bound(act: Act, target: str, actor: str, inherited: bool) -> Callable[..., Awaitable[Any]]:
    async def operation(ctx: Context, **path: str) -> Any:
        row: Row = {"actor_type": actor, "actor_id": path[f"{actor}_id"], "target_type": target, "inherited": inherited}
        row["target_id"] = path.get(f"{target}_id", "system")
        if "role_id" in path:
            row["role_id"] = path["role_id"]
        with ctx.db.transaction() as tx:
            return act(ctx, tx, row)

    return operation


def _list(ctx: Context, tx: Transaction, row: Row) -> Json:
    _allow(ctx, tx, "list_grants", row)
    ids = [found["role_id"] for found in tx.all(select(assignments.c.role_id).where(*_where(row)))]
    rows = tx.all(select(roles_table).where(roles_table.c.id.in_(ids)).order_by(roles_table.c.name))
    return {"roles": [roles.shown(ctx, role) for role in rows], "links": {"self": ctx.url(_path(row)), "previous": None, "next": None}}


def _check(ctx: Context, tx: Transaction, row: Row) -> Reply:
    _allow(ctx, tx, "check_grant", row)
    if tx.one(select(assignments).where(*_where(row))) is None:
        raise _no_such(row)
    return Reply(status=204)


def _grant(ctx: Context, tx: Transaction, row: Row) -> None:
    known = _allow(ctx, tx, "create_grant", row)
    role_domain = known["role"]["domain_id"]
    if role_domain is not None and role_domain != _domain_of(row, known):
        raise Forbidden(f"Project {row['target_id']} must be in the same domain as the role {row['role_id']} being assigned.")
    if tx.one(select(assignments).where(*_where(row))) is None:
        tx.insert(assignments, **row)


def _revoke(ctx: Context, tx: Transaction, row: Row) -> None:
    """Tokens lose the role with their next validation; application credentials that had it are gone."""
    _allow(ctx, tx, "revoke_grant", row)
    if tx.execute(delete(assignments).where(*_where(row))) == 0:
        raise _no_such(row)
    if row["actor_type"] == "user" and row["target_type"] == "project":
        theirs = (application_credentials.c.user_id == row["actor_id"]) & (application_credentials.c.project_id == row["target_id"])
        tx.execute(delete(application_credentials).where(theirs))


def _where(row: Row) -> list[Any]:
    return [assignments.c[name] == value for name, value in row.items()]


def _no_such(row: Row) -> NotFound:
    return NotFound(
        f"Could not find role assignment with role: {row['role_id']}, user or group: {row['actor_id']}, "
        f"project, domain, or system: {row['target_id']}."
    )


def _allow(ctx: Context, tx: Transaction, rule: str, row: Row) -> dict[str, Row]:
    """What the path names, by kind. 403 for who may not, before 404 for what is not there."""
    named = {row["actor_type"]: row["actor_id"], row["target_type"]: row["target_id"]}
    if "role_id" in row:
        named["role"] = row["role_id"]
    named.pop("system", None)
    known = {kind: tx.one(select(TABLES[kind]).where(TABLES[kind].c.id == id_)) for kind, id_ in named.items()}
    if row["target_type"] == "system":
        verb, _, noun = rule.partition("_")
        rule = f"{verb}_system_{noun}_for_{row['actor_type']}"
    ctx.enforce(f"identity:{rule}", _target(known))
    for kind, id_ in named.items():
        if known[kind] is None:
            raise NotFound(f"Could not find {kind}: {id_}.")
    return {kind: found for kind, found in known.items() if found is not None}


def _target(known: dict[str, Row | None]) -> dict[str, Any]:
    """`target.<kind>.<attribute>`. A role without a domain says so: its rules compare with None."""
    found = {}
    for kind, row in known.items():
        for name, value in (row or {}).items():
            if isinstance(value, str) or (kind == "role" and name == "domain_id"):
                found[f"target.{kind}.{name}"] = value
    return found


def _domain_of(row: Row, known: dict[str, Row]) -> str | None:
    target = known.get(row["target_type"])
    if target is None:
        return None
    return str(target["id"] if row["target_type"] == "domain" else target["domain_id"])


def _path(row: Row) -> str:
    target = "system" if row["target_type"] == "system" else f"{row['target_type']}s/{row['target_id']}"
    path = f"{target}/{row['actor_type']}s/{row['actor_id']}/roles"
    return f"/v3/OS-INHERIT/{path}/inherited_to_projects" if row["inherited"] else f"/v3/{path}"
