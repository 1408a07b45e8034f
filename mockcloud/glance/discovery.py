"""Versions, schemas and what this glance can do."""

from __future__ import annotations

from typing import Any

from mockcloud.glance.images import IMPORT_METHODS
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json, Reply
from specs import at

BEFORE = ("v2.15", "v2.9")  # glance lists its current version between these and the others
SUPPORTED = ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")


async def list_versions(ctx: Context) -> Reply:
    return Reply(_versions(ctx), status=300)


async def list_all_versions(ctx: Context) -> Json:
    return _versions(ctx)


def _versions(ctx: Context) -> Json:
    links = [{"rel": "self", "href": ctx.url("/v2/")}]
    listed = [*((id_, "SUPPORTED") for id_ in BEFORE), ("v2.17", "CURRENT"), *((id_, "SUPPORTED") for id_ in SUPPORTED)]
    return {"versions": [{"id": id_, "status": status, "links": links} for id_, status in listed]}


async def show_image_schema(ctx: Context) -> Json:
    return _schema("image", "Image")


async def show_images_schema(ctx: Context) -> Json:
    return _list_of("images", "image", "Image")


async def show_member_schema(ctx: Context) -> Json:
    return _schema("member", "Member")


async def show_members_schema(ctx: Context) -> Json:
    return _list_of("members", "member", "Member")


def _schema(name: str, component: str) -> dict[str, Any]:
    """From our own document: what it says of the resource is what clients may ask for."""
    made = {"name": name, "properties": at("glance")["components"]["schemas"][component]["properties"]}
    if name == "image":
        links = (("self", "{self}"), ("enclosure", "{file}"), ("describedby", "{schema}"))
        made |= {"additionalProperties": {"type": "string"}, "links": [{"rel": rel, "href": href} for rel, href in links]}
    return made


def _list_of(name: str, item: str, component: str) -> dict[str, Any]:
    properties = {name: {"type": "array", "items": _schema(item, component)}, "schema": {"type": "string"}}
    links = [{"rel": "describedby", "href": "{schema}"}]
    if name == "images":
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}}
        links = [{"rel": rel, "href": f"{{{rel}}}"} for rel in ("first", "next")] + links
    return {"name": name, "properties": properties, "links": links}


async def show_import_info(ctx: Context) -> Json:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": list(IMPORT_METHODS)}}


async def list_stores(ctx: Context) -> Json:
    """As a cloud without enabled_backends."""
    raise NotFound("Multi backend is not supported at this site.")


async def list_store_details(ctx: Context) -> Json:
    raise NotFound("Multi backend is not supported at this site.")


async def delete_image_from_store(ctx: Context, store_id: str, image_id: str) -> None:
    raise NotFound


async def show_usage(ctx: Context) -> Json:
    """Empty, as without use_keystone_limits."""
    return {"usage": {}}
