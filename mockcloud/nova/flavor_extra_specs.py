"""What a flavor asks of its host beyond its size."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova.extra_spec_rules import check_extra_spec
from mockcloud.nova.lookup import find_flavor
from mockcloud.nova.tables import flavors


async def list_flavor_extra_specs(ctx: Context, flavor_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"extra_specs": find_flavor(ctx, tx, flavor_id)["extra_specs"]}


async def create_flavor_extra_specs(ctx: Context, flavor_id: str, body: Json) -> Json:
    _merge(ctx, flavor_id, body["extra_specs"])
    return body


async def show_flavor_extra_spec(ctx: Context, flavor_id: str, key: str) -> Json:
    with ctx.db.transaction() as tx:
        specs = find_flavor(ctx, tx, flavor_id)["extra_specs"]
    if key not in specs:
        raise _no_key(flavor_id, key)
    return {key: specs[key]}


async def update_flavor_extra_spec(ctx: Context, flavor_id: str, key: str, body: Json) -> Json:
    _check(ctx, body)
    if key not in body:
        raise BadRequest("Request body and URI mismatch")
    _merge(ctx, flavor_id, body)
    return body


async def delete_flavor_extra_spec(ctx: Context, flavor_id: str, key: str) -> None:
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        if key not in row["extra_specs"]:
            raise _no_key(flavor_id, key)
        _save(ctx, tx, row["id"], {name: value for name, value in row["extra_specs"].items() if name != key})


def _merge(ctx: Context, flavor_id: str, added: dict[str, Any]) -> None:
    _check(ctx, added)
    with ctx.db.transaction() as tx:
        row = find_flavor(ctx, tx, flavor_id)
        _save(ctx, tx, row["id"], row["extra_specs"] | {name: str(value) for name, value in added.items()})


def _check(ctx: Context, specs: dict[str, Any]) -> None:
    if ctx.at_least("2.86"):
        for name, value in specs.items():
            check_extra_spec(name, str(value))


def _save(ctx: Context, tx: Transaction, id: int, specs: dict[str, str]) -> None:
    tx.execute(update(flavors).where(flavors.c.id == id).values(extra_specs=specs, updated_at=ctx.now()))


def _no_key(flavor_id: str, key: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
