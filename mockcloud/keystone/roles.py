"""Roles, what they imply, and who has which where."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden, NotFound
from mockcloud.http.reply import Json, Query, Reply
from mockcloud.keystone import roles_of
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import assignments, domains, groups, implied_roles, projects, users
from mockcloud.keystone.tables import roles as roles_table


def _role_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    tx.execute(delete(assignments).where(assignments.c.role_id == row["id"]))
    both = or_(implied_roles.c.prior_role_id == row["id"], implied_roles.c.implied_role_id == row["id"])
    tx.execute(delete(implied_roles).where(both))


def _unique(ctx: Context, tx: Transaction, row: Row) -> None:
    from mockcloud.http.errors import Conflict

    same = select(roles_table.c.id).where(roles_table.c.name == row["name"], roles_table.c.id != row["id"])
    domain = row.get("domain_id")
    same = same.where(roles_table.c.domain_id.is_(None) if domain is None else roles_table.c.domain_id == domain)
    if tx.scalar(same) is not None:
        raise Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {row['name']}.")


roles = Collection(
    "role",
    roles_table,
    "/v3/roles",
    before_create=_unique,
    before_update=_unique,
    before_delete=_role_gone,
    defaults={"domain_id": None, "description": None, "options": {}},
)

# implied roles


async def list_implied_roles(ctx: Context, prior_role_id: str) -> Json:
    with ctx.db.transaction() as tx:
        prior = roles.find(tx, prior_role_id)
        implied = tx.all(select(implied_roles.c.implied_role_id).where(implied_roles.c.prior_role_id == prior_role_id))
        found = [roles.find(tx, row["implied_role_id"]) for row in implied]
    inference = {"prior_role": _ref(ctx, prior), "implies": [_ref(ctx, row) for row in found]}
    return {"role_inference": inference, "links": {"self": ctx.url(f"/v3/roles/{prior_role_id}/implies")}}


async def list_role_inferences(ctx: Context) -> Json:
    with ctx.db.transaction() as tx:
        by_id = {row["id"]: row for row in tx.all(select(roles_table))}
        rules: dict[str, list[Row]] = {}
        for rule in tx.all(select(implied_roles)):
            rules.setdefault(rule["prior_role_id"], []).append(by_id[rule["implied_role_id"]])
    found = [{"prior_role": _ref(ctx, by_id[p]), "implies": [_ref(ctx, row) for row in rows]} for p, rows in rules.items()]
    return {"role_inferences": found, "links": {"self": ctx.url("/v3/role_inferences")}}


async def show_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> Json:
    with ctx.db.transaction() as tx:
        prior, implied = _implied(tx, prior_role_id, implied_role_id)
    return _inference(ctx, prior, implied)


async def check_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> None:
    with ctx.db.transaction() as tx:
        _implied(tx, prior_role_id, implied_role_id)


async def create_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> Json:
    with ctx.db.transaction() as tx:
        prior, implied = roles.find(tx, prior_role_id), roles.find(tx, implied_role_id)
        if prior_role_id in roles_of.with_implied(tx, [implied_role_id]):
            raise Forbidden(f"Creating an implied role from {implied['name']} to {prior['name']} would make a loop.")
        if not _has_rule(tx, prior_role_id, implied_role_id):
            tx.insert(implied_roles, prior_role_id=prior_role_id, implied_role_id=implied_role_id)
    return _inference(ctx, prior, implied)


async def delete_implied_role(ctx: Context, prior_role_id: str, implied_role_id: str) -> None:
    with ctx.db.transaction() as tx:
        _implied(tx, prior_role_id, implied_role_id)
        rule = (implied_roles.c.prior_role_id == prior_role_id) & (implied_roles.c.implied_role_id == implied_role_id)
        tx.execute(delete(implied_roles).where(rule))


def _has_rule(tx: Transaction, prior: str, implied: str) -> bool:
    rule = (implied_roles.c.prior_role_id == prior) & (implied_roles.c.implied_role_id == implied)
    return tx.one(select(implied_roles).where(rule)) is not None


def _implied(tx: Transaction, prior_id: str, implied_id: str) -> tuple[Row, Row]:
    prior, implied = roles.find(tx, prior_id), roles.find(tx, implied_id)
    if not _has_rule(tx, prior_id, implied_id):
        raise NotFound(f"{prior_id} does not imply {implied_id}.")
    return prior, implied


def _ref(ctx: Context, row: Row) -> Json:
    return {"id": row["id"], "name": row["name"], "description": row["description"], "links": {"self": ctx.url(f"/v3/roles/{row['id']}")}}


def _inference(ctx: Context, prior: Row, implied: Row) -> Json:
    path = f"/v3/roles/{prior['id']}/implies/{implied['id']}"
    return {"role_inference": {"prior_role": _ref(ctx, prior), "implies": _ref(ctx, implied)}, "links": {"self": ctx.url(path)}}


# assignments


async def list_role_assignments(ctx: Context, query: Query) -> Json:
    rows = _assignments(ctx, query)
    names = "include_names" in query and query["include_names"] is not False
    with ctx.db.transaction() as tx:
        found = [_assignment(ctx, tx, row, names) for row in rows]
    links = {"self": ctx.url("/v3/role_assignments"), "previous": None, "next": None}
    return {"role_assignments": found, "links": links}


FILTERS = {
    "user.id": ("user", "actor"), "group.id": ("group", "actor"), "scope.project.id": ("project", "target"),
    "scope.domain.id": ("domain", "target"),
}  # fmt: skip


def _assignments(ctx: Context, query: Query) -> list[Row]:
    effective = "effective" in query and query["effective"] is not False
    with ctx.db.transaction() as tx:
        rows = tx.all(select(assignments))
        if effective:
            rows = _effective(tx, rows)
    for name, (kind, side) in FILTERS.items():
        if name in query:
            rows = [row for row in rows if row[f"{side}_type"] == kind and row[f"{side}_id"] == query[name]]
    if "role.id" in query:
        rows = [row for row in rows if row["role_id"] == query["role.id"]]
    if "scope.system" in query:
        rows = [row for row in rows if row["target_type"] == "system"]
    if "scope.OS-INHERIT:inherited_to" in query:
        rows = [row for row in rows if row["inherited"]]
    return rows


def _effective(tx: Transaction, rows: list[Row]) -> list[Row]:
    """Every role of every user, through groups, inheritance and implication."""
    all_projects = tx.all(select(projects))
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        actors = [row["actor_id"]]
        if row["actor_type"] == "group":
            actors = [m["user_id"] for m in tx.all(_members(row["actor_id"]))]
        targets = [(row["target_type"], row["target_id"])]
        if row["inherited"]:
            targets = [("project", p["id"]) for p in all_projects if row["target_id"] in (p["domain_id"], *roles_of.ancestors(tx, p))]
        for actor in actors:
            for kind, target in targets:
                for role in roles_of.with_implied(tx, [row["role_id"]]):
                    found[actor, kind, target, role] = {
                        "actor_type": "user", "actor_id": actor, "target_type": kind, "target_id": target, "role_id": role,
                        "inherited": False,
                    }  # fmt: skip
    return list(found.values())


def _members(group_id: str) -> Any:
    from mockcloud.keystone.tables import group_members

    return select(group_members.c.user_id).where(group_members.c.group_id == group_id)


TABLES: dict[str, Table] = {"user": users, "group": groups, "project": projects, "domain": domains}


def _assignment(ctx: Context, tx: Transaction, row: Row, names: bool) -> Json:
    role: Json = {"id": row["role_id"]}
    if names:
        role["name"] = tx.scalar(select(roles_table.c.name).where(roles_table.c.id == row["role_id"]))
    scope: Json = {"system": {"all": True}}
    path = "system"
    if row["target_type"] != "system":
        scope = {row["target_type"]: _named(tx, row["target_type"], row["target_id"], names)}
        path = f"{row['target_type']}s/{row['target_id']}"
    if row["inherited"]:
        scope["OS-INHERIT:inherited_to"] = "projects"
    link = ctx.url(f"/v3/{path}/{row['actor_type']}s/{row['actor_id']}/roles/{row['role_id']}")
    actor = {row["actor_type"]: _named(tx, row["actor_type"], row["actor_id"], names)}
    return {**actor, "scope": scope, "role": role, "links": {"assignment": link}}


def _named(tx: Transaction, kind: str, id_: str, names: bool) -> Json:
    if not names:
        return {"id": id_}
    row = tx.one(select(TABLES[kind]).where(TABLES[kind].c.id == id_)) or {"name": None}
    found: Json = {"id": id_, "name": row["name"]}
    if row.get("domain_id"):
        found["domain"] = _named(tx, "domain", row["domain_id"], True)
    return found


class _Grants:
    """The grant operations: one set for each pair of actor and target, which differ in their paths only."""

    PAIRS = [(target, actor) for target in ("project", "domain", "system") for actor in ("user", "group")]

    def operations(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for target, actor in self.PAIRS:
            end = f"{target}_{actor}_role"
            made[f"list_{end}s"] = _bound(_list_grants, target, actor)
            made[f"check_{end}"] = _bound(_check_grant, target, actor)
            made[f"grant_{end}"] = _bound(_grant, target, actor)
            made[f"revoke_{end}"] = _bound(_revoke_grant, target, actor)
        return made


def _bound(call: Any, target: str, actor: str) -> Any:
    async def operation(ctx: Context, **path: str) -> Any:
        with ctx.db.transaction() as tx:
            return call(ctx, tx, _grant_row(tx, target, actor, path))

    return operation


def _grant_row(tx: Transaction, target: str, actor: str, path: dict[str, str]) -> Row:
    """The assignment a path names; 404 for what is not there."""
    row: Row = {"actor_type": actor, "actor_id": path[f"{actor}_id"], "target_type": target, "inherited": False}
    row["target_id"] = path.get(f"{target}_id", "system")
    for kind, id_ in ((actor, row["actor_id"]), (target, row["target_id"])):
        if kind != "system" and tx.one(select(TABLES[kind]).where(TABLES[kind].c.id == id_)) is None:
            raise NotFound(f"Could not find {kind}: {id_}.")
    if "role_id" in path:
        row["role_id"] = roles.find(tx, path["role_id"])["id"]
    return row


def _where(row: Row) -> Any:
    return [assignments.c[name] == value for name, value in row.items()]


def _list_grants(ctx: Context, tx: Transaction, row: Row) -> Json:
    _allow_grant(ctx, "list_grants", row)
    ids = [found["role_id"] for found in tx.all(select(assignments.c.role_id).where(*_where(row)))]
    rows = tx.all(select(roles_table).where(roles_table.c.id.in_(ids)))
    return {"roles": [roles.shown(ctx, role) for role in rows], "links": {"self": ctx.url("/v3/roles"), "previous": None, "next": None}}


def _check_grant(ctx: Context, tx: Transaction, row: Row) -> Reply:
    _allow_grant(ctx, "check_grant", row)
    if tx.one(select(assignments).where(*_where(row))) is None:
        raise NotFound(f"Could not find role assignment with role: {row['role_id']}, user or group: {row['actor_id']}, project, domain, or system: {row['target_id']}.")  # fmt: skip  # noqa: E501
    return Reply(status=204)


def _grant(ctx: Context, tx: Transaction, row: Row) -> None:
    _allow_grant(ctx, "create_grant", row)
    if tx.one(select(assignments).where(*_where(row))) is None:
        tx.insert(assignments, **row)


def _revoke_grant(ctx: Context, tx: Transaction, row: Row) -> None:
    """Tokens lose the role with their next validation."""
    _allow_grant(ctx, "revoke_grant", row)
    if tx.execute(delete(assignments).where(*_where(row))) == 0:
        raise NotFound(f"Could not find role assignment with role: {row['role_id']}, user or group: {row['actor_id']}, project, domain, or system: {row['target_id']}.")  # fmt: skip  # noqa: E501


def _allow_grant(ctx: Context, rule: str, row: Row) -> None:
    if row["target_type"] == "system":
        verb, _, noun = rule.partition("_")
        rule = f"{verb}_system_{noun}_for_{row['actor_type']}"
    ctx.enforce(f"identity:{rule}", {f"target.{row['target_type']}.id": row["target_id"]})


grants = _Grants()
