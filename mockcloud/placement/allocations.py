"""Allocations: who has been given what. Capacity is checked and taken in one transaction, so it is never exceeded."""

from __future__ import annotations

import uuid as uuid_module
from collections import defaultdict
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from mockcloud.db.engine import Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.http.validation import FORMATS
from mockcloud.placement.classes import known_classes
from mockcloud.placement.inventory import refusal
from mockcloud.placement.store import bump, find_provider, used_by_class
from mockcloud.placement.tables import allocations, consumers, inventories, resource_providers

_CONSUMER = Prepared(select(consumers).where(consumers.c.uuid == bindparam("uuid")))
_GIVERS = Prepared(select(allocations.c.provider_uuid).where(allocations.c.consumer_uuid == bindparam("uuid")))
_OFFERED = Prepared(select(inventories).where(inventories.c.provider_uuid == bindparam("uuid")))

Wanted = dict[str, dict[str, int]]  # provider -> resource class -> amount
NOBODY = "00000000-0000-0000-0000-000000000000"  # owner of what was allocated before 1.8 knew owners
REASONS = {
    "unit": "The requested amount would violate inventory constraints.",
    "capacity": "The requested amount would exceed the capacity.",
}


async def show_allocation(ctx: Context, consumer_uuid: str) -> Json:
    """An empty object for a consumer that has nothing."""
    consumer_uuid = _canonical(consumer_uuid)
    joined = select(allocations, resource_providers.c.generation).join(
        resource_providers, resource_providers.c.uuid == allocations.c.provider_uuid
    )
    found: dict[str, Any] = {}
    with ctx.db.transaction() as tx:
        for row in tx.all(joined.where(allocations.c.consumer_uuid == consumer_uuid)):
            entry = found.setdefault(row["provider_uuid"], {"resources": {}, "generation": row["generation"]})
            entry["resources"][row["resource_class"]] = row["used"]
        consumer = tx.one(select(consumers).where(consumers.c.uuid == consumer_uuid))
    if consumer is None or not found:
        return {"allocations": {}}
    return {
        "allocations": found,
        "project_id": consumer["project_id"],
        "user_id": consumer["user_id"],
        "consumer_generation": consumer["generation"],
        "consumer_type": consumer["consumer_type"] or "unknown",
    }


async def update_allocation(ctx: Context, consumer_uuid: str, body: Json) -> None:
    if not FORMATS["uuid"](consumer_uuid):
        raise BadRequest(f"Malformed consumer_uuid: {consumer_uuid}")
    if not body["allocations"] and not ctx.at_least("1.28"):
        raise BadRequest("JSON does not validate: {} does not have enough properties")
    with ctx.db.transaction() as tx:
        _set(ctx, tx, {_canonical(consumer_uuid): body})


def _canonical(consumer: str) -> str:
    """The same consumer with or without hyphens. What is no UUID has been given nothing."""
    return str(uuid_module.UUID(consumer)) if FORMATS["uuid"](consumer) else consumer


async def set_allocations(ctx: Context, body: Json) -> None:
    """All of them or none."""
    with ctx.db.transaction() as tx:
        _set(ctx, tx, body)


async def delete_allocation(ctx: Context, consumer_uuid: str) -> None:
    """Providers keep their generation: what is given back can be in nobody's way."""
    consumer_uuid = _canonical(consumer_uuid)
    with ctx.db.transaction() as tx:
        if not _take_back(tx, consumer_uuid):
            raise NotFound(f"No allocations for consumer '{consumer_uuid}'")
        tx.execute(delete(consumers).where(consumers.c.uuid == consumer_uuid))


def _set(ctx: Context, tx: Transaction, bodies: Json) -> None:
    plans = {consumer: _wanted(body["allocations"]) for consumer, body in bodies.items()}
    for consumer, body in bodies.items():
        _guard(ctx, tx, consumer, body)
    providers = {provider for wanted in plans.values() for provider in wanted}
    before = {provider: used_by_class(tx, provider) for provider in providers}
    touched: set[str] = set()
    for consumer in plans:
        touched |= _take_back(tx, consumer)
    used = {provider: used_by_class(tx, provider) if touched else dict(before[provider]) for provider in providers}
    for consumer, wanted in plans.items():
        for provider, resources in wanted.items():
            _give(tx, consumer, provider, resources, before[provider], used[provider])
            touched.add(provider)
        if not wanted:
            tx.execute(delete(consumers).where(consumers.c.uuid == consumer))
    for provider in sorted(touched):
        bump(ctx, tx, find_provider(tx, provider))


def _wanted(given: Any) -> Wanted:
    if isinstance(given, list):  # the form before 1.12
        wanted: Wanted = defaultdict(dict)
        for entry in given:
            wanted[entry["resource_provider"]["uuid"]] |= entry["resources"]
        return dict(wanted)
    return {provider: entry["resources"] for provider, entry in given.items()}


def _guard(ctx: Context, tx: Transaction, consumer: str, body: Json) -> None:
    """Compare and set of the consumer's generation."""
    row = tx.one(_CONSUMER, uuid=consumer)
    known = row["generation"] if row else None
    if ctx.at_least("1.28") and body["consumer_generation"] != known:
        raise Conflict(
            f"consumer generation conflict - expected {'null' if known is None else known} but got {body['consumer_generation']}",
            code="placement.concurrent_update",
        )
    owner = {"project_id": body.get("project_id", NOBODY), "user_id": body.get("user_id", NOBODY)}
    if "consumer_type" in body:
        owner["consumer_type"] = body["consumer_type"]
    if row is None:
        tx.insert(consumers, uuid=consumer, generation=1, **owner)
    else:
        if "project_id" not in body:
            owner = {}
        tx.execute(update(consumers).where(consumers.c.uuid == consumer).values(generation=row["generation"] + 1, **owner))


def _take_back(tx: Transaction, consumer: str) -> set[str]:
    """The providers that had given something."""
    touched = {row["provider_uuid"] for row in tx.all(_GIVERS, uuid=consumer)}
    if touched:
        tx.execute(delete(allocations).where(allocations.c.consumer_uuid == consumer))
    return touched


def _give(tx: Transaction, consumer: str, provider: str, resources: dict[str, int], before: dict[str, int], used: dict[str, int]) -> None:
    """`before` is what was used when the transaction began: who shrinks may stay above a capacity that was lowered. Adds to `used`."""
    offered = {row["resource_class"]: row for row in tx.all(_OFFERED, uuid=provider)}
    if not offered and tx.one(select(resource_providers.c.uuid).where(resource_providers.c.uuid == provider)) is None:
        raise BadRequest(f"Allocation for resource provider '{provider}' that does not exist.")
    for name, amount in resources.items():
        if name not in offered:
            raise _nothing_there(tx, consumer, provider, name)
        why = refusal(offered[name], used.get(name, 0), amount)
        if why == "capacity" and used.get(name, 0) + amount <= before.get(name, 0):
            why = ""
        if why:
            raise Conflict(
                f"Unable to allocate inventory: Unable to create allocation for '{name}' on resource provider '{provider}'. {REASONS[why]}"
            )
        tx.insert(allocations, consumer_uuid=consumer, provider_uuid=provider, resource_class=name, used=amount)
        used[name] = used.get(name, 0) + amount


def _nothing_there(tx: Transaction, consumer: str, provider: str, name: str) -> BadRequest | Conflict:
    if name not in known_classes(tx):
        return BadRequest(f"Unable to allocate inventory for consumer {consumer}: No such resource class {name}.")
    return Conflict(f"Unable to allocate inventory: Inventory for '{name}' on resource provider '{provider}' invalid.")
