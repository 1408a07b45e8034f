"""One request through a service: route, authenticate, negotiate, validate, allow, do, check the answer.

The order is the real services': 401 before routing, 404 and 406 before the body is read, its schema before the policy
(keystone and placement: the policy first).
"""

from __future__ import annotations

import inspect
import logging
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from types import CodeType
from typing import Any

import orjson
from starlette.routing import BaseRoute
from starlette.routing import Match as RouteMatch
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from mockcloud.context import RequestContext, new_request_id
from mockcloud.http import webob, wording
from mockcloud.http.auth import TokenAuth, strip_identity
from mockcloud.http.context import Context
from mockcloud.http.errors import (
    ApiError,
    Asked,
    BodyTooLarge,
    Gone,
    InternalError,
    NotImplementedHere,
    render,
)
from mockcloud.http.microversion import Microversions
from mockcloud.http.reply import Query, Reply, Stored
from mockcloud.http.routing import Match, Routes
from mockcloud.http.service import Service, Violation
from mockcloud.http.validation import Contract, Invalid
from mockcloud.profiling.headers import read_headers
from mockcloud.trace import Fact, Scope, Trace, current_scope, fingerprint, span
from specs import Operation, Version, document, operations, text_version

log = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"^req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
INJECTED = ("ctx", "query", "body", "headers", "stream")

Coroutine = Callable[..., Awaitable[Any]]


class DocumentMismatch(Exception):
    """Document and code of a service differ: the cloud does not start."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A coroutine and which of its parameters the binding fills in."""

    call: Coroutine
    takes: frozenset[str]


@dataclass(slots=True)
class Incoming:
    """One HTTP request on its way in."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    receive: Receive
    ids: RequestContext
    version: Version | None = None
    head: bool = False
    max_body: float = math.inf  # bytes that a JSON body may have

    @property
    def announces_body(self) -> bool:
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    async def body(self) -> bytes:
        """Raises BodyTooLarge, after its end: who is answered before has the connection closed in the middle of sending."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            size += len(chunk)
            if size <= self.max_body:
                chunks.append(chunk)
        if size > self.max_body:
            raise BodyTooLarge("Request is too large.")
        return b"".join(chunks)

    async def stream(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            event = await self.receive()
            if event["type"] == "http.disconnect":
                raise ConnectionError("the client went away")
            more = event.get("more_body", False)
            if chunk := event.get("body", b""):
                yield chunk


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None


class Binding(BaseRoute):
    """The last route of a service's FastAPI app: everything that its document names."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._info = document(service.name)["x-service"]
        self._operations = operations(service.name)
        self._handlers = _bind(service, self._operations)
        self._routes = Routes(self._operations, bool(self._info.get("project_in_path")), self._info.get("trailing_slash", False))
        micro = self._info.get("microversion")
        self._microversions = Microversions.of(micro) if micro else None
        self._auth = TokenAuth(service)
        self._contracts: dict[tuple[Operation, Version | None], Contract] = {}

    def matches(self, scope: ASGIScope) -> tuple[RouteMatch, ASGIScope]:
        return (RouteMatch.FULL, {}) if scope["type"] == "http" else (RouteMatch.NONE, {})

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise LookupError(name)

    async def handle(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}  # ASGI: names in lower case
        incoming = _incoming(scope, headers, receive)
        incoming.max_body = self._info.get("max_body", math.inf)
        runtime = self.service.runtime
        within = Scope(
            runtime.recorder, runtime.faults, self.service.name, runtime.settings.host, incoming.ids.request_id,
            incoming.ids.outgoing_id, _parent(), self._trace(headers),
        )  # fmt: skip
        method, path = incoming.method, incoming.path
        with span("http.server", f"{method} {path}", method=method, path=path, query=incoming.query).inside(within) as fact:
            answer = await self._answer(incoming, fact)
            await _send(answer, send, incoming.head)

    def _trace(self, headers: Mapping[str, str]) -> Trace | None:
        settings = self.service.settings
        return read_headers(headers, settings.osprofiler_hmac_key) if settings.osprofiler_connection_string else None

    async def _answer(self, incoming: Incoming, fact: Fact | None) -> Answer:
        try:
            answer = await self._serve(incoming, fact)
        except ApiError as error:
            answer = self._refuse(error, incoming)
        except ConnectionError:
            answer = self._refuse(InternalError("the client went away"), incoming)
        except Exception as error:
            log.exception("%s failed in %s %s", self.service.name, incoming.method, incoming.path)
            answer = self._refuse(_unexpected(self.service.name, error), incoming)
        answer.headers["x-openstack-request-id"] = incoming.ids.request_id
        if self.service.name == "nova":
            answer.headers["x-compute-request-id"] = incoming.ids.request_id
        elif self.service.name == "keystone":
            answer.headers["Vary"] = "X-Auth-Token"
            if answer.status == 401:
                answer.headers["WWW-Authenticate"] = f'Keystone uri="{self.service.url}/v3"'
        if fact is not None:
            fact.attributes["status"] = answer.status
            fact.attributes["length"] = int(answer.headers.get("Content-Length") or len(answer.body))
            if incoming.version is not None:
                fact.attributes["microversion"] = text_version(incoming.version)
            if "X-Subject-Token" in answer.headers:
                fact.attributes["issued_token"] = fingerprint(answer.headers["X-Subject-Token"])
        return answer

    async def _serve(self, incoming: Incoming, fact: Fact | None) -> Answer:
        match = self._routes.match(incoming.path)
        public = match is not None and match.place.is_public(incoming.method)
        identity = incoming.ids
        if not public:
            identity = await self._auth.authenticate(incoming.headers, incoming.ids)
            if fact is not None:
                fact.attributes |= {
                    "user_id": identity.user_id, "project_id": identity.project_id, "token": fingerprint(identity.token),
                }  # fmt: skip
        if self._microversions is not None:
            incoming.version = self._microversions.negotiate(incoming.headers)
        if match is None:
            raise wording.no_path(self.service.name)
        if match.project_id is not None and match.project_id != identity.project_id:
            raise wording.wrong_project(match.project_id, identity.project_id)
        choices = self._choices(match, incoming)
        if isinstance(choices, Answer):
            return choices
        operation, body = await self._operation(choices, incoming)
        if fact is not None:
            fact.attributes["operation"] = operation.id
        if operation.declined:
            raise NotImplementedHere(operation.declined)
        if operation.gone:
            raise Gone(webob.EXPLANATIONS[410])
        ctx = Context(self.service, identity, incoming.version or (0, 0))
        return await self._perform(ctx, operation, match, incoming, body)

    def _choices(self, match: Match, incoming: Incoming) -> dict[str | None, Operation] | Answer:
        """What the path offers for the method."""
        choices = match.place.methods.get(incoming.method)
        if choices is None and self._info.get("head"):
            if incoming.method == "HEAD" and (choices := match.place.methods.get("GET")):
                incoming.head = True
            elif incoming.method == "OPTIONS":
                return Answer(200, {"Allow": match.place.allow})
        if choices is None:
            if self._info.get("wrong_method") == 404:
                raise wording.no_path(self.service.name)
            raise wording.wrong_method(self.service.name, incoming.method, match.place.allow)
        return choices

    async def _operation(self, choices: dict[str | None, Operation], incoming: Incoming) -> tuple[Operation, Any]:
        """The operation meant, and its JSON body (for an action: the value under its key)."""
        operation = choices.get(None)
        if operation is not None:
            if not operation.served_at(incoming.version):
                raise wording.no_path(self.service.name)
            if operation.takes_stream:
                return operation, None
            return operation, await self._read_json(operation, incoming)
        body = await self._read_json(None, incoming)
        keys = [key for key in body if key in choices] if isinstance(body, dict) else []
        if not isinstance(body, dict) or len(body) > 1:
            raise wording.malformed(self.service.name)
        if not keys:
            raise wording.no_action(self.service.name, next(iter(body))) if body else wording.malformed(self.service.name)
        if not choices[keys[0]].served_at(incoming.version):
            raise wording.no_path(self.service.name)
        return choices[keys[0]], body[keys[0]]

    async def _read_json(self, operation: Operation | None, incoming: Incoming) -> Any:
        expected = operation is None or bool(operation.request_media)
        if not expected and not incoming.announces_body:
            return None
        data = await incoming.body()
        if not expected:
            return None
        if not data:
            if operation is None or operation.body_required:
                raise wording.no_body(self.service.name)
            return None
        media = incoming.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        allowed = operation.request_media if operation is not None else ("application/json",)
        unnamed = media == "application/x-www-form-urlencoded" and "user-agent" not in incoming.headers
        ignored = bool(self._info.get("any_media")) and "application/json" in allowed
        if media not in allowed and not unnamed and not ignored:
            raise wording.unsupported_media(self.service.name, media, allowed)
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            raise wording.malformed(self.service.name) from None

    async def _perform(self, ctx: Context, operation: Operation, match: Match, incoming: Incoming, body: Any) -> Answer:
        contract = self._contract(operation, incoming.version)
        policy_first = bool(self._info.get("policy_first"))
        if policy_first:
            self._allow(ctx, operation)
        query = self._valid(contract, match, incoming, body, operation)
        if not policy_first:
            self._allow(ctx, operation)
        handler = self._handlers[operation.id]
        given: dict[str, Any] = {name: value for name, value in match.values.items() if name in handler.takes}
        if "query" in handler.takes:
            given["query"] = query
        if "body" in handler.takes:
            given["body"] = body
        if "headers" in handler.takes:
            given["headers"] = strip_identity(incoming.headers)
        if "stream" in handler.takes:
            given["stream"] = incoming.stream()
        with self._profiled(operation):
            result = await handler.call(ctx, **given)
        reply = result if isinstance(result, Reply) else Reply(result)
        return self._rendered(contract, operation, incoming, reply)

    def _profiled(self, operation: Operation) -> AbstractContextManager[Any]:
        """nova-api's own part of a profiled request is a point of its trace."""
        scope = current_scope()
        profiled = self.service.name == "nova" and scope is not None and scope.trace is not None
        return span("operation", operation.id) if profiled else nullcontext()

    def _allow(self, ctx: Context, operation: Operation) -> None:
        if operation.policy:
            ctx.enforce(operation.policy)

    def _valid(self, contract: Contract, match: Match, incoming: Incoming, body: Any, operation: Operation) -> Query:
        name = self.service.name
        try:
            contract.check_path(match.values)
        except Invalid as invalid:
            raise wording.invalid_path(name, invalid) from None
        try:
            query = contract.read_query(incoming.query)
        except Invalid as invalid:
            raise wording.invalid_query(name, invalid) from None
        try:
            if not operation.checks_body and (body is not None or operation.body_required or operation.action is not None):
                contract.check_body(body)
        except Invalid as invalid:
            if operation.action is not None:
                invalid.path.insert(0, operation.action)
            raise wording.invalid_body(name, invalid) from None
        return query

    def _contract(self, operation: Operation, version: Version | None) -> Contract:
        found = self._contracts.get((operation, version))
        if found is None:
            found = self._contracts[operation, version] = Contract(operation, version)
        return found

    def _rendered(self, contract: Contract, operation: Operation, incoming: Incoming, reply: Reply) -> Answer:
        status = reply.status or (contract.success[0] if len(contract.success) == 1 else 200)
        headers = dict(reply.headers)
        if self._microversions is not None and incoming.version is not None:
            headers |= self._microversions.headers(incoming.version)
            if self.service.name == "placement" and reply.body is not None and incoming.version >= (1, 15):
                headers.setdefault("Last-Modified", format_datetime(self.service.clock.now().replace(tzinfo=UTC), usegmt=True))
                headers["Cache-Control"] = "no-cache"
        if reply.stream is not None:
            headers.setdefault("Content-Type", reply.media or "application/octet-stream")
            return Answer(status, headers, stream=reply.stream)
        if isinstance(reply.body, bytes):
            headers.setdefault("Content-Type", reply.media or "application/octet-stream")
            return Answer(status, headers, reply.body)
        if reply.body is not None:
            headers.setdefault("Content-Type", "application/json")
        stored = reply.body if isinstance(reply.body, Stored) and self._microversions is None else None
        if stored is not None and stored.encoded is not None:
            return Answer(status, headers, stored.encoded)
        body = contract.cut(status, reply.body)
        data = b"" if body is None else orjson.dumps(body, default=str)
        if self._verified(contract, operation, incoming, status, body) and stored is not None:
            stored.encoded = data
        return Answer(status, headers, data)

    def _verified(self, contract: Contract, operation: Operation, incoming: Incoming, status: int, body: Any) -> bool:
        """Whether the answer is as documented; what is not is counted, and refused in a strict cloud."""
        problem = contract.check_answer(status, body)
        if problem is None:
            return True
        violation = Violation(self.service.name, operation.id, status, problem, incoming.ids.request_id)
        self.service.runtime.violations.append(violation)
        log.warning("%s: the answer of %s is not as documented: %s", self.service.name, operation.id, problem)
        if self.service.settings.strict:
            raise AssertionError(f"{operation.id} at {incoming.version}: {problem}")
        return False

    def _refuse(self, error: ApiError, incoming: Incoming) -> Answer:
        asked = Asked(incoming.ids.request_id, incoming.headers.get("accept", ""), incoming.version or (0, 0))
        media, body = render(self.service.name, error, asked)
        headers = {"Content-Type": media}
        if self._microversions is not None and incoming.version is not None:
            headers |= self._microversions.headers(incoming.version)
        headers |= error.headers
        return Answer(error.status, headers, body)


def _bind(service: Service, documented: tuple[Operation, ...]) -> dict[str, Handler]:
    """Operations' coroutines by operationId; refuses a service whose document and code differ."""
    coroutines = collect(service)
    wanted = {operation.id: operation for operation in documented if not (operation.declined or operation.gone)}
    missing, unknown = sorted(set(wanted) - set(coroutines)), sorted(set(coroutines) - set(wanted))
    unruled = sorted({op.policy for op in documented if op.policy} - set(service.policy.defaults()))
    if missing or unknown or unruled:
        raise DocumentMismatch(
            f"{service.name}: document and code differ.\n"
            f"  in the document, without a coroutine: {', '.join(missing) or 'none'}\n"
            f"  a coroutine, not in the document: {', '.join(unknown) or 'none'}\n"
            f"  policies named in the document, without a default: {', '.join(unruled) or 'none'}"
        )
    return {name: _handler(service, wanted[name], coroutines[name]) for name in wanted}


def collect(service: Service) -> dict[str, Coroutine]:
    """The public coroutine functions of the service's modules, and what their Collections declare."""
    found: dict[str, Coroutine] = {}
    for module in service.modules:
        for name, value in vars(module).items():
            if callable(getattr(type(value), "operations", None)):  # a Collection; not sqlalchemy's func, which has every name
                found |= value.operations()
            elif inspect.iscoroutinefunction(value) and not name.startswith("_") and value.__module__ == module.__name__:
                found[name] = value
    return found


def _handler(service: Service, operation: Operation, coroutine: Coroutine) -> Handler:
    takes, more = _parameters(coroutine)
    if more:
        takes |= set(operation.path_parameters)
    elif strange := takes - set(INJECTED) - set(operation.path_parameters):
        raise DocumentMismatch(f"{service.name}: {operation.id} takes {', '.join(sorted(strange))}, which its path does not have")
    return Handler(coroutine, frozenset(takes))


def _parameters(coroutine: Coroutine) -> tuple[set[str], bool]:
    """Their names, and whether it takes any other, too. (inspect.signature would be a fortieth of the time to ready.)"""
    bound = inspect.ismethod(coroutine)
    code: CodeType = inspect.unwrap(getattr(coroutine, "__func__", coroutine)).__code__
    names = code.co_varnames[int(bound) : code.co_argcount + code.co_kwonlyargcount]
    return set(names), bool(code.co_flags & inspect.CO_VARKEYWORDS)


def _incoming(scope: ASGIScope, headers: dict[str, str], receive: Receive) -> Incoming:
    asked = headers.get("x-openstack-request-id", "")
    ids = RequestContext(new_request_id(), asked if REQUEST_ID.match(asked) else "")
    path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    return Incoming(scope["method"], path, scope["query_string"].decode("latin-1"), headers, receive, ids)


def _parent() -> int | None:
    scope = current_scope()
    return scope.parent if scope else None


def _unexpected(service: str, error: Exception) -> ApiError:
    if service == "nova":
        return InternalError(
            "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n"
            f"{type(error)}"
        )
    if service == "neutron":
        return InternalError("Request Failed: internal server error while processing your request.", type="HTTPInternalServerError")
    return InternalError("An unexpected error prevented the server from fulfilling your request.")


async def _send(answer: Answer, send: Send, head: bool) -> None:
    headers: Mapping[str, str] = answer.headers
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    if answer.stream is None:
        if answer.status not in (204, 304) and "Content-Length" not in headers:
            raw.append((b"Content-Length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if head else answer.body})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    async for chunk in answer.stream:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
