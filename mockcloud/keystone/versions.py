"""Version discovery, also as JSON-home for the clients that ask for it."""

from __future__ import annotations

from collections.abc import Mapping

from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Reply
from specs import operations

JSON_HOME = "application/json-home"


async def list_versions(ctx: Context, headers: Mapping[str, str]) -> Reply:
    if JSON_HOME in headers.get("accept", ""):
        return Reply(_json_home("/v3"), status=200, headers={"Content-Type": JSON_HOME})
    return Reply({"versions": {"values": [_version(ctx)]}}, status=300, headers={"Location": ctx.url("/v3/")})


async def show_version(ctx: Context, headers: Mapping[str, str]) -> Reply:
    if JSON_HOME in headers.get("accept", ""):
        return Reply(_json_home(""), headers={"Content-Type": JSON_HOME})
    return Reply({"version": _version(ctx)})


def _version(ctx: Context) -> Json:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": ctx.url("/v3/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def _json_home(prefix: str) -> Json:
    """Every path served, by its relation."""
    base = "https://docs.openstack.org/api/openstack-identity/3/rel/"
    resources = {}
    for operation in operations("keystone"):
        if operation.method != "get" or not operation.path.startswith("/v3/"):
            continue
        href = prefix + operation.path.removeprefix("/v3")
        relation = base + operation.id.split("_", 1)[1]
        if operation.path_parameters:
            variables = {name: f"https://docs.openstack.org/api/openstack-identity/3/param/{name}" for name in operation.path_parameters}
            resources[relation] = {"href-template": href, "href-vars": variables}
        else:
            resources[relation] = {"href": href}
    return {"resources": resources}
