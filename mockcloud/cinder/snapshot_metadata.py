"""A snapshot's metadata, as a whole and key by key."""

from __future__ import annotations

from sqlalchemy import update

from mockcloud.cinder.lookup import find_snapshot
from mockcloud.cinder.tables import snapshots
from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json


async def list_snapshot_metadata(ctx: Context, snapshot_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"metadata": find_snapshot(ctx, tx, snapshot_id)["metadata"]}


async def create_snapshot_metadata(ctx: Context, snapshot_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        kept = {**find_snapshot(ctx, tx, snapshot_id)["metadata"], **body["metadata"]}
        return _save(ctx, tx, snapshot_id, kept)


async def replace_snapshot_metadata(ctx: Context, snapshot_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        find_snapshot(ctx, tx, snapshot_id)
        return _save(ctx, tx, snapshot_id, body["metadata"])


async def show_snapshot_metadata_item(ctx: Context, snapshot_id: str, key: str) -> Json:
    with ctx.db.transaction() as tx:
        known = find_snapshot(ctx, tx, snapshot_id)["metadata"]
    if key not in known:
        raise _no_key(snapshot_id, key)
    return {"meta": {key: known[key]}}


async def update_snapshot_metadata_item(ctx: Context, snapshot_id: str, key: str, body: Json) -> Json:
    if key not in body["meta"]:
        raise BadRequest("Request body and URI mismatch")
    with ctx.db.transaction() as tx:
        kept = {**find_snapshot(ctx, tx, snapshot_id)["metadata"], **body["meta"]}
        _save(ctx, tx, snapshot_id, kept)
    return {"meta": body["meta"]}


async def delete_snapshot_metadata_item(ctx: Context, snapshot_id: str, key: str) -> None:
    with ctx.db.transaction() as tx:
        known = find_snapshot(ctx, tx, snapshot_id)["metadata"]
        if key not in known:
            raise _no_key(snapshot_id, key)
        _save(ctx, tx, snapshot_id, {name: value for name, value in known.items() if name != key})


def _save(ctx: Context, tx: Transaction, snapshot_id: str, metadata: dict[str, str]) -> Json:
    changed = update(snapshots).where(snapshots.c.id == snapshot_id)
    tx.execute(changed.values(metadata=metadata, updated_at=ctx.now()))
    return {"metadata": metadata}


def _no_key(snapshot_id: str, key: str) -> NotFound:
    return NotFound(f"Snapshot {snapshot_id} has no metadata with key {key}.")
