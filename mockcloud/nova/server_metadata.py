"""Servers' metadata: names and values of the user's own."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova import acting, quota, states
from mockcloud.nova.lookup import find_server

Items = dict[str, str]


async def list_server_metadata(ctx: Context, server_id: str) -> Json:
    return {"metadata": _metadata(ctx, server_id)}


async def show_server_metadata_item(ctx: Context, server_id: str, key: str) -> Json:
    found = _metadata(ctx, server_id)
    if key not in found:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: found[key]}}


async def create_server_metadata(ctx: Context, server_id: str, body: Json) -> Json:
    return {"metadata": _write(ctx, server_id, body["metadata"], replace=False)}


async def replace_server_metadata(ctx: Context, server_id: str, body: Json) -> Json:
    return {"metadata": _write(ctx, server_id, body["metadata"], replace=True)}


async def update_server_metadata_item(ctx: Context, server_id: str, key: str, body: Json) -> Json:
    _metadata(ctx, server_id)  # a server that is not there is worse than a body that does not fit
    if key not in body["meta"]:
        raise BadRequest("Request body and URI mismatch")
    _write(ctx, server_id, body["meta"], replace=False)
    return {"meta": body["meta"]}


async def delete_server_metadata_item(ctx: Context, server_id: str, key: str) -> None:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        if key not in server["metadata"]:
            raise NotFound("Metadata item was not found")
        left = {name: value for name, value in server["metadata"].items() if name != key}
        acting.begin(ctx, tx, server, states.DELETE_METADATA, metadata=left)


def _metadata(ctx: Context, server_id: str) -> Items:
    with ctx.db.transaction() as tx:
        found: Items = find_server(ctx, tx, server_id)["metadata"]
        return found


def _write(ctx: Context, server_id: str, items: Items, replace: bool) -> Items:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        acting.check(ctx, server, states.UPDATE_METADATA)
        merged = items if replace else {**server["metadata"], **items}
        quota.check_metadata_items(tx, server["project_id"], len(merged))
        acting.begin(ctx, tx, server, states.UPDATE_METADATA, metadata=merged)
        return merged
