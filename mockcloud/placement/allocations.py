"""Allocations: who has been given what. Capacity is checked and taken in one transaction, so it is never exceeded."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import delete, func, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.placement.candidates import Rule, aggregate_rule, allocation_candidates, parse_resources, trait_rule
from mockcloud.placement.classes import known_classes
from mockcloud.placement.inventory import refusal
from mockcloud.placement.store import bump, find_provider, load_providers, used_by_class
from mockcloud.placement.tables import allocations, consumers, inventories, resource_providers

Wanted = dict[str, dict[str, int]]  # provider -> resource class -> amount


async def show_allocation(ctx: Context, consumer_uuid: str) -> Json:
    """An empty object for a consumer that has nothing."""
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
    if not body["allocations"] and not ctx.at_least("1.28"):
        raise BadRequest("JSON does not validate: {} does not have enough properties")
    with ctx.db.transaction() as tx:
        _set(ctx, tx, {consumer_uuid: body})


async def set_allocations(ctx: Context, body: Json) -> None:
    """All of them or none."""
    with ctx.db.transaction() as tx:
        _set(ctx, tx, body)


async def delete_allocation(ctx: Context, consumer_uuid: str) -> None:
    with ctx.db.transaction() as tx:
        touched = _take_back(tx, consumer_uuid)
        if not touched:
            raise NotFound(f"No allocations for consumer '{consumer_uuid}'")
        tx.execute(delete(consumers).where(consumers.c.uuid == consumer_uuid))
        for provider in touched:
            bump(ctx, tx, find_provider(tx, provider))


def _set(ctx: Context, tx: Transaction, bodies: Json) -> None:
    touched: set[str] = set()
    plans: dict[str, Wanted] = {}
    for consumer, body in bodies.items():
        plans[consumer] = _wanted(body["allocations"])
        _guard(ctx, tx, consumer, body)
    for consumer in plans:
        touched |= _take_back(tx, consumer)
    for consumer, wanted in plans.items():
        for provider, resources in wanted.items():
            _give(tx, consumer, provider, resources)
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
    row = tx.one(select(consumers).where(consumers.c.uuid == consumer))
    known = row["generation"] if row else None
    if ctx.at_least("1.28") and body["consumer_generation"] != known:
        raise Conflict(
            f"consumer generation conflict - expected {'null' if known is None else known} but got "
            f"{'null' if body['consumer_generation'] is None else body['consumer_generation']}",
            code="placement.concurrent_update",
        )
    owner = {"project_id": body.get("project_id", "-"), "user_id": body.get("user_id", "-")}
    if "consumer_type" in body:
        owner["consumer_type"] = body["consumer_type"]
    if row is None:
        tx.insert(consumers, uuid=consumer, generation=1, **owner)
    else:
        tx.execute(update(consumers).where(consumers.c.uuid == consumer).values(generation=row["generation"] + 1, **owner))


def _take_back(tx: Transaction, consumer: str) -> set[str]:
    mine = allocations.c.consumer_uuid == consumer
    touched = {row["provider_uuid"] for row in tx.all(select(allocations.c.provider_uuid).where(mine))}
    if touched:
        tx.execute(delete(allocations).where(mine))
    return touched


def _give(tx: Transaction, consumer: str, provider: str, resources: dict[str, int]) -> None:
    if tx.one(select(resource_providers.c.uuid).where(resource_providers.c.uuid == provider)) is None:
        raise BadRequest(f"Allocation for resource provider '{provider}' that does not exist.")
    offered = {row["resource_class"]: row for row in tx.all(select(inventories).where(inventories.c.provider_uuid == provider))}
    used = used_by_class(tx, provider)
    for name, amount in resources.items():
        if name not in offered and name not in known_classes(tx):
            raise BadRequest(f"No such resource class {name}.")
        why = refusal(offered.get(name), used.get(name, 0), amount)
        if why:
            raise Conflict(
                f"Unable to allocate inventory: Unable to create allocation for '{name}' on resource provider '{provider}'. "
                + {
                    "no inventory": "The requested resource class has no inventory there.",
                    "unit": "The requested amount would violate inventory constraints.",
                    "capacity": "The requested amount would exceed the capacity.",
                }[why],
            )
        tx.insert(allocations, consumer_uuid=consumer, provider_uuid=provider, resource_class=name, used=amount)


async def list_usages(ctx: Context, query: Query) -> Json:
    """What a project (and a user of it) has been given in all."""
    ctx.enforce("placement:usages", {"project_id": query["project_id"]})
    total = func.sum(allocations.c.used).label("used")
    joined = select(allocations.c.resource_class, total).join(consumers, consumers.c.uuid == allocations.c.consumer_uuid)
    joined = joined.where(consumers.c.project_id == query["project_id"]).group_by(allocations.c.resource_class)
    if "user_id" in query:
        joined = joined.where(consumers.c.user_id == query["user_id"])
    usages: dict[str, Any] = {row["resource_class"]: int(row["used"]) for row in ctx.db.all(joined)}
    if ctx.at_least("1.38"):
        usages = {"all": usages | {"consumer_count": len(usages)}} if usages else {}
    return {"usages": usages}


async def list_allocation_candidates(ctx: Context, query: Query) -> Json:
    if "resources" not in query:
        raise BadRequest("At least one request group (`resources` or `resources{$N}`) is required.", code="placement.query.missing_value")
    try:
        resources = parse_resources(query["resources"])
    except ValueError as error:
        raise BadRequest(str(error), code="placement.query.bad_value") from error
    rules: list[Rule] = [trait_rule(text) for text in query.get("required", ())]
    if "root_required" in query:
        rules.append(trait_rule(query["root_required"]))
    rules += [aggregate_rule(text) for text in query.get("member_of", ())]
    with ctx.db.transaction() as tx:
        if unknown := sorted(set(resources) - known_classes(tx)):
            raise BadRequest(f"Invalid resource class in resources parameter: {', '.join(unknown)}", code="placement.query.bad_value")
        providers = load_providers(tx)
    if "in_tree" in query:
        rules.append(lambda provider: provider.root == query["in_tree"] or provider.uuid == query["in_tree"])
    found = allocation_candidates(providers, resources, rules, query.get("limit"))
    return {
        "allocation_requests": [_request(ctx, provider.uuid, resources) for provider in found],
        "provider_summaries": {provider.uuid: _summary(ctx, provider.summary(), resources) for provider in found},
    }


def _request(ctx: Context, provider: str, resources: dict[str, int]) -> Json:
    if not ctx.at_least("1.12"):
        return {"allocations": [{"resource_provider": {"uuid": provider}, "resources": resources}]}
    made: Row = {"allocations": {provider: {"resources": resources}}}
    return made | ({"mappings": {"": [provider]}} if ctx.at_least("1.34") else {})


def _summary(ctx: Context, summary: Row, resources: dict[str, int]) -> Json:
    shown: Row = {"resources": summary["resources"]}
    if not ctx.at_least("1.27"):
        shown["resources"] = {name: value for name, value in summary["resources"].items() if name in resources}
    if ctx.at_least("1.17"):
        shown["traits"] = summary["traits"]
    if ctx.at_least("1.29"):
        shown |= {name: summary[name] for name in ("parent_provider_uuid", "root_provider_uuid")}
    return shown
