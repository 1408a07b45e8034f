"""Inventories: what a provider has."""

from __future__ import annotations

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.placement import classes
from mockcloud.placement.inventory import DEFAULTS, capacity
from mockcloud.placement.store import bump, find_provider, used_by_class
from mockcloud.placement.tables import inventories

NUMBERS = ("total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio")


async def list_inventories(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        rows = tx.all(select(inventories).where(inventories.c.provider_uuid == uuid))
    shown = {row["resource_class"]: _view(row) for row in rows}
    return {"inventories": shown, "resource_provider_generation": provider["generation"]}


async def update_inventories(ctx: Context, uuid: str, body: Json) -> Json:
    wanted = {name: DEFAULTS | given for name, given in body["inventories"].items()}
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        for name, inventory in wanted.items():
            _check(ctx, tx, provider, name, inventory)
        _keep_used(tx, uuid, set(wanted))
        tx.execute(delete(inventories).where(inventories.c.provider_uuid == uuid))
        for name, inventory in wanted.items():
            tx.insert(inventories, provider_uuid=uuid, resource_class=name, **inventory)
        generation = bump(ctx, tx, provider, body["resource_provider_generation"])
    return {"inventories": wanted, "resource_provider_generation": generation}


async def delete_inventories(ctx: Context, uuid: str) -> None:
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        _keep_used(tx, uuid, set())
        tx.execute(delete(inventories).where(inventories.c.provider_uuid == uuid))
        bump(ctx, tx, provider)


async def show_inventory(ctx: Context, uuid: str, resource_class: str) -> Json:
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        row = _find(tx, uuid, resource_class)
    return _view(row) | {"resource_provider_generation": provider["generation"]}


async def update_inventory(ctx: Context, uuid: str, resource_class: str, body: Json) -> Json:
    inventory = DEFAULTS | {name: value for name, value in body.items() if name in NUMBERS}
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        _check(ctx, tx, provider, resource_class, inventory)
        mine = (inventories.c.provider_uuid == uuid) & (inventories.c.resource_class == resource_class)
        tx.execute(delete(inventories).where(mine))
        tx.insert(inventories, provider_uuid=uuid, resource_class=resource_class, **inventory)
        generation = bump(ctx, tx, provider, body["resource_provider_generation"])
    return inventory | {"resource_provider_generation": generation}


async def delete_inventory(ctx: Context, uuid: str, resource_class: str) -> None:
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        _find(tx, uuid, resource_class)
        kept = {r["resource_class"] for r in tx.all(select(inventories.c.resource_class).where(inventories.c.provider_uuid == uuid))}
        _keep_used(tx, uuid, kept - {resource_class})
        mine = (inventories.c.provider_uuid == uuid) & (inventories.c.resource_class == resource_class)
        tx.execute(delete(inventories).where(mine))
        bump(ctx, tx, provider)


def _find(tx: Transaction, uuid: str, resource_class: str) -> Row:
    mine = (inventories.c.provider_uuid == uuid) & (inventories.c.resource_class == resource_class)
    row = tx.one(select(inventories).where(mine))
    if row is None:
        raise NotFound(f"No inventory of class {resource_class} for {uuid}")
    return row


def _check(ctx: Context, tx: Transaction, provider: Row, name: str, inventory: Row) -> None:
    if name not in classes.known_classes(tx):
        raise BadRequest(f"Unknown resource class in inventory for resource provider {provider['uuid']}: No such resource class {name}.")
    reserved_all = inventory["reserved"] == inventory["total"] and ctx.at_least("1.26")
    if capacity(inventory) <= 0 and not reserved_all:
        raise BadRequest(f"Unable to update inventory for resource provider {provider['uuid']}: Invalid inventory for '{name}' on resource provider '{provider['uuid']}'. The reserved value is greater than or equal to total.")  # fmt: skip  # noqa: E501


def _keep_used(tx: Transaction, uuid: str, kept: set[str]) -> None:
    """What somebody has been given cannot go."""
    if taken := sorted(set(used_by_class(tx, uuid)) - kept):
        message = f"Inventory for '{', '.join(taken)}' on resource provider '{uuid}' in use."
        raise Conflict(message, code="placement.inventory.inuse")


def _view(row: Row) -> Json:
    return {name: row[name] for name in NUMBERS}
