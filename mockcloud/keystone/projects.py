"""Projects: the tree that resources belong to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden
from mockcloud.http.reply import Json, Query
from mockcloud.keystone import roles_of
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import application_credentials, assignments, users
from mockcloud.keystone.tables import domains as domains_table
from mockcloud.keystone.tables import projects as projects_table
from mockcloud.keystone.tokens import Tokens

MAX_DEPTH = 5  # keystone's max_project_tree_depth


def project_view(ctx: Context, row: Row) -> Json:
    shown = {name: value for name, value in row.items() if name != "extra"}
    links = {"self": ctx.url(f"/v3/projects/{row['id']}")}
    return {**(row.get("extra") or {}), **shown, "is_domain": False, "links": links}


def _new_project(ctx: Context, tx: Transaction, row: Row) -> None:
    if row["extra"].pop("is_domain", False):
        raise BadRequest("Domains are made at /v3/domains.")
    if tx.one(select(domains_table).where(domains_table.c.id == row["domain_id"])) is None:
        raise BadRequest(f"Could not find domain: {row['domain_id']}.")
    row["parent_id"] = row.get("parent_id") or row["domain_id"]
    if row["parent_id"] != row["domain_id"]:
        _check_parent(tx, row)


def _check_parent(tx: Transaction, row: Row) -> None:
    parent = tx.one(select(projects_table).where(projects_table.c.id == row["parent_id"]))
    if parent is None:
        if tx.one(select(domains_table).where(domains_table.c.id == row["parent_id"])) is None:
            raise BadRequest(f"Could not find project: {row['parent_id']}.")
        raise BadRequest(
            f"Cannot create project, the parent ({row['parent_id']}) is acting as a domain, but this project's domain id "
            f"({row['domain_id']}) does not match the parent's id."
        )
    if parent["domain_id"] != row["domain_id"]:
        raise BadRequest(
            f"Cannot create project, since it specifies its domain_id {row['domain_id']}, but specifies a parent in a different domain "
            f"({parent['domain_id']})."
        )
    above = [parent["id"], *roles_of.ancestors(tx, parent)]
    disabled = tx.scalar(select(projects_table.c.id).where(projects_table.c.id.in_(above), projects_table.c.enabled.is_(False)).limit(1))
    if disabled is not None:
        raise BadRequest(f"cannot create a project in a branch containing a disabled project: {disabled}")
    if len(above) >= MAX_DEPTH:
        raise Forbidden(f"Max hierarchy depth reached for {parent['id']} branch.")


def _changed_project(ctx: Context, tx: Transaction, row: Row) -> None:
    """A disabled project's tokens end at once, and do not come back with it."""
    if row["extra"].pop("is_domain", False):
        raise BadRequest("Update of `is_domain` is not allowed.")
    old = projects.find(tx, row["id"])
    if row["parent_id"] != old["parent_id"]:
        raise Forbidden("Update of `parent_id` is not allowed.")
    if old["enabled"] and not row["enabled"]:
        if any(child["enabled"] for child in _below(tx, row["id"])):
            raise Forbidden(f"Cannot disable project {row['id']} since its subtree contains enabled projects.")
        ctx.part(Tokens).revoke_project(tx, row["id"])


def _project_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if _below(tx, row["id"]):
        raise Forbidden(
            f"Cannot delete the project {row['id']} since it is not a leaf in the hierarchy. Use the cascade option if you want to "
            "delete a whole subtree."
        )
    ctx.part(Tokens).revoke_project(tx, row["id"])
    tx.execute(delete(assignments).where(assignments.c.target_type == "project", assignments.c.target_id == row["id"]))
    tx.execute(delete(application_credentials).where(application_credentials.c.project_id == row["id"]))
    tx.execute(update(users).where(users.c.default_project_id == row["id"]).values(default_project_id=None))


def _below(tx: Transaction, project_id: str) -> list[Row]:
    """The whole subtree, parents before their children."""
    found: list[Row] = []
    level = [project_id]
    while level:
        rows = tx.all(select(projects_table).where(projects_table.c.parent_id.in_(level)))
        found += rows
        level = [row["id"] for row in rows]
    return found


def _tag_filters(ctx: Context, query: Query) -> list[Any]:
    """`tags` all of, `tags-any` one of, and their opposites. Few projects, so the rows are judged here."""
    wishes = {name: set(query[name].split(",")) for name in ("tags", "tags-any", "not-tags", "not-tags-any") if query.get(name)}
    if not wishes:
        return []
    rows = ctx.db.all(select(projects_table.c.id, projects_table.c.tags))
    fitting = [row["id"] for row in rows if all(_has_tags(set(row["tags"]), name, wish) for name, wish in wishes.items())]
    return [projects_table.c.id.in_(fitting)]


def _has_tags(tags: set[str], wish: str, wanted: set[str]) -> bool:
    found = bool(tags & wanted) if wish.endswith("any") else wanted <= tags
    return found != wish.startswith("not")


projects = Collection(
    "project",
    projects_table,
    "/v3/projects",
    before_create=_new_project,
    before_update=_changed_project,
    before_delete=_project_gone,
    defaults={"enabled": True, "description": "", "tags": [], "options": {}},
    verbs=("create", "update", "delete"),
    view=project_view,
    filters=_tag_filters,
    named_twice=lambda row: (
        "it is not permitted to have two projects with either the same name or same id in the same domain: "
        f"name is {row['name']}, project id {row['id']}"
    ),
)


def _acting_view(ctx: Context, row: Row) -> Json:
    """A domain, seen as the project that it is in the real database."""
    nowhere = {"domain_id": None, "parent_id": None, "is_domain": True, "links": {"self": ctx.url(f"/v3/projects/{row['id']}")}}
    return {**(row.get("extra") or {}), **{name: value for name, value in row.items() if name != "extra"}, **nowhere}


_list_regular = replace(projects, verbs=("list",)).operations()["list_projects"]
_list_acting = Collection("project", domains_table, "/v3/projects", verbs=("list",), view=_acting_view).operations()["list_projects"]


async def list_projects(ctx: Context, query: Query) -> Json:
    """`is_domain` lists the domains instead."""
    found: Json = await (_list_acting if query.get("is_domain") else _list_regular)(ctx, query)
    return found


async def show_project(ctx: Context, project_id: str, query: Query) -> Json:
    """With its parents or its subtree, as a list of what the caller has a role in, or as a tree of ids."""
    for kind in ("parents", "subtree"):
        if _is_set(query, f"{kind}_as_list") and _is_set(query, f"{kind}_as_ids"):
            raise BadRequest(f"Cannot use {kind}_as_list and {kind}_as_ids query params at the same time.")
    with ctx.db.transaction() as tx:
        if (domain := tx.one(select(domains_table).where(domains_table.c.id == project_id))) is not None:
            ctx.enforce("identity:get_project", {"target.project.id": project_id})
            return {"project": _acting_view(ctx, domain)}
        row = projects.allowed(ctx, tx, "get", project_id)
        shown = project_view(ctx, row)
        if _is_set(query, "parents_as_list"):
            above = [projects.find(tx, id_) for id_ in roles_of.ancestors(tx, row)]
            shown["parents"] = _reachable(ctx, tx, above)
        elif _is_set(query, "parents_as_ids"):
            shown["parents"] = _nested([*roles_of.ancestors(tx, row), row["domain_id"]])
        if _is_set(query, "subtree_as_list"):
            shown["subtree"] = _reachable(ctx, tx, _below(tx, project_id))
        elif _is_set(query, "subtree_as_ids"):
            shown["subtree"] = _tree(_below(tx, project_id), project_id)
    return {"project": shown}


def _is_set(query: Query, name: str) -> bool:
    """A flag needs no value; only 0 and false take it back."""
    return name in query and str(query[name]).lower() not in ("0", "false")


def _reachable(ctx: Context, tx: Transaction, rows: list[Row]) -> list[Json]:
    return [{"project": project_view(ctx, row)} for row in rows if roles_of.project_roles(tx, ctx.user_id, row)]


def _nested(ids: list[str]) -> Json:
    """`{parent: {its parent: ... None}}`."""
    found: Json = None
    for id_ in reversed(ids):
        found = {id_: found}
    return found


def _tree(rows: list[Row], root: str) -> Json:
    children = [row["id"] for row in rows if row["parent_id"] == root]
    return {id_: _tree(rows, id_) for id_ in children} or None
