"""S05: what keystone says of a token decides whose a request is, and what it may do."""

from __future__ import annotations

import secrets
from typing import Any

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.registry import Broken, NotObservable, Unsupported, check, require
from conformance.situations import refused_launch

READERS_SINCE = (2, 95)  # compute microversion of 2023.1, the first release in which a reader may only read
ADMIN_VIEWS = ("/os-services", "/os-hypervisors")


def newest_microversion(cloud: Cloud) -> tuple[int, int]:
    """Of the compute API: it tells the release."""
    shown = cloud.member.get("compute", "/")
    text = ((shown.body or {}).get("version") or {}).get("version") or "2.1"
    major, _, minor = text.partition(".")
    return int(major), int(minor)


@check(
    "S05.C1", "B2", given="a token with role reader only", when="POST /servers, and GET /servers", then="403 and no server; 200",
    needs=("reader",),
)  # fmt: skip
def reader(cloud: Cloud) -> None:
    """A reader may look, and launches nothing."""
    listed = cloud.reader.get("compute", "/servers")
    require(listed.status == 200, "200 to a reader's GET /servers", listed, listed.fact)
    if newest_microversion(cloud) < READERS_SINCE:
        raise Unsupported("its compute service is older than 2023.1: its policies may let a reader launch servers")
    refused_launch(cloud, (403,), "a reader", person=cloud.reader)


@check(
    "S05.C2", "B", given="a good token without privilege, and headers that claim an admin's identity",
    when="GET /servers/detail?all_tenants=1, and views for admins only", then="the same as without those headers",
)  # fmt: skip
def forged_headers(cloud: Cloud) -> None:
    """Nobody can write his roles into his own request."""
    if "admin" in cloud.member.roles:
        raise NotObservable("the member is an admin: there is nothing to gain by forged headers")
    other = cloud.people["stranger"].project_id if "stranger" in cloud.people else secrets.token_hex(16)
    forged = {
        "X-Identity-Status": "Confirmed", "X-Roles": "admin", "X-Role": "admin", "X-Is-Admin-Project": "True",
        "X-Project-Id": other, "X-Tenant-Id": other, "X-User-Id": secrets.token_hex(16), "OpenStack-System-Scope": "all",
    }  # fmt: skip
    for path in ADMIN_VIEWS:
        plain, claimed = (cloud.member.get("compute", path, headers=headers) for headers in ({}, forged))
        require(claimed.status == plain.status, f"{plain.status} to GET {path}, as without forged headers", claimed, claimed.fact)
    for params in ({"all_tenants": 1}, {}):
        plain, claimed = (cloud.member.get("compute", "/servers/detail", params=params, headers=headers) for headers in ({}, forged))
        require(claimed.status == plain.status, f"{plain.status}, as without forged headers", claimed, claimed.fact)
        foreign = [s["id"] for s in (claimed.body or {}).get("servers", []) if s["tenant_id"] != cloud.member.project_id]
        require(not foreign, "none but the project's own servers", f"servers {foreign[:3]} of others", claimed.fact)
    launch = cloud.golden
    shown = cloud.member.get("compute", f"/servers/{launch.server_id}", headers=forged)
    require(shown.status == 200, "200 to the project's own server, whatever project the headers claim", shown, shown.fact)


@check(
    "S05.C3", "B2", given="a server of one project", when="GET it, and list, with another project's token", then="404; it is not listed",
    needs=("stranger",),
)  # fmt: skip
def isolation(cloud: Cloud) -> None:
    """A server does not exist for other projects."""
    launch = cloud.golden
    require(launch.server_id, "a server that was accepted", launch.boot, launch.boot.fact)
    shown = cloud.stranger.get("compute", f"/servers/{launch.server_id}")
    require(shown.status == 404, "404 to another project's server", shown, shown.fact)
    listed = cloud.stranger.get("compute", "/servers")
    ids = [server["id"] for server in (listed.body or {}).get("servers", [])]
    require(listed.status == 200 and launch.server_id not in ids, "a list without it", listed, listed.fact)


@check("S05.C4", "B", given="a server just created", when="GET it", then="its project and its user are those of the token")
def ownership(cloud: Cloud) -> None:
    """A server belongs to whoever asked for it."""
    launch = cloud.golden
    shown = cloud.member.get("compute", f"/servers/{launch.server_id}")
    require(shown.status == 200, "200 to one's own server", shown, launch.boot.fact, shown.fact)
    server = shown.body["server"]
    wanted = (cloud.member.project_id, cloud.member.user_id)
    actual = (server["tenant_id"], server["user_id"])
    require(actual == wanted, f"project and user {wanted}", actual, launch.boot.fact, shown.fact)


@check(
    "S05.C5", "A", given="a user whose role was taken away, and a fresh token of theirs", when="POST /servers",
    then="403; where no role is left, 401 already to the login", needs=("admin",),
)  # fmt: skip
def role_removed(cloud: Cloud) -> None:
    """A role that was taken away is gone from the next token."""
    roles = {name: id for name in ("member", "reader") if (id := _role(cloud, name))}
    if "member" not in roles:
        raise Unsupported("this cloud has no role named member")
    if newest_microversion(cloud) < READERS_SINCE:
        roles.pop("reader", None)  # a reader may launch there: no role is to be left
    user = _new_user(cloud)
    for role_id in roles.values():
        _grant(cloud, "PUT", user["id"], role_id)
    before = _login(cloud, user)
    used = cloud.member.get("compute", "/servers", token=before.headers.get("x-subject-token", "none"))
    if before.status != 201 or used.status != 200:
        raise Broken(f"a user with role member cannot log in and list servers: {before if before.status != 201 else used}")
    _grant(cloud, "DELETE", user["id"], roles["member"])
    after = _login(cloud, user)
    require(after.status in (201, 401), "a token with what is left, or 401", after, after.fact)
    if after.status == 401:
        require("reader" not in roles, "a token with role reader, which is left", after, after.fact)
        return
    names = {role["name"] for role in after.body["token"].get("roles", ())}
    require("member" not in names, "a token without role member", sorted(names), after.fact)
    refused_launch(cloud, (401, 403), "a user without role member", token=after.headers["x-subject-token"])


def _role(cloud: Cloud, name: str) -> str:
    listed = cloud.admin.get("identity", "/roles", params={"name": name})
    if listed.status != 200:
        raise Unsupported(f"the admin may not look at roles: {listed}")
    return str(listed.body["roles"][0]["id"]) if listed.body["roles"] else ""


def _new_user(cloud: Cloud) -> dict[str, Any]:
    """A user of the member's domain; with its password, which is in no fact."""
    issued = cloud.member.login_exchange()[1].body["token"]
    wanted = {
        "name": cloud.resources.name("user"), "domain_id": issued["user"]["domain"]["id"], "password": secrets.token_urlsafe(16) + "aA1!",
    }  # fmt: skip
    try:
        made = cloud.resources.create(cloud.admin, "identity", "/users", "user", wanted)
    except Broken as error:
        raise Unsupported(f"users cannot be made here: {error}") from error
    return {**made, "password": wanted["password"]}


def _grant(cloud: Cloud, method: str, user_id: str, role_id: str) -> None:
    path = f"/projects/{cloud.member.project_id}/users/{user_id}/roles/{role_id}"
    answer = cloud.admin.request("identity", method, path)
    if answer.status != 204:
        raise Broken(f"a role cannot be granted or taken away: {answer}")


def _login(cloud: Cloud, user: dict[str, Any]) -> Exchange:
    proof = {"methods": ["password"], "password": {"user": {"id": user["id"], "password": user["password"]}}}
    auth = {"identity": proof, "scope": {"project": {"id": cloud.member.project_id}}}
    return cloud.member.post("identity", "/auth/tokens", json={"auth": auth}, token="")
