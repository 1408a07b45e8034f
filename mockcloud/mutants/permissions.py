"""Faulty clouds that let people do what is not theirs to do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mockcloud.context import RequestContext
from mockcloud.http.auth import TokenAuth
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.keystone import tokens
from mockcloud.mutants import Patch, mutant
from mockcloud.nova import launch_entries, servers

if TYPE_CHECKING:
    from mockcloud.cloud import Cloud


@mutant("M18", 5, "roles are not enforced: a reader can launch", ["S05.C1"], "B2")
def readers_launch(patch: Patch) -> None:
    def around(enforce: Any) -> Any:
        def enforced(self: Context, rule: str, target: dict[str, Any] | None = None) -> None:
            if not rule.startswith("os_compute_api:servers:create"):
                enforce(self, rule, target)

        return enforced

    patch.wrap(Context, "enforce", around)


@mutant("M20", 5, "servers are made in the project of the service user", ["S05.C4", "S05.C3", "S07.C5"], "B")
def servers_of_the_service(patch: Patch) -> None:
    clouds: list[Cloud] = []
    patch.when_built(clouds.append)

    def around(shared: Any) -> Any:
        def columns(ctx: Context, launch: Any) -> Any:
            service = {"project_id": clouds[-1].id_for("project", "service"), "user_id": clouds[-1].id_for("user", "nova")}
            return shared(ctx, launch) | service

        return columns

    patch.wrap(launch_entries, "_shared", around)


@mutant("M21", 5, "another project's server is readable", ["S05.C3"], "B2")
def readable_by_all(patch: Patch) -> None:
    def around(find_server: Any) -> Any:
        def found(ctx: Context, tx: Any, server_id: str, rule: str = "") -> Any:
            try:
                return find_server(ctx, tx, server_id, rule)
            except NotFound:
                return find_server(ctx.with_request(dataclasses.replace(ctx.request, roles=("admin",))), tx, server_id, rule)

        return found

    patch.wrap(servers, "find_server", around)


@mutant("M22", 5, "roles are frozen at the first login: one that was removed still works", ["S05.C5"], "A")
def frozen_roles(patch: Patch) -> None:
    known: dict[Any, Any] = {}

    def around(standing: Any) -> Any:
        def frozen(tx: Any, user_id: str, scope: str, scope_id: str) -> Any:
            where = (user_id, scope, scope_id)
            if where not in known:
                known[where] = standing(tx, user_id, scope, scope_id)
            return known[where]

        return frozen

    patch.wrap(tokens, "_standing", around)


@mutant("M135", 5, "roles that a client writes into its request are believed", ["S05.C2"], "B")
def forged_roles(patch: Patch) -> None:
    def around(authenticate: Any) -> Any:
        async def authenticated(self: TokenAuth, headers: Any, ids: RequestContext) -> RequestContext:
            identity: RequestContext = await authenticate(self, headers, ids)
            if self._service.name != "nova" or "x-roles" not in headers:
                return identity
            return dataclasses.replace(identity, roles=tuple(headers["x-roles"].split(",")))

        return authenticated

    patch.wrap(TokenAuth, "authenticate", around)
