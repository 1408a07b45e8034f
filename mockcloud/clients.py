"""Service-to-service REST: catalog, tokens, request ids; within the process over ASGI, or over sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote, urlencode

import orjson

from mockcloud.clock import Clock
from mockcloud.context import RequestContext, service_context
from mockcloud.profiling.headers import trace_headers
from mockcloud.trace import fingerprint, span

ASGIApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[MutableMapping[str, Any]], Awaitable[None]]], Awaitable[None]
]

VERSION_HEADERS = {"compute": "compute", "block-storage": "volume", "placement": "placement"}


class EndpointDown(Exception):
    """Nobody answers there."""


@dataclass(slots=True)
class Response:
    """An answer; header names are in lower case. With `stream` the body is read from there and `content` is empty."""

    status: int
    headers: dict[str, str]
    content: bytes = b""
    stream: AsyncIterator[bytes] | None = None

    @property
    def ok(self) -> bool:
        return self.status < 400

    def json(self) -> Any:
        return orjson.loads(self.content) if self.content else None

    def message(self) -> str:
        """The sentence of an error body, whichever the service's dialect."""
        try:
            body = self.json()
        except ValueError:
            return self.content.decode(errors="replace")
        if isinstance(body, dict) and isinstance(body.get("message"), str):  # glance's
            explanation, _, detail = body["message"].partition("<br /><br />")
            return str(detail.strip() or explanation.strip())
        for part in body.values() if isinstance(body, dict) else ():
            if isinstance(part, dict) and "message" in part:
                return str(part["message"])
            if isinstance(part, list) and part and isinstance(part[0], dict):
                return str(part[0].get("detail", part[0]))
        return self.content.decode(errors="replace")


class Transport(Protocol):
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | AsyncIterator[bytes], stream: bool
    ) -> Response: ...


class InProcess:
    """Calls ASGI apps by the network location of their URLs, without a socket."""

    def __init__(self) -> None:
        self.apps: dict[str, ASGIApp] = {}  # "127.0.0.1:5000" -> app
        self.down: Callable[[str], bool] = lambda url: False

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | AsyncIterator[bytes], stream: bool
    ) -> Response:
        scheme, _, rest = url.partition("://")  # our own URLs: urlsplit would take longer than the rest of this function
        rest, _, query = rest.partition("?")
        netloc, slash, path = rest.partition("/")
        app = self.apps.get(netloc)
        if app is None or self.down(url):
            raise EndpointDown(f"Unable to establish connection to {url}")
        raw_path = slash + path
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": unquote(raw_path),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", netloc.encode()), *((k.lower().encode(), v.encode()) for k, v in headers.items())],
            "client": ("127.0.0.1", 0),
            "server": None,
        }
        exchange = _Exchange(content)
        return await exchange.streamed(app, scope) if stream else await exchange.whole(app, scope)


class _Exchange:
    """One request and its answer, as an ASGI server sees them."""

    def __init__(self, content: bytes | AsyncIterator[bytes]) -> None:
        self._body = content
        self._sent = False
        self._status = 500
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._queue: asyncio.Queue[bytes | None] | None = None

    async def receive(self) -> dict[str, Any]:
        if self._sent:
            return {"type": "http.disconnect"}
        if isinstance(self._body, bytes):
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        try:
            return {"type": "http.request", "body": await anext(self._body), "more_body": True}
        except StopAsyncIteration:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self._status = event["status"]
            self._headers = {k.decode().lower(): v.decode("latin-1") for k, v in event.get("headers", ())}
        if self._queue is None:
            if event["type"] == "http.response.body":
                self._chunks.append(event.get("body", b""))
            return
        if event["type"] == "http.response.start":
            await self._queue.put(b"")
        elif event.get("body"):
            await self._queue.put(event["body"])

    async def whole(self, app: ASGIApp, scope: MutableMapping[str, Any]) -> Response:
        await app(scope, self.receive, self.send)
        return Response(self._status, self._headers, b"".join(self._chunks))

    async def streamed(self, app: ASGIApp, scope: MutableMapping[str, Any]) -> Response:
        """Answers as soon as the headers are there; the body follows as it is read."""
        queue = self._queue = asyncio.Queue(maxsize=8)

        async def run() -> None:
            try:
                await app(scope, self.receive, self.send)
            finally:
                await queue.put(None)

        task = asyncio.get_running_loop().create_task(run())
        if await queue.get() is None:
            await task
            raise EndpointDown("the service closed the connection without an answer")

        async def chunks() -> AsyncIterator[bytes]:
            try:
                while (chunk := await queue.get()) is not None:
                    yield chunk
                await task
            finally:
                task.cancel()

        return Response(self._status, self._headers, stream=chunks())


@dataclass(slots=True)
class ServiceLogin:
    """A service's own user at keystone: its token, renewed before it ends, and the catalog that came with it."""

    identity_url: str  # ends in /v3
    username: str
    password: str
    transport: Transport
    clock: Clock
    region: str
    project: str = "service"
    _token: str = ""
    _ends: float = 0.0
    _urls: dict[str, str] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self) -> str:
        if self.clock.time() > self._ends - 30:
            async with self._lock:
                if self.clock.time() > self._ends - 30:
                    await self._log_in()
        return self._token

    def forget(self) -> None:
        """After a 401: the token was revoked or keystone has lost its keys."""
        self._ends = 0.0

    async def origin(self, service_type: str) -> str:
        """The catalog's internal URL, without its version part."""
        if service_type not in self._urls:
            await self.token()
        try:
            return self._urls[service_type]
        except KeyError:
            raise EndpointDown(f"the catalog has no internal endpoint for {service_type}") from None

    async def _log_in(self) -> None:
        domain = {"id": "default"}
        user = {"name": self.username, "domain": domain, "password": self.password}
        scope = {"project": {"name": self.project, "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        headers = {"Content-Type": "application/json"}
        with span("http.client", "POST /v3/auth/tokens", method="POST", url=f"{self.identity_url}/auth/tokens", purpose="own token"):
            headers |= trace_headers()
            answer = await self.transport.send("POST", f"{self.identity_url}/auth/tokens", headers, orjson.dumps(body), False)
        if not answer.ok:
            raise EndpointDown(f"keystone refused the service user {self.username}: {answer.status}")
        token = answer.json()["token"]
        self._token = answer.headers["x-subject-token"]
        self._ends = datetime.strptime(token["expires_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
        self._urls = {
            service["type"]: origin(endpoint["url"], service["type"])
            for service in token.get("catalog", ())
            for endpoint in service["endpoints"]
            if endpoint["interface"] == "internal" and endpoint["region_id"] == self.region
        }


class Rest:
    """REST calls in somebody's name. `path` is as the service's document has it, e.g. `/v2/images/{id}`."""

    def __init__(self, login: ServiceLogin, ctx: RequestContext, own: bool) -> None:
        self._login, self._ctx, self._own = login, ctx, own

    async def request(
        self,
        service_type: str,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | list[tuple[str, Any]] | None = None,
        version: str | None = None,
        stream: bool = False,
        service_token: bool = False,
    ) -> Response:
        """`version` is the microversion; `service_token` adds the service's own token beside the user's. No answer: EndpointDown."""
        sent = await self._headers(service_type, version, service_token)
        sent.update(headers or {})
        body: bytes | AsyncIterator[bytes] = content if content is not None else b""
        if json is not None:
            body = orjson.dumps(json)
            sent.setdefault("Content-Type", "application/json")
        query = "?" + urlencode(params, doseq=True) if params else ""
        url = await self._login.origin(service_type) + path + query
        token = fingerprint(sent.get("X-Auth-Token", ""))
        with span("http.client", f"{method} {path}", method=method, url=url, callee=service_type, token=token, own=self._own) as fact:
            sent |= trace_headers()
            answer = await self._login.transport.send(method, url, sent, body, stream)
            if fact is not None:
                fact.attributes["status"] = answer.status
        if answer.status == 401 and self._own:
            self._login.forget()
        return answer

    async def _headers(self, service_type: str, version: str | None, service_token: bool) -> dict[str, str]:
        sent = {
            "X-Auth-Token": await self._login.token() if self._own else self._ctx.token,
            "Accept": "application/json",
            "X-OpenStack-Request-ID": self._ctx.outgoing_id,
            "User-Agent": self._login.username,
        }
        if service_token:
            sent["X-Service-Token"] = await self._login.token()
        if version and service_type in VERSION_HEADERS:
            sent["OpenStack-API-Version"] = f"{VERSION_HEADERS[service_type]} {version}"
        return sent

    async def get(self, service_type: str, path: str, **options: Any) -> Response:
        return await self.request(service_type, "GET", path, **options)

    async def post(self, service_type: str, path: str, **options: Any) -> Response:
        return await self.request(service_type, "POST", path, **options)

    async def put(self, service_type: str, path: str, **options: Any) -> Response:
        return await self.request(service_type, "PUT", path, **options)

    async def patch(self, service_type: str, path: str, **options: Any) -> Response:
        return await self.request(service_type, "PATCH", path, **options)

    async def delete(self, service_type: str, path: str, **options: Any) -> Response:
        return await self.request(service_type, "DELETE", path, **options)


VERSIONED = {"compute": "/v2.1", "block-storage": "/v3", "identity": "/v3"}  # what catalog URLs end in


def origin(url: str, service_type: str) -> str:
    """A catalog URL without its version part: documents' paths carry it."""
    url = url.rstrip("/")
    end = VERSIONED.get(service_type, "")
    return url[: -len(end)] if end and url.endswith(end) else url


@dataclass(frozen=True, slots=True)
class Clients:
    """A service's way to the others: in its own name, or in its caller's."""

    login: ServiceLogin

    def user(self, ctx: RequestContext) -> Rest:
        return Rest(self.login, ctx, own=False)

    def own(self, ctx: RequestContext | None = None) -> Rest:
        return Rest(self.login, ctx or service_context(self.login.username), own=True)
