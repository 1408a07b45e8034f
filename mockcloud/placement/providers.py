"""Resource providers, their aggregates, traits and usages."""

from __future__ import annotations

import uuid as uuid_module
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json, Query, Reply
from mockcloud.placement import classes
from mockcloud.placement.candidates import Group, Provider, trees_of
from mockcloud.placement.queries import check_names, read_group
from mockcloud.placement.store import bump, check_generation, find_provider, http_date, load_providers, used_by_class
from mockcloud.placement.tables import allocations, consumers, inventories, resource_providers


async def list_resource_providers(ctx: Context, query: Query) -> Json:
    table, statement = resource_providers, select(resource_providers).order_by(resource_providers.c.name)
    for name in ("name", "uuid"):
        if name in query:
            statement = statement.where(table.c[name] == query[name])
    given = {name: query[name] for name in ("required", "member_of", "resources", "in_tree") if name in query}
    group = read_group(ctx, given)
    with ctx.db.transaction() as tx:
        check_names(tx, [group], where='Invalid trait(s) in "required" parameter: ')
        rows = tx.all(statement)
        if given:
            fitting = _fitting(load_providers(tx), group)
            rows = [row for row in rows if row["uuid"] in fitting]
    return {"resource_providers": [_view(ctx, row) for row in rows]}


def _fitting(providers: list[Provider], group: Group) -> set[str]:
    """Providers that fit by themselves, wherever they stand in their tree."""
    trees = {provider.uuid: tree for tree in trees_of(providers) for provider in tree.providers.values()}
    alone = [provider for provider in providers if group.has_traits(provider.traits) and provider.can_give(group.resources)]
    return {provider.uuid for provider in alone if group.admits(provider, trees[provider.uuid], own_aggregates=True)}


async def show_resource_provider(ctx: Context, uuid: str) -> Reply:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
    return Reply(_view(ctx, row), headers=_modified(ctx, row))


def _modified(ctx: Context, row: Row) -> dict[str, str]:
    return {"Last-Modified": http_date(row["updated_at"])} if ctx.at_least("1.15") else {}


async def create_resource_provider(ctx: Context, body: Json) -> Reply:
    id_ = str(uuid_module.UUID(body["uuid"])) if "uuid" in body else str(uuid_module.uuid4())
    parent, what = body.get("parent_provider_uuid"), f'Unable to create resource provider "{body["name"]}", {id_}: '
    if parent is not None and str(uuid_module.UUID(parent)) == id_:
        raise _failed(f"{what}Object action create", "parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent.")  # fmt: skip  # noqa: E501
    with ctx.db.transaction() as tx:
        row: Row = {
            "uuid": id_,
            "created_at": ctx.now(),
            "updated_at": ctx.now(),
            "name": body["name"],
            "generation": 0,
            "parent_provider_uuid": parent,
            "root_provider_uuid": id_ if parent is None else _root_of(tx, parent, f"{what}Object action create"),
            "aggregates": [],
            "traits": [],
        }
        taken = tx.one(select(resource_providers.c.uuid).where(resource_providers.c.uuid == id_)) is not None
        try:
            tx.execute(insert(resource_providers).values(**row))
        except IntegrityError as error:
            which = f"uuid: {id_}" if taken else f"name: {body['name']}"
            raise Conflict(f"Conflicting resource provider {which} already exists.", code="placement.duplicate_name") from error
    headers = {"Location": ctx.url(f"/resource_providers/{id_}")}
    return Reply(_view(ctx, row) if ctx.at_least("1.20") else None, headers=headers)


async def update_resource_provider(ctx: Context, uuid: str, body: Json) -> Reply:
    changes: Row = {"name": body["name"], "updated_at": ctx.now()}
    try:
        with ctx.db.transaction() as tx:
            row = find_provider(tx, uuid)
            if body.get("parent_provider_uuid", row["parent_provider_uuid"]) != row["parent_provider_uuid"]:
                changes |= _move(ctx, tx, row, body["parent_provider_uuid"])
            tx.execute(update(resource_providers).where(resource_providers.c.uuid == uuid).values(**changes))
    except IntegrityError as error:
        raise Conflict(f"Conflicting resource provider {body['name']} already exists.", code="placement.duplicate_name") from error
    return Reply(_view(ctx, row | changes), headers=_modified(ctx, row | changes))


def _move(ctx: Context, tx: Transaction, row: Row, parent: str | None) -> Row:
    """A provider, with all below it, goes under another parent: only from none before 1.37."""
    uuid, what = row["uuid"], f"Unable to save resource provider {row['uuid']}: Object action update"
    if row["parent_provider_uuid"] is not None and not ctx.at_least("1.37"):
        verb = "un-parenting" if parent is None else "re-parenting"
        raise _failed(what, f"{verb} a provider is not currently allowed.")
    root = uuid if parent is None else _root_of(tx, parent, what)
    below = _subtree(tx, row)
    if parent in below:
        raise _failed(what, "creating loop in the provider tree is not allowed.")
    tx.execute(update(resource_providers).where(resource_providers.c.uuid.in_(below)).values(root_provider_uuid=root))
    return {"parent_provider_uuid": parent, "root_provider_uuid": root}


def _root_of(tx: Transaction, parent: str, what: str) -> str:
    root = tx.scalar(select(resource_providers.c.root_provider_uuid).where(resource_providers.c.uuid == parent))
    if root is None:
        raise _failed(what, "parent provider UUID does not exist.")
    return str(root)


def _subtree(tx: Transaction, row: Row) -> set[str]:
    found, level = {row["uuid"]}, [row["uuid"]]
    while level:
        rows = tx.all(select(resource_providers.c.uuid).where(resource_providers.c.parent_provider_uuid.in_(level)))
        level = [child["uuid"] for child in rows]
        found |= set(level)
    return found


def _failed(what: str, reason: str) -> BadRequest:
    return BadRequest(f"{what} failed because: {reason}")


async def delete_resource_provider(ctx: Context, uuid: str) -> None:
    with ctx.db.transaction() as tx:
        if tx.one(select(resource_providers.c.uuid).where(resource_providers.c.uuid == uuid)) is None:
            raise NotFound(f"No resource provider with uuid {uuid} found for delete")
        if tx.scalar(select(resource_providers.c.uuid).where(resource_providers.c.parent_provider_uuid == uuid).limit(1)):
            message = f"Unable to delete parent resource provider {uuid}: It has child resource providers."
            raise Conflict(message, code="placement.resource_provider.cannot_delete_parent")
        if used_by_class(tx, uuid):
            message = f"Unable to delete resource provider {uuid}: Resource provider has allocations."
            raise Conflict(message, code="placement.resource_provider.inuse")
        tx.execute(delete(inventories).where(inventories.c.provider_uuid == uuid))
        tx.execute(delete(resource_providers).where(resource_providers.c.uuid == uuid))


CHANGED = "Resource provider's generation already changed. Please update the generation and try again."


async def list_provider_aggregates(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
    return {"aggregates": row["aggregates"], "resource_provider_generation": row["generation"]}


async def update_provider_aggregates(ctx: Context, uuid: str, body: Json) -> Json:
    """Before 1.19 neither guarded by the generation nor counted in it."""
    guarded = ctx.at_least("1.19")
    wanted = body["aggregates"] if guarded else body
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
        generation = row["generation"]
        if guarded:
            check_generation(row, body["resource_provider_generation"], CHANGED)
            generation = bump(ctx, tx, row, aggregates=wanted)
        else:
            tx.execute(update(resource_providers).where(resource_providers.c.uuid == uuid).values(aggregates=wanted))
    return {"aggregates": wanted, "resource_provider_generation": generation}


async def list_provider_traits(ctx: Context, uuid: str) -> Json:
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
    return {"traits": row["traits"], "resource_provider_generation": row["generation"]}


async def update_provider_traits(ctx: Context, uuid: str, body: Json) -> Json:
    wanted = sorted(body["traits"])
    with ctx.db.transaction() as tx:
        row = find_provider(tx, uuid)
        check_generation(row, body["resource_provider_generation"], CHANGED)
        if unknown := sorted(set(wanted) - classes.known_traits(tx)):
            raise BadRequest(f"No such trait {', '.join(unknown)}")
        generation = _keep_traits(ctx, tx, row, wanted)
    return {"traits": wanted, "resource_provider_generation": generation}


async def delete_provider_traits(ctx: Context, uuid: str) -> None:
    with ctx.db.transaction() as tx:
        _keep_traits(ctx, tx, find_provider(tx, uuid), [])


def _keep_traits(ctx: Context, tx: Transaction, row: Row, wanted: list[str]) -> int:
    """The generation afterwards: the same where nothing changed."""
    same = sorted(row["traits"]) == wanted
    return int(row["generation"]) if same else bump(ctx, tx, row, traits=wanted)


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
