"""The version documents: what a client reads before it has a token."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json
from specs import document


async def list_versions(ctx: Context) -> Json:
    return {"versions": [_old(ctx), _current(ctx)]}


async def show_version(ctx: Context) -> Json:
    return {"version": _described(_current(ctx), "2.1")}


async def show_version_by_id(ctx: Context, version_id: str) -> Json:
    if version_id == "v2.1":
        return await show_version(ctx)
    if version_id == "v2.0":
        return {"version": _described(_old(ctx), "2")}
    raise NotFound("The resource could not be found.")


async def list_choices(ctx: Context, anything: str) -> Json:
    """A path without a version: where it might be meant."""
    choices = (("v2.0", "v2", "DEPRECATED", "2"), ("v2.1", "v2.1", "CURRENT", "2.1"))
    return {
        "choices": [
            {
                "id": id,
                "status": status,
                "links": [{"rel": "self", "href": ctx.url(f"/{mount}/{anything}")}],
                "media-types": [{"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={version}"}],
            }
            for id, mount, status, version in choices
        ]
    }


def _current(ctx: Context) -> Json:
    known = document("nova")["x-service"]["microversion"]
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": known["max"],
        "min_version": known["min"],
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": ctx.url("/v2.1/")}],
    }


def _old(ctx: Context) -> Json:
    """What was before microversions."""
    old = {"id": "v2.0", "status": "DEPRECATED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z"}
    return old | {"links": [{"rel": "self", "href": ctx.url("/v2/")}]}


def _described(version: Json, media_version: str) -> Json:
    described = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    media = {"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={media_version}"}
    return version | {"links": [*version["links"], described], "media-types": [media]}
