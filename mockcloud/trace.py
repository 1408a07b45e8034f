"""Evidence and signposts.

Facts are recorded where the cloud's parts meet: HTTP server and client side, bus, database statement, hypervisor driver.
`step(n)` marks the coroutine that *is* a step of the launch: readers find it there, and faults are injected there. It
records nothing, so nobody can mistake a signpost for evidence.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Act = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in an OSProfiler trace the running code is: `parent_id` is the point around it."""

    base_id: str
    parent_id: str
    hmac_key: str


@dataclass(slots=True)
class Fact:
    """One thing that happened at a seam. Times are seconds since the epoch; `end` is None while it lasts."""

    id: int
    parent: int | None
    kind: str  # http.server, http.client, rpc.publish, rpc.deliver, rpc.reply, rpc.answer, notification, db, driver
    service: str
    host: str
    name: str
    start: float
    request_id: str
    global_request_id: str
    end: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    trace: Trace | None = None  # of a request that is profiled
    point: str = ""  # the id of the point of that trace which this fact is

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "parent": self.parent,
            "kind": self.kind,
            "service": self.service,
            "host": self.host,
            "name": self.name,
            "start": self.start,
            "end": self.end,
            "request_id": self.request_id,
            "global_request_id": self.global_request_id,
            "attributes": redact(self.attributes),
        }


class Recorder:
    """The last `kept` facts, in the order in which they started."""

    def __init__(self, kept: int = 50_000) -> None:
        self._facts: deque[Fact] = deque(maxlen=kept)
        self._ids = itertools.count(1)
        self.beginnings: list[Callable[[Fact], None]] = []  # told when a fact begins
        self.listeners: list[Callable[[Fact], None]] = []  # told when a fact ends
        self.notes: list[Callable[[Fact], None]] = []  # told what a service notes of itself: it is no fact, and is not kept
        self.new_point: Callable[[Fact], str] = lambda fact: ""  # the id of what a fact of a profiled request is in its trace

    def start(self, kind: str, name: str, scope: Scope, attributes: dict[str, Any]) -> Fact:
        fact = Fact(
            next(self._ids),
            scope.parent,
            kind,
            scope.service,
            scope.host,
            name,
            time.time(),
            scope.request_id,
            scope.global_request_id,
            None,
            attributes,
        )
        if scope.trace is not None:
            fact.trace = scope.trace
            fact.point = self.new_point(fact)
        self._facts.append(fact)
        for listener in self.beginnings:
            listener(fact)
        return fact

    def finish(self, fact: Fact) -> None:
        fact.end = time.time()
        for listener in self.listeners:
            listener(fact)

    def facts(self, request_id: str = "", after: int = 0) -> Iterator[Fact]:
        """Those of one request: its own id or the global one that it sent on."""
        for fact in list(self._facts):
            if fact.id > after and (not request_id or request_id in (fact.request_id, fact.global_request_id)):
                yield fact

    def clear(self) -> None:
        self._facts.clear()


class FaultTable(Protocol):
    """What `step` asks (mockcloud.faults has the table itself)."""

    @property
    def armed(self) -> bool: ...

    async def run(self, number: int, act: Act, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...


@dataclass(slots=True)  # frozen would be right, and takes four times as long to make; every span makes one
class Scope:
    """Where the running code is: whose service, on which host, for which request. Never changed."""

    recorder: Recorder
    faults: FaultTable
    service: str
    host: str
    request_id: str = ""
    global_request_id: str = ""
    parent: int | None = None
    trace: Trace | None = None

    def below(self, fact: Fact) -> Scope:
        """The same place, inside what the fact tells of."""
        trace = self.trace
        if trace is not None and fact.point:
            trace = Trace(trace.base_id, fact.point, trace.hmac_key)
        return Scope(self.recorder, self.faults, self.service, self.host, self.request_id, self.global_request_id, fact.id, trace)


_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


def current_scope() -> Scope | None:
    return _scope.get()


class within:
    """Runs a block inside `scope`. In-process calls share the caller's context variables, so the old scope comes back."""

    __slots__ = ("_new", "_token")

    def __init__(self, scope: Scope) -> None:
        self._new = scope
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> Scope:
        self._token = _scope.set(self._new)
        return self._new

    def __exit__(self, *exc: object) -> None:
        if self._token is not None:
            _scope.reset(self._token)


class span:
    """Records a fact around a block; facts inside it name it as their parent. Outside a scope it records nothing.

    `attributes` may still be changed inside the block, through the fact that `with` yields.
    """

    __slots__ = ("_attributes", "_fact", "_kind", "_name", "_scope", "_token")

    def __init__(self, kind: str, name: str, /, **attributes: Any) -> None:
        self._kind, self._name, self._attributes = kind, name, attributes
        self._scope = _scope.get()
        self._fact: Fact | None = None
        self._token: Token[Scope | None] | None = None

    def inside(self, scope: Scope) -> span:
        """The same in another scope than the current one."""
        self._scope = scope
        return self

    def __enter__(self) -> Fact | None:
        scope = self._scope
        if scope is not None:
            self._fact = scope.recorder.start(self._kind, self._name, scope, self._attributes)
            self._token = _scope.set(scope.below(self._fact))
        return self._fact

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._fact is not None and self._scope is not None and self._token is not None:
            if error is not None:
                self._fact.attributes["error"] = type(error).__name__
            self._scope.recorder.finish(self._fact)
            _scope.reset(self._token)

    async def __aenter__(self) -> Fact | None:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)


def record_driver_call(name: str, **attributes: Any) -> span:
    """The driver seam: wrap every call to the hypervisor driver in it."""
    return span("driver", name, **attributes)


def noting() -> bool:
    """Whether anybody reads notes: what is expensive to say need not be said then."""
    scope = _scope.get()
    return scope is not None and bool(scope.recorder.notes)


def note(name: str, **attributes: Any) -> None:
    """What a service decides inside itself: for its log, not for evidence."""
    scope = _scope.get()
    if scope is not None:
        for listener in scope.recorder.notes:
            ids = (scope.request_id, scope.global_request_id)
            now = time.time()
            listener(Fact(0, scope.parent, "note", scope.service, scope.host, name, now, *ids, now, attributes))


_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE|JOIN)\s+(?:\"?(\w+)\"?\.)?\"?(\w+)", re.IGNORECASE)


@functools.lru_cache(maxsize=4096)
def describe_sql(statement: str) -> tuple[str, tuple[str, ...], str]:
    """(verb, tables, schema of the first) of a statement, e.g. `("SELECT", ("instances",), "")`."""
    words = statement.split(None, 1)
    found = _TABLE.findall(statement)
    return (words[0].upper() if words else "", tuple(dict.fromkeys(table for _, table in found)), found[0][0] if found else "")


def sql_started(database: str, statement: str) -> Fact | None:
    """A fact for every statement that has to do with a table. A table that has a schema is in the database of that name."""
    scope = _scope.get()
    if scope is None:
        return None
    verb, tables, schema = describe_sql(statement)
    if not tables:
        return None
    seen: dict[str, Any] = {"database": schema or database, "verb": verb, "tables": tables}
    if scope.trace is not None:
        seen["statement"] = statement
    return scope.recorder.start("db", f"{verb} {tables[0]}", scope, seen)


def sql_ended(fact: Fact | None, rows: int, error: BaseException | None = None) -> None:
    """`rows`: how many were written."""
    scope = _scope.get()
    if fact is not None and scope is not None:
        if fact.attributes["verb"] != "SELECT":
            fact.attributes["rows"] = rows
        if error is not None:
            fact.attributes["error"] = type(error).__name__
        scope.recorder.finish(fact)


def step(number: int) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Marks the coroutine function that performs step `number` of the launch."""

    def decorate(act: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(act)
        async def performed(*args: P.args, **kwargs: P.kwargs) -> T:
            scope = _scope.get()
            if scope is None or not scope.faults.armed:
                return await act(*args, **kwargs)
            return await scope.faults.run(number, act, args, kwargs)  # type: ignore[no-any-return]

        return performed

    return decorate


_SECRET = re.compile(
    r"(?i)(password|passwd|admin_?pass|new_pass|secret|auth_token|private_key|^token$|user_data|injected_files|personality)"
)


@functools.lru_cache(maxsize=1024)
def fingerprint(secret: str) -> str:
    """Stands for a token in facts and logs: equal tokens have equal fingerprints, and nothing leads back."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16] if secret else ""


def redact(value: Any) -> Any:
    """A copy without secrets: values under telling names are replaced by their fingerprint."""
    if isinstance(value, dict):
        return {k: _hide(v) if isinstance(k, str) and _SECRET.search(k) else redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _hide(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.startswith("sha256:") else fingerprint(value)
    return redact(value) if isinstance(value, dict) and "methods" in value else ("***" if value else value)
