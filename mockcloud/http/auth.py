"""Who asks: the token middleware of every service (steps 4, 5, 20, 23 and 26 of the launch).

As keystonemiddleware: the caller's token is validated by a REST call to keystone with the service's own token, kept for
`token_cache_time` seconds; a bad service token refuses the request; an expired user token passes beside a good one.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from mockcloud.clients import EndpointDown, Response
from mockcloud.context import RequestContext
from mockcloud.http.errors import TokenRefused, Unauthorized, Unavailable
from mockcloud.profiling.headers import trace_headers
from mockcloud.trace import fingerprint, span, step

if TYPE_CHECKING:
    from mockcloud.http.service import Service

FORGEABLE = ("x-identity-status", "x-user", "x-project", "x-domain", "x-roles", "x-role", "x-tenant", "x-is-admin-project",
             "x-service-user", "x-service-project", "x-service-domain", "x-service-roles", "x-service-identity-status",
             "x-service-catalog", "openstack-system-scope")  # fmt: skip


def strip_identity(headers: Mapping[str, str]) -> dict[str, str]:
    """Request headers without those that only the middleware may set."""
    return {name: value for name, value in headers.items() if not name.startswith(FORGEABLE)}


@dataclass(frozen=True, slots=True)
class Kept:
    """A validated token. Times are seconds since the epoch: a token may end before the trust in it does."""

    until: float
    expires: float
    answer: dict[str, Any]


class TokenAuth:
    """Authenticates the requests of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: dict[str, Kept] = {}  # by token
        self._ask = ASKING.get(service.name, _ask_keystone)
        self._accept = ACCEPTING.get(service.name, _accept)

    async def authenticate(self, headers: Mapping[str, str], ids: RequestContext) -> RequestContext:
        """The caller's identity; 401 without a good token, 503 when keystone is away."""
        token = headers.get("x-auth-token", "")
        if self._service.authenticate is not None:
            return self._authenticate_here(token, ids)
        beside = headers.get("x-service-token", "")
        service_token = await self._service_token(beside, ids) if beside else None
        if not token:
            raise self._refusal()
        found = await self._validated(token, ids, allow_expired=service_token is not None)
        return await self._accept(identity_of(found, service_token, ids, token))

    def _authenticate_here(self, token: str, ids: RequestContext) -> RequestContext:
        """keystone's own requests: it knows its tokens."""
        found = self._service.authenticate(self._service, token) if token and self._service.authenticate else None
        if found is None:
            raise Unauthorized("The request you have made requires authentication.")
        return identity_of(found, None, ids, token)

    async def _service_token(self, token: str, ids: RequestContext) -> dict[str, Any]:
        found = await self._validated(token, ids, allow_expired=False)
        if "service" not in {role["name"] for role in found.get("roles", ())}:
            raise self._refusal()
        return found

    async def _validated(self, token: str, ids: RequestContext, allow_expired: bool) -> dict[str, Any]:
        clock, life = self._service.clock, self._service.settings.token_cache_time
        kept = self._kept.get(token)
        if kept is not None and clock.time() < kept.until:
            if clock.time() >= kept.expires and not allow_expired:
                raise self._refusal()
            return kept.answer
        try:
            found = await self._ask(self._service, token, ids, allow_expired)
        except EndpointDown as error:
            raise Unavailable("The Keystone service is temporarily unavailable.") from error
        if found is None:
            self._kept.pop(token, None)
            raise self._refusal()
        if life > 0:
            if len(self._kept) > 10_000:
                self._kept.clear()
            self._kept[token] = Kept(clock.time() + life, _expiry(found), found)
        return found

    def _refusal(self) -> TokenRefused:
        uri = self._service.runtime.urls["keystone"]
        return TokenRefused(headers={"WWW-Authenticate": f'Keystone uri="{uri}"'})


PAUSES = (0.05, 0.1, 0.2)  # between keystonemiddleware's three retries, which begin at half a second


async def _ask_keystone(service: Service, token: str, ids: RequestContext, allow_expired: bool) -> dict[str, Any] | None:
    """Keystone's token body, or None when it refuses the token. Raises EndpointDown."""
    answer = await _patiently(service, token, ids, allow_expired)
    if answer.status == 401:  # our own token has gone stale
        service.login.forget()
        answer = await _patiently(service, token, ids, allow_expired)
    if answer.status == 200:
        return _token_in(answer.content)
    if answer.status == 404:
        return None
    raise EndpointDown(f"keystone answered {answer.status} to the validation of a token")


@functools.lru_cache(maxsize=256)
def _token_in(answer: bytes) -> dict[str, Any]:
    """Keystone says the same of one token for a long time, and most of it is the catalog: the same bytes are read once."""
    return orjson.loads(answer)["token"]  # type: ignore[no-any-return]


async def _patiently(service: Service, token: str, ids: RequestContext, allow_expired: bool) -> Response:
    """Keystone may be away for a moment: connections are tried again, answers are not."""
    for pause in PAUSES:
        try:
            return await _validate(service, token, ids, allow_expired)
        except EndpointDown:
            await service.clock.sleep(pause)
    return await _validate(service, token, ids, allow_expired)


async def _validate(service: Service, token: str, ids: RequestContext, allow_expired: bool) -> Response:
    login = service.login
    url = f"{login.identity_url}/auth/tokens" + ("?allow_expired=1" if allow_expired else "")
    headers = {
        "X-Auth-Token": await login.token(),
        "X-Subject-Token": token,
        "OpenStack-Identity-Access-Rules": "1",
        "X-OpenStack-Request-ID": ids.outgoing_id,
        "User-Agent": f"{service.name} keystonemiddleware.auth_token",
    }
    shown = {"method": "GET", "url": url, "callee": "identity", "subject_token": fingerprint(token)}
    with span("http.client", "GET /v3/auth/tokens", **shown) as fact:
        answer = await login.transport.send("GET", url, headers | trace_headers(), b"", False)
        if fact is not None:
            fact.attributes["status"] = answer.status
    return answer


def _expiry(found: dict[str, Any]) -> float:
    return datetime.strptime(found["expires_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()


def identity_of(found: dict[str, Any], service_token: dict[str, Any] | None, ids: RequestContext, token: str) -> RequestContext:
    """What a token body says, as the identity headers that the middleware would inject."""
    user, project, domain = found["user"], found.get("project") or {}, found.get("domain") or {}
    beside = service_token or {}
    return RequestContext(
        request_id=ids.request_id,
        global_request_id=ids.global_request_id,
        token=token,
        user_id=user["id"],
        user_name=user["name"],
        user_domain_id=user["domain"]["id"],
        project_id=project.get("id", ""),
        project_name=project.get("name", ""),
        project_domain_id=project.get("domain", {}).get("id", ""),
        domain_id=domain.get("id", ""),
        system_scope="all" if found.get("system") else "",
        roles=tuple([role["name"] for role in found.get("roles", ())]),
        service_roles=tuple([role["name"] for role in beside.get("roles", ())]),
        service_user_id=beside.get("user", {}).get("id", ""),
    )


async def _accept(identity: RequestContext) -> RequestContext:
    """The answer has come: the request is bound to a user, a project and roles."""
    return identity


Asking = Callable[["Service", str, RequestContext, bool], Awaitable[dict[str, Any] | None]]
Accepting = Callable[[RequestContext], Awaitable[RequestContext]]

ASKING: dict[str, Asking] = {
    "nova": step(4)(_ask_keystone),
    "glance": step(20)(_ask_keystone),
    "neutron": step(23)(_ask_keystone),
    "cinder": step(26)(_ask_keystone),
}
ACCEPTING: dict[str, Accepting] = {"nova": step(5)(_accept)}
