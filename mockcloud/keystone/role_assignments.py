"""Who has which role where: as it was given, or as it comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import select

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query
from mockcloud.keystone import roles_of
from mockcloud.keystone.grants import TABLES
from mockcloud.keystone.projects import projects
from mockcloud.keystone.tables import assignments, group_members
from mockcloud.keystone.tables import projects as projects_table

EXCLUSIVE = (
    ("scope.domain.id", "scope.project.id", "Specify a domain or project, not both"),
    ("scope.domain.id", "scope.system", "Specify system or domain, not both"),
    ("scope.project.id", "scope.system", "Specify system or project, not both"),
    ("user.id", "group.id", "Specify a user or group, not both"),
)
FILTERS = {
    "user.id": ("user", "actor"), "group.id": ("group", "actor"), "scope.project.id": ("project", "target"),
    "scope.domain.id": ("domain", "target"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role of one actor at one target. The last four are the grant that it comes from."""

    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    role_id: str
    inherited: bool
    group_id: str = ""  # through this membership
    from_type: str = ""  # inherited from there
    from_id: str = ""
    prior_role_id: str = ""  # implied by this role

    def fits(self, query: Query) -> bool:
        for name, (kind, side) in FILTERS.items():
            if query.get(name) and (getattr(self, f"{side}_type"), getattr(self, f"{side}_id")) != (kind, query[name]):
                return False
        if query.get("role.id") and self.role_id != query["role.id"]:
            return False
        return "scope.system" not in query or self.target_type == "system"


async def list_role_assignments(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        subtree = _allow(ctx, tx, query)
        _check(query)
        found = [Assignment(**row) for row in tx.all(select(assignments))]
        if "scope.OS-INHERIT:inherited_to" in query:
            found = [one for one in found if one.inherited == (query["scope.OS-INHERIT:inherited_to"] == "projects")]
        if _is_set(query, "effective"):
            found = list({_place(one): one for one in _effective(tx, found)}.values())
        if subtree:
            rest = Query({name: value for name, value in query.items() if name != "scope.project.id"})
            found = [one for one in found if one.fits(rest) and one.target_id in subtree]
        found = [one for one in found if (subtree or one.fits(query)) and _in_own_domain(ctx, tx, one)]
        shown = [_shown(ctx, tx, one, _is_set(query, "include_names")) for one in found]
    return {"role_assignments": shown, "links": {"self": ctx.url("/v3/role_assignments"), "previous": None, "next": None}}


def _allow(ctx: Context, tx: Transaction, query: Query) -> set[str]:
    """The projects of the tree that is asked for, if one is."""
    if not _is_set(query, "include_subtree"):
        ctx.enforce("identity:list_role_assignments", {"target.domain_id": ctx.domain_id} if ctx.domain_id else {})
        return set()
    root = query.get("scope.project.id")
    row = projects.find(tx, root) if root else None
    ctx.enforce("identity:list_role_assignments_for_tree", {"target.domain_id": row["domain_id"]} if row else {})
    if row is None:
        raise BadRequest("scope.project.id must be specified if include_subtree is also specified")
    every = tx.all(select(projects_table))
    return {row["id"]} | {one["id"] for one in every if row["id"] in roles_of.ancestors(tx, one)}


def _check(query: Query) -> None:
    for one, other, message in EXCLUSIVE:
        if query.get(one) and query.get(other):
            raise BadRequest(message)
    if _is_set(query, "effective"):
        if query.get("group.id"):
            raise BadRequest("Combining effective and group filter will always result in an empty list.")
        if "scope.OS-INHERIT:inherited_to" in query and query.get("scope.domain.id"):
            raise BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")


def _effective(tx: Transaction, given: list[Assignment]) -> Iterator[Assignment]:
    """Every role of every user, through groups, inheritance and implication; what is direct comes last."""
    every = tx.all(select(projects_table))
    for one in sorted(given, key=lambda one: (one.actor_type == "user", not one.inherited)):
        members = [one]
        if one.actor_type == "group":
            rows = tx.all(select(group_members.c.user_id).where(group_members.c.group_id == one.actor_id))
            members = [replace(one, actor_type="user", actor_id=row["user_id"], group_id=one.actor_id) for row in rows]
        for member in members:
            for placed in _placed(tx, member, every):
                for role in sorted(roles_of.with_implied(tx, [one.role_id]) - {one.role_id}):
                    yield replace(placed, role_id=role, prior_role_id=one.role_id)
                yield placed


def _placed(tx: Transaction, one: Assignment, every: list[Json]) -> Iterator[Assignment]:
    if not one.inherited:
        yield one
        return
    for row in every:
        if one.target_id in (row["domain_id"], *roles_of.ancestors(tx, row)):
            here = replace(one, target_type="project", target_id=row["id"], inherited=False)
            yield replace(here, from_type=one.target_type, from_id=one.target_id)


def _place(one: Assignment) -> tuple[str, ...]:
    return one.actor_id, one.target_type, one.target_id, one.role_id


def _in_own_domain(ctx: Context, tx: Transaction, one: Assignment) -> bool:
    """A domain's reader sees what is given in his domain."""
    if not ctx.domain_id:
        return True
    if one.target_type == "project":
        return bool(projects.find(tx, one.target_id)["domain_id"] == ctx.domain_id)
    return one.target_id == ctx.domain_id


def _is_set(query: Query, name: str) -> bool:
    return name in query and query[name] not in ("0", "false", "False")


def _shown(ctx: Context, tx: Transaction, one: Assignment, names: bool) -> Json:
    scope: Json = {"system": {"all": True}}
    if one.target_type != "system":
        scope = {one.target_type: _named(tx, one.target_type, one.target_id, names)}
    if one.inherited or one.from_id:
        scope["OS-INHERIT:inherited_to"] = "projects"
    actor = {one.actor_type: _named(tx, one.actor_type, one.actor_id, names)}
    return {**actor, "scope": scope, "role": _named(tx, "role", one.role_id, names), "links": _links(ctx, one)}


def _links(ctx: Context, one: Assignment) -> Json:
    """The grant behind it, the membership, and the implication."""
    kind, id_ = (one.from_type, one.from_id) if one.from_id else (one.target_type, one.target_id)
    path = "/system" if kind == "system" else f"/{kind}s/{id_}"
    path += f"/groups/{one.group_id}" if one.group_id else f"/{one.actor_type}s/{one.actor_id}"
    path += f"/roles/{one.prior_role_id or one.role_id}"
    if one.inherited or one.from_id:
        path = f"/OS-INHERIT{path}/inherited_to_projects"
    links = {"assignment": ctx.url(f"/v3{path}")}
    if one.group_id:
        links["membership"] = ctx.url(f"/v3/groups/{one.group_id}/users/{one.actor_id}")
    if one.prior_role_id:
        links["prior_role"] = ctx.url(f"/v3/prior_role/{one.prior_role_id}/implies/{one.role_id}")
    return links


def _named(tx: Transaction, kind: str, id_: str, names: bool) -> Json:
    if not names:
        return {"id": id_}
    row = tx.one(select(TABLES[kind]).where(TABLES[kind].c.id == id_)) or {"name": ""}
    found: Json = {"id": id_, "name": row["name"]}
    if row.get("domain_id"):
        found["domain"] = _named(tx, "domain", row["domain_id"], True)
    return found
