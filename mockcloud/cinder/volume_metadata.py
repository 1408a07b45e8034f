"""A volume's metadata, as a whole and key by key; from 3.15 with an Etag against lost updates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import update

from mockcloud.cinder.lookup import find_volume
from mockcloud.cinder.tables import volumes
from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound, PreconditionFailed
from mockcloud.http.reply import Json, Reply


async def list_volume_metadata(ctx: Context, volume_id: str) -> Reply:
    with ctx.db.transaction() as tx:
        known = find_volume(ctx, tx, volume_id)["metadata"]
    return Reply({"metadata": known}, headers={"Etag": _etag(known)} if ctx.at_least("3.15") else {})


async def create_volume_metadata(ctx: Context, volume_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        kept = {**find_volume(ctx, tx, volume_id)["metadata"], **body["metadata"]}
        return _save(ctx, tx, volume_id, kept)


async def replace_volume_metadata(ctx: Context, volume_id: str, body: Json, headers: Mapping[str, str]) -> Json:
    with ctx.db.transaction() as tx:
        _check_etag(ctx, find_volume(ctx, tx, volume_id)["metadata"], headers)
        return _save(ctx, tx, volume_id, body["metadata"])


async def show_volume_metadata_item(ctx: Context, volume_id: str, key: str) -> Json:
    with ctx.db.transaction() as tx:
        known = find_volume(ctx, tx, volume_id)["metadata"]
    if key not in known:
        raise _no_key(volume_id, key)
    return {"meta": {key: known[key]}}


async def update_volume_metadata_item(ctx: Context, volume_id: str, key: str, body: Json, headers: Mapping[str, str]) -> Json:
    with ctx.db.transaction() as tx:
        known = find_volume(ctx, tx, volume_id)["metadata"]
        _check_etag(ctx, known, headers)
        if key not in body["meta"]:
            raise BadRequest("Request body and URI mismatch")
        _save(ctx, tx, volume_id, {**known, **body["meta"]})
    return {"meta": body["meta"]}


async def delete_volume_metadata_item(ctx: Context, volume_id: str, key: str) -> None:
    with ctx.db.transaction() as tx:
        known = find_volume(ctx, tx, volume_id)["metadata"]
        if key not in known:
            raise _no_key(volume_id, key)
        _save(ctx, tx, volume_id, {name: value for name, value in known.items() if name != key})


def _save(ctx: Context, tx: Transaction, volume_id: str, metadata: dict[str, str]) -> Json:
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(metadata=metadata, updated_at=ctx.now()))
    return {"metadata": metadata}


def _etag(metadata: dict[str, str]) -> str:
    return hashlib.md5(json.dumps({"metadata": metadata}).encode(), usedforsecurity=False).hexdigest()


def _check_etag(ctx: Context, metadata: dict[str, str], headers: Mapping[str, str]) -> None:
    wanted = [tag.strip().strip('"') for tag in headers.get("if-match", "*").split(",")]
    if ctx.at_least("3.15") and "*" not in wanted and _etag(metadata) not in wanted:
        raise PreconditionFailed()


def _no_key(volume_id: str, key: str) -> NotFound:
    return NotFound(f"Volume {volume_id} has no metadata with key {key}.")
