"""Resource providers, their aggregates, traits and usages."""

from __future__ import annotations

import uuid as uuid_module
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict
from mockcloud.http.reply import Json, Query, Reply
from mockcloud.placement import classes
from mockcloud.placement.candidates import aggregate_rule, parse_resources, trait_rule
from mockcloud.placement.store import bump, find_provider, load_providers, used_by_class
from mockcloud.placement.tables import allocations, consumers, inventories, resource_providers


async def list_resource_providers(ctx: Context, query: Query) -> Json:
    table, statement = resource_providers, select(resource_providers).order_by(resource_providers.c.name)
    for name in ("name", "uuid"):
        if name in query:
            statement = statement.where(table.c[name] == query[name])
    with ctx.db.transaction() as tx:
        if "in_tree" in query:
            root = tx.scalar(select(table.c.root_provider_uuid).where(table.c.uuid == query["in_tree"]))
            statement = statement.where(table.c.root_provider_uuid == root)
        rows = tx.all(statement)
        rules = _rules(query)
        if rules:
            fitting = {provider.uuid for provider in load_providers(tx) if all(rule(provider) for rule in rules)}
            rows = [row for row in rows if row["uuid"] in fitting]
    return {"resource_providers": [_view(ctx, row) for row in rows]}


def _rules(query: Query) -> list[Any]:
    rules: list[Any] = [aggregate_rule(text) for text in query.get("member_of", ())]
    rules += [trait_rule(text) for text in query.get("required", ())]
    if "resources" in query:
        try:
            wanted = parse_resources(query["resources"])
        except ValueError as error:
            raise BadRequest(str(error), code="placement.query.bad_value") from error
        rules.append(lambda provider: provider.can_give(wanted))
    return rules


async def show_resource_provider(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        return _view(ctx, find_provider(tx, uuid))


async def create_resource_provider(ctx: Context, body: Json) -> Reply:
    id_ = str(uuid_module.UUID(body["uuid"])) if "uuid" in body else str(uuid_module.uuid4())
    parent = body.get("parent_provider_uuid")
    with ctx.db.transaction() as tx:
        root = id_
        if parent is not None:
            above = tx.one(select(resource_providers).where(resource_providers.c.uuid == parent))
            if above is None:
                raise BadRequest(f"Unable to create resource provider \"{body['name']}\", {id_}: parent provider UUID '{parent}' does not exist.")  # fmt: skip  # noqa: E501
            root = above["root_provider_uuid"]
        row: Row = {
            "uuid": id_,
            "created_at": ctx.now(),
            "updated_at": ctx.now(),
            "name": body["name"],
            "generation": 0,
            "parent_provider_uuid": parent,
            "root_provider_uuid": root,
            "aggregates": [],
            "traits": [],
        }
        try:
            tx.execute(insert(resource_providers).values(**row))
        except IntegrityError as error:
            raise Conflict(
                f"Conflicting resource provider name: {body['name']} already exists.", code="placement.duplicate_name"
            ) from error
    headers = {"Location": ctx.url(f"/resource_providers/{id_}")}
    return Reply(_view(ctx, row) if ctx.at_least("1.20") else None, headers=headers)


async def update_resource_provider(ctx: Context, uuid: str, body: Json) -> Json:
    changes: Row = {"name": body["name"], "updated_at": ctx.now()}
    try:
        with ctx.db.transaction() as tx:
            row = find_provider(tx, uuid)
            parent = body.get("parent_provider_uuid", row["parent_provider_uuid"])
            if parent != row["parent_provider_uuid"]:
                if row["parent_provider_uuid"] is not None and not ctx.at_least("1.37"):
                    raise BadRequest(f"Unable to save resource provider {uuid}: re-parenting a provider is not currently allowed.")
                above = find_provider(tx, parent) if parent else None
                changes |= {"parent_provider_uuid": parent, "root_provider_uuid": above["root_provider_uuid"] if above else uuid}
            tx.execute(update(resource_providers).where(resource_providers.c.uuid == uuid).values(**changes))
    except IntegrityError as error:
        raise Conflict(f"Conflicting resource provider name: {body['name']} already exists.", code="placement.duplicate_name") from error
    return _view(ctx, row | changes)


async def delete_resource_provider(ctx: Context, uuid: str) -> None:
    with ctx.db.transaction() as tx:
        find_provider(tx, uuid)
        if used_by_class(tx, uuid):
            message = f"Unable to delete resource provider {uuid}: Resource provider has allocations."
            raise Conflict(message, code="placement.resource_provider.inuse")
        if tx.scalar(select(resource_providers.c.uuid).where(resource_providers.c.parent_provider_uuid == uuid).limit(1)):
            raise Conflict(f"Unable to delete parent resource provider {uuid}: It has child resource providers.")
        tx.execute(delete(inventories).where(inventories.c.provider_uuid == uuid))
        tx.execute(delete(resource_providers).where(resource_providers.c.uuid == uuid))


async def list_provider_aggregates(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
    return {"aggregates": row["aggregates"], "resource_provider_generation": row["generation"]}


async def update_provider_aggregates(ctx: Context, uuid: str, body: Json) -> Json:
    guarded = ctx.at_least("1.19")
    wanted = body["aggregates"] if guarded else body
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
        generation = bump(ctx, tx, row, body["resource_provider_generation"] if guarded else None, aggregates=wanted)
    return {"aggregates": wanted, "resource_provider_generation": generation}


async def list_provider_traits(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
    return {"traits": row["traits"], "resource_provider_generation": row["generation"]}


async def update_provider_traits(ctx: Context, uuid: str, body: Json) -> Json:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
        known = classes.known_traits(tx)
        if unknown := sorted(set(body["traits"]) - known):
            raise BadRequest(f"No such trait {', '.join(unknown)}")
        generation = bump(ctx, tx, row, body["resource_provider_generation"], traits=sorted(body["traits"]))
    return {"traits": sorted(body["traits"]), "resource_provider_generation": generation}


async def delete_provider_traits(ctx: Context, uuid: str) -> None:
    with ctx.db.transaction() as tx:
        bump(ctx, tx, find_provider(tx, uuid), traits=[])


async def list_provider_usages(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
        offered = tx.all(select(inventories.c.resource_class).where(inventories.c.provider_uuid == uuid))
        used = used_by_class(tx, uuid)
    usages = {name: used.get(name, 0) for name in sorted(r["resource_class"] for r in offered)}
    return {"usages": usages, "resource_provider_generation": row["generation"]}


async def list_provider_allocations(ctx: Context, uuid: str) -> Json:
    found: dict[str, Any] = {}
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
        joined = select(allocations, consumers.c.generation).join(consumers, consumers.c.uuid == allocations.c.consumer_uuid)
        for taken in tx.all(joined.where(allocations.c.provider_uuid == uuid)):
            entry = found.setdefault(taken["consumer_uuid"], {"resources": {}, "consumer_generation": taken["generation"]})
            entry["resources"][taken["resource_class"]] = taken["used"]
    if not ctx.at_least("1.28"):
        found = {consumer: {"resources": entry["resources"]} for consumer, entry in found.items()}
    return {"allocations": found, "resource_provider_generation": row["generation"]}


RELATED = (("inventories", ""), ("usages", ""), ("aggregates", "1.1"), ("traits", "1.6"), ("allocations", "1.11"))


def _view(ctx: Context, row: Row) -> Json:
    path = f"/placement/resource_providers/{row['uuid']}"
    links = [{"rel": "self", "href": path}]
    links += [{"rel": rel, "href": f"{path}/{rel}"} for rel, since in RELATED if not since or ctx.at_least(since)]
    shown = {name: row[name] for name in ("uuid", "name", "generation", "parent_provider_uuid", "root_provider_uuid")}
    return shown | {"links": links}
