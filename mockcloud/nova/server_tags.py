"""Servers' tags."""

from __future__ import annotations

import re

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json, Reply
from mockcloud.nova import acting
from mockcloud.nova.lookup import find_server
from mockcloud.nova.states import change_tags

MAX_TAGS, MAX_LENGTH = 50, 60


async def list_server_tags(ctx: Context, server_id: str) -> Json:
    return {"tags": _tags(ctx, server_id)}


async def check_server_tag(ctx: Context, server_id: str, tag: str) -> None:
    if tag not in _tags(ctx, server_id):
        raise NotFound(f"Server {server_id} has no tag '{tag}'")


async def replace_server_tags(ctx: Context, server_id: str, body: Json) -> Json:
    tags = list(dict.fromkeys(body["tags"]))
    with ctx.db.transaction() as tx:
        acting.begin(ctx, tx, find_server(ctx, tx, server_id), change_tags("update tags"), tags=tags)
    return {"tags": tags}


async def add_server_tag(ctx: Context, server_id: str, tag: str) -> Reply:
    action = change_tags("update tag")
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        acting.check(ctx, server, action)
        _check_tag(tag)
        if len(server["tags"]) >= MAX_TAGS:
            raise BadRequest(f"The number of tags exceeded the per-server limit {MAX_TAGS}")
        if tag in server["tags"]:
            return Reply(status=204)
        acting.begin(ctx, tx, server, action, tags=[*server["tags"], tag])
    return Reply(status=201, headers={"Location": ctx.url(f"/v2.1/servers/{server_id}/tags/{tag}")})


async def delete_server_tag(ctx: Context, server_id: str, tag: str) -> None:
    action = change_tags("delete tag")
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        acting.check(ctx, server, action)
        if tag not in server["tags"]:
            raise NotFound(f"Instance {server_id} has no tag '{tag}'")
        acting.begin(ctx, tx, server, action, tags=[kept for kept in server["tags"] if kept != tag])


async def delete_server_tags(ctx: Context, server_id: str) -> None:
    acting.start(ctx, server_id, change_tags("delete tags"), tags=[])


def _tags(ctx: Context, server_id: str) -> list[str]:
    with ctx.db.transaction() as tx:
        found: list[str] = find_server(ctx, tx, server_id)["tags"]
        return found


def _check_tag(tag: str) -> None:
    """A tag in the path; the schema cannot see it before the server's state is known."""
    problem = ""
    if len(tag) > MAX_LENGTH:
        problem = f"'{tag}' is too long"
    elif not re.search("^[^,/]*$", tag):
        problem = f"'{tag}' does not match '^[^,/]*$'"
    if problem:
        raise BadRequest(
            f"Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. Validation error message: {problem}"
        )
