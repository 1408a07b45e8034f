"""Faulty token middlewares of nova-api."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mockcloud.clients import EndpointDown
from mockcloud.context import RequestContext
from mockcloud.http import auth
from mockcloud.http.auth import TokenAuth, identity_of
from mockcloud.http.binding import Binding
from mockcloud.http.errors import BadRequest, TokenRefused
from mockcloud.keystone.tokens import TokenError, Tokens, _standing, stamp
from mockcloud.mutants import Patch, mutant

if TYPE_CHECKING:
    from mockcloud.cloud import Cloud


class Trust:
    """What a service believes that asks nobody: what the token says of itself, or else that it is demo's."""

    def __init__(self, patch: Patch) -> None:
        self._clouds: list[Cloud] = []
        patch.when_built(self._clouds.append)

    def body(self, token: str) -> dict[str, Any]:
        cloud = self._clouds[-1]
        keystone = cloud.services["keystone"]
        try:
            payload = keystone.parts[Tokens]._open(token)
            where = payload.user_id, payload.scope, payload.scope_id
        except TokenError:
            where = cloud.id_for("user", "demo"), "project", cloud.id_for("project", "demo")
        with keystone.db.transaction() as tx:
            return {"expires_at": stamp(cloud.clock.time() + 3600), **_standing(tx, *where)}


def looks_at_nothing(patch: Patch, service: str) -> None:
    """Whatever stands for a token is one."""
    trust = Trust(patch)

    def around(authenticate: Any) -> Any:
        async def authenticated(self: TokenAuth, headers: Any, ids: RequestContext) -> RequestContext:
            if self._service.name != service:
                return await authenticate(self, headers, ids)  # type: ignore[no-any-return]
            token = headers.get("x-auth-token", "")
            return identity_of(trust.body(token), None, ids, token)

        return authenticated

    patch.wrap(TokenAuth, "authenticate", around)


def asks_nobody(patch: Patch, service: str) -> None:
    """A token of the right shape is believed what it says of itself."""
    trust = Trust(patch)

    async def ask(service: Any, token: str, ids: RequestContext, allow_expired: bool) -> dict[str, Any] | None:
        return trust.body(token) if token.startswith("gAAAA") else None

    patch.replace(auth, "ASKING", {**auth.ASKING, service: ask})


@mutant("M12", 4, "nova-api does not validate the token at all", ["S04.C1", "S04.C2"], "B")
def not_validated(patch: Patch) -> None:
    looks_at_nothing(patch, "nova")


@mutant("M13", 4, "nova-api looks at the token's shape only", ["S04.C2", "S04.C5"], "B")
def shape_only(patch: Patch) -> None:
    asks_nobody(patch, "nova")


@mutant("M15", 4, "nova-api fails open: whoever comes while keystone is down is let in", ["S04.C5"], "H")
def fails_open(patch: Patch) -> None:
    trust, asked = Trust(patch), auth.ASKING["nova"]

    async def ask(service: Any, token: str, ids: RequestContext, allow_expired: bool) -> dict[str, Any] | None:
        try:
            return await asked(service, token, ids, allow_expired)
        except EndpointDown:
            return trust.body(token)

    patch.replace(auth, "ASKING", {**auth.ASKING, "nova": ask})


@mutant("M16", 4, "nova-api validates the body before the token", ["S04.C4"], "B")
def body_first(patch: Patch) -> None:
    def around(serve: Any) -> Any:
        async def served(self: Binding, incoming: Any, fact: Any) -> Any:
            if self.service.name == "nova" and incoming.method == "POST" and incoming.path.endswith("/servers"):
                data = await incoming.body()

                async def receive() -> dict[str, Any]:
                    return {"type": "http.request", "body": data, "more_body": False}

                incoming.receive = receive
                if "name" not in orjson.loads(data).get("server", {}):
                    raise BadRequest("Invalid input for field/attribute server: 'name' is a required property")
            return await serve(self, incoming, fact)

        return served

    patch.wrap(Binding, "_serve", around)


@mutant("M17", 4, "a bad service token is ignored", ["S04.C6"], "B")
def service_token_ignored(patch: Patch) -> None:
    def around(service_token: Any) -> Any:
        async def found(self: TokenAuth, token: str, ids: RequestContext) -> Any:
            try:
                return await service_token(self, token, ids)
            except TokenRefused:
                return None

        return found

    patch.wrap(TokenAuth, "_service_token", around)
