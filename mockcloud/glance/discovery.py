"""Versions, schemas and what this glance can do."""

from __future__ import annotations

from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Reply
from specs import at

SUPPORTED = ("v2.15", "v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")


async def list_versions(ctx: Context) -> Reply:
    return Reply(_versions(ctx), status=300)


async def list_all_versions(ctx: Context) -> Json:
    return _versions(ctx)


def _versions(ctx: Context) -> Json:
    links = [{"rel": "self", "href": ctx.url("/v2/")}]
    current = {"id": "v2.17", "status": "CURRENT", "links": links}
    return {"versions": [current, *({"id": id_, "status": "SUPPORTED", "links": links} for id_ in SUPPORTED)]}


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
    schema = at("glance")["components"]["schemas"][component]
    made = {"name": name, "properties": schema["properties"], "links": [{"rel": "self", "href": "{self}"}]}
    if name == "image":
        made["additionalProperties"] = {"type": "string"}
    return made


def _list_of(name: str, item: str, component: str) -> dict[str, Any]:
    properties = {name: {"type": "array", "items": _schema(item, component)}, "schema": {"type": "string"}}
    return {"name": name, "properties": properties, "links": [{"rel": "describedby", "href": "{schema}"}]}


async def show_import_info(ctx: Context) -> Json:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": ["glance-direct"]}}
