"""What a volume type asks of its backend."""

from __future__ import annotations

from sqlalchemy import func, select, update

from mockcloud.cinder.lookup import find_type
from mockcloud.cinder.tables import volume_types, volumes
from mockcloud.cinder.views import visible_extra_specs
from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json

YES = "<is> True"


async def list_type_extra_specs(ctx: Context, type_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"extra_specs": visible_extra_specs(ctx, find_type(ctx, tx, type_id)["extra_specs"])}


async def create_type_extra_specs(ctx: Context, type_id: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        _merge(ctx, tx, type_id, body["extra_specs"])
    return {"extra_specs": body["extra_specs"]}


async def show_type_extra_spec(ctx: Context, type_id: str, key: str) -> Json:
    with ctx.db.transaction() as tx:
        specs = visible_extra_specs(ctx, find_type(ctx, tx, type_id)["extra_specs"])
    if key not in specs:
        raise _no_key(type_id, key)
    return {key: specs[key]}


async def update_type_extra_spec(ctx: Context, type_id: str, key: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        find_type(ctx, tx, type_id)
        if key not in body:
            raise BadRequest("Request body and URI mismatch")
        _merge(ctx, tx, type_id, body)
    return body


async def delete_type_extra_spec(ctx: Context, type_id: str, key: str) -> None:
    with ctx.db.transaction() as tx:
        specs = find_type(ctx, tx, type_id)["extra_specs"]
        _check_unused(tx, type_id)
        if key not in specs:
            raise _no_key(type_id, key)
        _save(ctx, tx, type_id, {name: value for name, value in specs.items() if name != key})


def _merge(ctx: Context, tx: Transaction, type_id: str, added: dict[str, str]) -> None:
    _check_unused(tx, type_id)
    specs = {**find_type(ctx, tx, type_id)["extra_specs"], **added}
    if specs.get("multiattach") == YES and specs.get("cacheable") == YES:
        raise BadRequest("cacheable cannot be set with multiattach.")
    _save(ctx, tx, type_id, specs)


def _check_unused(tx: Transaction, type_id: str) -> None:
    if tx.scalar(select(func.count()).select_from(volumes).where(volumes.c.volume_type_id == type_id)):
        raise BadRequest("Volume Type is currently in use.")


def _save(ctx: Context, tx: Transaction, type_id: str, specs: dict[str, str]) -> None:
    tx.execute(update(volume_types).where(volume_types.c.id == type_id).values(extra_specs=specs, updated_at=ctx.now()))


def _no_key(type_id: str, key: str) -> NotFound:
    return NotFound(f"Volume Type {type_id} has no extra specs with key {key}.")
