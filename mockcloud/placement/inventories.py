"""Inventories: what a provider has."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, MethodNotAllowed, NotFound
from mockcloud.http.reply import Json, Reply
from mockcloud.placement import classes
from mockcloud.placement.inventory import DEFAULTS, capacity
from mockcloud.placement.store import bump, check_generation, find_provider, used_by_class
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
        check_generation(provider, body["resource_provider_generation"], "resource provider generation conflict")
        for name, inventory in wanted.items():
            _check(ctx, tx, provider, name, inventory)
        _keep_used(tx, uuid, set(wanted))
        tx.execute(delete(inventories).where(inventories.c.provider_uuid == uuid))
        for name, inventory in wanted.items():
            tx.insert(inventories, provider_uuid=uuid, resource_class=name, **inventory)
        generation = bump(ctx, tx, provider)
    return {"inventories": wanted, "resource_provider_generation": generation}


async def create_inventory(ctx: Context, uuid: str, body: Json) -> Reply:
    """One more class; the generation may be left out."""
    name = body["resource_class"]
    inventory = DEFAULTS | {key: value for key, value in body.items() if key in NUMBERS}
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        _check(ctx, tx, provider, name, inventory, "Unable to create inventory")
        if tx.one(select(inventories).where(_of(uuid, name))) is not None:
            raise Conflict(f"Update conflict: {name} is already there.", code="placement.concurrent_update")
        tx.insert(inventories, provider_uuid=uuid, resource_class=name, **inventory)
        generation = bump(ctx, tx, provider)
    headers = {"Location": ctx.url(f"/resource_providers/{uuid}/inventories/{name}")}
    return Reply(inventory | {"resource_provider_generation": generation}, headers=headers)


async def delete_inventories(ctx: Context, uuid: str) -> None:
    if not ctx.at_least("1.5"):
        raise MethodNotAllowed("The method specified is not allowed for this resource.", headers={"Allow": "GET, POST, PUT"})
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
        check_generation(provider, body["resource_provider_generation"], "resource provider generation conflict")
        _check(ctx, tx, provider, resource_class, inventory)
        changed = tx.execute(update(inventories).where(_of(uuid, resource_class)).values(**inventory))
        if not changed:
            raise BadRequest(
                f"No inventory record with resource class for resource provider {uuid}: No inventory of class {resource_class} found."
            )
        generation = bump(ctx, tx, provider)
    return inventory | {"resource_provider_generation": generation}


async def delete_inventory(ctx: Context, uuid: str, resource_class: str) -> None:
    with ctx.db.transaction() as tx:
        provider = find_provider(tx, uuid)
        if tx.one(select(inventories).where(_of(uuid, resource_class))) is None:
            missing = f"No inventory of class {resource_class} found"
            raise NotFound(f"{missing} for delete: {missing}.")
        if resource_class in used_by_class(tx, uuid):
            why = f"Inventory for '{resource_class}' on resource provider '{uuid}' in use."
            raise Conflict(f"Unable to delete inventory of class {resource_class}: {why}", code="placement.concurrent_update")
        tx.execute(delete(inventories).where(_of(uuid, resource_class)))
        bump(ctx, tx, provider)


def _find(tx: Transaction, uuid: str, resource_class: str) -> Row:
    row = tx.one(select(inventories).where(_of(uuid, resource_class)))
    if row is None:
        raise NotFound(f"No inventory of class {resource_class} for {uuid}")
    return row


def _of(uuid: str, resource_class: str) -> ColumnElement[bool]:
    return (inventories.c.provider_uuid == uuid) & (inventories.c.resource_class == resource_class)


def _check(ctx: Context, tx: Transaction, provider: Row, name: str, inventory: Row, act: str = "Unable to update inventory") -> None:
    """From 1.26 on everything may be reserved."""
    uuid = provider["uuid"]
    if name not in classes.known_classes(tx):
        where = "Unknown resource class in inventory" if act == "Unable to update inventory" else act
        raise BadRequest(f"{where} for resource provider {uuid}: No such resource class {name}.")
    left = capacity(inventory)
    if left < 0 or (left == 0 and not ctx.at_least("1.26")):
        limit = "greater than total" if ctx.at_least("1.26") else "greater than or equal to total"
        raise BadRequest(
            f"{act} for resource provider {uuid}: Invalid inventory for '{name}' on resource provider '{uuid}'. "
            f"The reserved value is {limit}."
        )


def _keep_used(tx: Transaction, uuid: str, kept: set[str]) -> None:
    """What somebody has been given cannot go."""
    if taken := sorted(set(used_by_class(tx, uuid)) - kept):
        message = f"update conflict: Inventory for '{', '.join(taken)}' on resource provider '{uuid}' in use."
        raise Conflict(message, code="placement.inventory.inuse")


def _view(row: Row) -> Json:
    return {name: row[name] for name in NUMBERS}
