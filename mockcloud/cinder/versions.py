"""The version document: the one thing that needs no token."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Reply
from specs import document


async def list_versions(ctx: Context) -> Reply:
    return Reply(_versions(ctx), status=300)


async def redirect_version(ctx: Context) -> Reply:
    return Reply(status=302, headers={"Location": ctx.url("/v3/")})


async def show_version(ctx: Context) -> Json:
    return _versions(ctx)


def _versions(ctx: Context) -> Json:
    known = document("cinder")["x-service"]["microversion"]
    current = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": known["max"],
        "min_version": known["min"],
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": ctx.url("/v3/")},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }
    return {"versions": [current]}
