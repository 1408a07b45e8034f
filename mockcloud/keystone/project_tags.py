"""The tags of a project."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import update

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json, Reply
from mockcloud.keystone.projects import projects
from mockcloud.keystone.tables import projects as projects_table

MAX_TAGS = 80


async def list_project_tags(ctx: Context, project_id: str) -> Json:
    return {"tags": _tags(ctx, "list_project_tags", project_id), "links": _links(ctx, project_id)}


async def update_project_tags(ctx: Context, project_id: str, body: Json) -> Json:
    _keep(ctx, "update_project_tags", project_id, lambda tags: body["tags"])
    return {"tags": body["tags"], "links": _links(ctx, project_id)}


async def delete_project_tags(ctx: Context, project_id: str) -> None:
    _keep(ctx, "delete_project_tags", project_id, lambda tags: [])


async def check_project_tag(ctx: Context, project_id: str, value: str) -> None:
    _require(_tags(ctx, "get_project_tag", project_id), value)


async def create_project_tag(ctx: Context, project_id: str, value: str) -> Reply:
    if len(value) > 255 or "," in value:
        raise BadRequest(f"Invalid input for field 'tag': {value!r} does not match '^[^,/]*$'")
    _keep(ctx, "create_project_tag", project_id, lambda tags: [*tags, value] if value not in tags else tags)
    return Reply(status=201, headers={"Location": ctx.url(f"/v3/projects/{project_id}/tags/{value}")})


async def delete_project_tag(ctx: Context, project_id: str, value: str) -> None:
    def without(tags: list[str]) -> list[str]:
        _require(tags, value)
        return [tag for tag in tags if tag != value]

    _keep(ctx, "delete_project_tag", project_id, without)


def _tags(ctx: Context, rule: str, project_id: str) -> list[str]:
    with ctx.db.transaction() as tx:
        row = tx.one(projects_table.select().where(projects_table.c.id == project_id))
        ctx.enforce(f"identity:{rule}", projects.target_of(row or {}))
        return list((row or projects.find(tx, project_id))["tags"])


def _keep(ctx: Context, rule: str, project_id: str, change: Callable[[list[str]], list[str]]) -> None:
    tags = change(_tags(ctx, rule, project_id))
    if len(tags) > MAX_TAGS:
        raise BadRequest(f"Invalid input for field 'tags': {tags} is too long")
    with ctx.db.transaction() as tx:
        tx.execute(update(projects_table).where(projects_table.c.id == project_id).values(tags=tags))


def _require(tags: list[str], value: str) -> None:
    if value not in tags:
        raise NotFound(f"Could not find project tag: {value}.")


def _links(ctx: Context, project_id: str) -> Json:
    return {"self": ctx.url(f"/v3/projects/{project_id}/tags")}
