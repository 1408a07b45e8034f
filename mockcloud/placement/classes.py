"""Resource classes and traits: the standard ones, and a cloud's own."""

from __future__ import annotations

import functools
import re

import os_resource_classes
import os_traits
from sqlalchemy import Table, delete, select, update

from mockcloud.db.engine import Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json, Query, Reply
from mockcloud.placement.tables import allocations, custom_classes, custom_traits, inventories, resource_providers

CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]+")
LONGEST = 255
_CLASSES, _TRAITS = Prepared(select(custom_classes.c.name)), Prepared(select(custom_traits.c.name))
STANDARD_CLASSES: frozenset[str] = frozenset(os_resource_classes.STANDARDS)


@functools.cache
def standard_traits() -> frozenset[str]:
    return frozenset(os_traits.get_traits())


def known_classes(tx: Transaction) -> frozenset[str]:
    return STANDARD_CLASSES | _own(tx, _CLASSES)


def known_traits(tx: Transaction) -> frozenset[str]:
    return standard_traits() | _own(tx, _TRAITS)


def _own(tx: Transaction, names: Prepared) -> frozenset[str]:
    return frozenset(row["name"] for row in tx.all(names))


async def list_resource_classes(ctx: Context) -> Json:
    with ctx.db.transaction() as tx:
        names = sorted(known_classes(tx))
    return {"resource_classes": [_class(name) for name in names]}


async def show_resource_class(ctx: Context, name: str) -> Json:
    with ctx.db.transaction() as tx:
        _find_class(tx, name)
    return _class(name)


async def create_resource_class(ctx: Context, body: Json) -> Reply:
    name = body["name"]
    with ctx.db.transaction() as tx:
        if name in known_classes(tx):
            raise Conflict(f"Conflicting resource class already exists: {name}")
        tx.insert(custom_classes, name=name)
    return Reply(headers={"Location": ctx.url(f"/resource_classes/{name}")})


async def ensure_resource_class(ctx: Context, name: str, body: Json) -> Reply:
    """Until 1.6 the body gives the class a new name."""
    if ctx.at_least("1.7"):
        if not CUSTOM.fullmatch(name) or len(name) > LONGEST:
            raise BadRequest(f"JSON does not validate: {name!r} does not match '^CUSTOM_[A-Z0-9_]+$'")
        return _ensure(ctx, custom_classes, name, "resource_classes")
    if body is None:
        raise BadRequest("Malformed JSON: the body cannot be read")
    with ctx.db.transaction() as tx:
        _find_class(tx, name)
        if name in STANDARD_CLASSES:
            raise BadRequest(f"Cannot update standard resource class {name}")
        if body["name"] in known_classes(tx):
            raise Conflict(f"Resource class already exists: {body['name']}")
        tx.execute(update(custom_classes).where(custom_classes.c.name == name).values(name=body["name"]))
        for table in (inventories, allocations):
            tx.execute(update(table).where(table.c.resource_class == name).values(resource_class=body["name"]))
    return Reply(_class(body["name"]), status=200)


async def delete_resource_class(ctx: Context, name: str) -> None:
    with ctx.db.transaction() as tx:
        _find_class(tx, name)
        if name in STANDARD_CLASSES:
            raise BadRequest(f"Error in delete resource class: Cannot delete standard resource class {name}.")
        if tx.one(select(inventories.c.provider_uuid).where(inventories.c.resource_class == name).limit(1)):
            raise Conflict(f"Error in delete resource class: Cannot delete resource class {name}. Class is in use in inventory.")
        tx.execute(delete(custom_classes).where(custom_classes.c.name == name))


async def list_traits(ctx: Context, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        names = known_traits(tx)
        if "associated" in query:
            used = {trait for row in tx.all(select(resource_providers.c.traits)) for trait in row["traits"]}
            wanted = _true_or_false(query["associated"])
            names = frozenset(name for name in names if (name in used) == wanted)
    if "name" in query:
        names = _filtered(names, query["name"])
    return {"traits": sorted(names)}


def _filtered(names: frozenset[str], text: str) -> frozenset[str]:
    kind, colon, value = text.partition(":")
    if not colon:
        raise BadRequest(
            "Badly formatted name parameter. Expected name query string parameter in form: "
            f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{text}"'
        )
    if kind == "in":
        return names & frozenset(value.split(","))
    if kind == "startswith":
        return frozenset(name for name in names if name.startswith(value))
    return names


def _true_or_false(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadRequest('The query parameter "associated" only accepts "true" or "false"')
    return text.lower() == "true"


async def show_trait(ctx: Context, name: str) -> None:
    with ctx.db.transaction() as tx:
        if name not in known_traits(tx):
            raise NotFound(f"No such trait(s): {name}.")


async def ensure_trait(ctx: Context, name: str) -> Reply:
    if not CUSTOM.fullmatch(name) or len(name) > LONGEST:
        raise BadRequest(
            'The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use '
            'following characters: "A"-"Z", "0"-"9" and "_"'
        )
    return _ensure(ctx, custom_traits, name, "traits")


async def delete_trait(ctx: Context, name: str) -> None:
    with ctx.db.transaction() as tx:
        if name not in known_traits(tx):
            raise NotFound(f"No such trait(s): {name}.")
        if name in standard_traits():
            raise BadRequest(f"Cannot delete standard trait {name}.")
        if any(name in row["traits"] for row in tx.all(select(resource_providers.c.traits))):
            raise Conflict(f"The trait {name} is in use by a resource provider.")
        tx.execute(delete(custom_traits).where(custom_traits.c.name == name))


def _ensure(ctx: Context, table: Table, name: str, collection: str) -> Reply:
    """201 when it is new, 204 when it was there."""
    with ctx.db.transaction() as tx:
        new = tx.one(select(table.c.name).where(table.c.name == name)) is None
        if new:
            tx.insert(table, name=name)
    return Reply(status=201 if new else 204, headers={"Location": ctx.url(f"/{collection}/{name}")})


def _find_class(tx: Transaction, name: str) -> None:
    if name not in known_classes(tx):
        raise NotFound(f"No such resource class {name}.")


def _class(name: str) -> Json:
    return {"name": name, "links": [{"rel": "self", "href": f"/placement/resource_classes/{name}"}]}
