"""Projects and domains: the tree that resources belong to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json, Reply
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import application_credentials, assignments, groups, users
from mockcloud.keystone.tables import domains as domains_table
from mockcloud.keystone.tables import projects as projects_table
from mockcloud.keystone.tokens import Tokens


def project_view(ctx: Context, row: Row) -> Json:
    shown = {name: value for name, value in row.items() if name != "extra"}
    links = {"self": ctx.url(f"/v3/projects/{row['id']}")}
    return {**(row.get("extra") or {}), **shown, "is_domain": False, "links": links}


def _check_parent(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.one(select(domains_table).where(domains_table.c.id == row["domain_id"])) is None:
        raise NotFound(f"Could not find domain: {row['domain_id']}.")
    row["parent_id"] = row.get("parent_id") or row["domain_id"]
    if row["parent_id"] != row["domain_id"]:
        parent = projects.find(tx, row["parent_id"])
        if parent["domain_id"] != row["domain_id"]:
            raise Forbidden("Cannot create a project in a domain other than its parent's.")
    row["extra"].pop("is_domain", None)


def _disabled(ctx: Context, tx: Transaction, row: Row) -> None:
    """A disabled project's tokens end at once, and do not come back with it."""
    row["extra"].pop("is_domain", None)
    if not row["enabled"]:
        ctx.part(Tokens).revoke_project(tx, row["id"])


def _project_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.scalar(select(projects_table.c.id).where(projects_table.c.parent_id == row["id"]).limit(1)) is not None:
        raise Forbidden(f"Cannot delete the project {row['id']} since it is not a leaf in the hierarchy.")
    ctx.part(Tokens).revoke_project(tx, row["id"])
    tx.execute(delete(assignments).where(assignments.c.target_type == "project", assignments.c.target_id == row["id"]))
    tx.execute(delete(application_credentials).where(application_credentials.c.project_id == row["id"]))
    tx.execute(update(users).where(users.c.default_project_id == row["id"]).values(default_project_id=None))


def _domain_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if row["enabled"]:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    for project in tx.all(select(projects_table).where(projects_table.c.domain_id == row["id"])):
        ctx.part(Tokens).revoke_project(tx, project["id"])
    for table in (projects_table, users, groups):
        tx.execute(delete(table).where(table.c.domain_id == row["id"]))
    tx.execute(delete(assignments).where(assignments.c.target_type == "domain", assignments.c.target_id == row["id"]))


def _project_target(row: Row) -> dict[str, Any]:
    return {"project_id": row["id"], "target.project.id": row["id"], "target.project.domain_id": row["domain_id"]}


projects = Collection(
    "project",
    projects_table,
    "/v3/projects",
    before_create=_check_parent,
    before_update=_disabled,
    before_delete=_project_gone,
    defaults={"enabled": True, "description": "", "tags": [], "options": {}},
    target=_project_target,
    view=project_view,
)

domains = Collection(
    "domain",
    domains_table,
    "/v3/domains",
    before_delete=_domain_gone,
    defaults={"enabled": True, "description": "", "tags": [], "options": {}},
    target=lambda row: {"target.domain.id": row["id"]},
)


async def list_project_tags(ctx: Context, project_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"tags": sorted(projects.find(tx, project_id)["tags"]), "links": _tag_links(ctx, project_id)}


async def update_project_tags(ctx: Context, project_id: str, body: Json) -> Json:
    _keep_tags(ctx, project_id, lambda tags: body["tags"])
    return {"tags": body["tags"], "links": _tag_links(ctx, project_id)}


async def delete_project_tags(ctx: Context, project_id: str) -> None:
    _keep_tags(ctx, project_id, lambda tags: [])


async def check_project_tag(ctx: Context, project_id: str, value: str) -> None:
    with ctx.db.transaction() as tx:
        if value not in projects.find(tx, project_id)["tags"]:
            raise NotFound(f"Could not find project tag: {value}.")


async def create_project_tag(ctx: Context, project_id: str, value: str) -> Reply:
    _keep_tags(ctx, project_id, lambda tags: [*tags, value] if value not in tags else tags)
    return Reply(status=201, headers={"Location": ctx.url(f"/v3/projects/{project_id}/tags/{value}")})


async def delete_project_tag(ctx: Context, project_id: str, value: str) -> None:
    def without(tags: list[str]) -> list[str]:
        if value not in tags:
            raise NotFound(f"Could not find project tag: {value}.")
        return [tag for tag in tags if tag != value]

    _keep_tags(ctx, project_id, without)


def _keep_tags(ctx: Context, project_id: str, change: Any) -> None:
    with ctx.db.transaction() as tx:
        tags = change(list(projects.find(tx, project_id)["tags"]))
        if len(tags) > 80:
            raise Conflict("A project has at most 80 tags.")
        tx.execute(update(projects_table).where(projects_table.c.id == project_id).values(tags=tags))


def _tag_links(ctx: Context, project_id: str) -> Json:
    return {"self": ctx.url(f"/v3/projects/{project_id}/tags"), "previous": None, "next": None}
