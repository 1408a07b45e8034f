"""The message bus: its interface, and oslo.messaging's 2.0 envelope.

A message on the wire is `{"oslo.version": "2.0", "oslo.message": "<json>"}`; inside stand `method`, `args`, `version`,
`namespace`, `_unique_id` and every field of the context as `_context_<name>`. A call also has `_msg_id`, `_reply_q` and
`_timeout` (how often its caller wants a sign of life; usually null); a cast has none of the three. A reply has `_msg_id`,
`result`, `failure` and `ending` (false: a sign of life, the answer is still to come). A notification has `event_type`,
`publisher_id`, `payload`, `priority`, `timestamp` and `message_id` beside the context.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import traceback
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from mockcloud.context import RequestContext
from mockcloud.trace import current_scope

CONTEXT = "_context_"
EXCHANGE = "nova"
EXCHANGES = {"cinder-volume": "openstack", "cinder-scheduler": "openstack"}  # of other topics than nova's


class MessagingTimeout(Exception):
    """Nobody answered a call in time."""


class RemoteError(Exception):
    """An endpoint raised: `type` is its exception's class name."""

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.type, self.message, self.traceback = type, message, traceback


class Serving(Protocol):
    """An endpoint at work. `kill` drops it in the middle of whatever it does; unfinished messages go back."""

    async def kill(self) -> None: ...


class Bus(Protocol):
    """`server` names one of several consumers of a topic: the queue `topic.server`."""

    async def ready(self) -> None:
        """Returns when everything served so far gets its messages. Raises SettingsError when there is no reaching the bus."""

    async def call(
        self,
        ctx: RequestContext,
        topic: str,
        method: str,
        *,
        server: str | None = None,
        namespace: str | None = None,
        version: str = "1.0",
        timeout: float | None = None,
        args: dict[str, Any] | None = None,
    ) -> Any: ...

    async def cast(
        self,
        ctx: RequestContext,
        topic: str,
        method: str,
        *,
        server: str | None = None,
        namespace: str | None = None,
        version: str = "1.0",
        args: dict[str, Any] | None = None,
    ) -> None: ...

    async def fanout(
        self,
        ctx: RequestContext,
        topic: str,
        method: str,
        *,
        namespace: str | None = None,
        version: str = "1.0",
        args: dict[str, Any] | None = None,
    ) -> None: ...

    async def notify(self, ctx: RequestContext, exchange: str, topic: str, event: Notification) -> None:
        """Tells whoever listens; nobody has to. The routing key is the topic with the event's priority."""

    def serve(self, topic: str, server: str, endpoint: object, *, service: str = "", prefetch: int = 0) -> Serving: ...

    async def depth(self, queue: str) -> int:
        """Messages that nobody has taken yet."""

    async def close(self, keep: bool = False) -> None:
        """`keep`: what nobody has finished is there for the next who serves, if the bus outlives this process."""


def new_message_id() -> str:
    """As many random hex digits as oslo.messaging's uuid4().hex, in a quarter of the time."""
    return os.urandom(16).hex()


@dataclass(slots=True)
class Message:
    """One request: what the envelope holds."""

    method: str
    args: dict[str, Any]
    context: dict[str, Any]
    version: str = "1.0"
    namespace: str | None = None
    unique_id: str = field(default_factory=new_message_id)
    msg_id: str | None = None
    reply_q: str | None = None
    timeout: float | None = None

    @property
    def is_call(self) -> bool:
        return self.msg_id is not None

    def encode(self) -> bytes:
        body: dict[str, Any] = {"method": self.method, "args": self.args, "version": self.version, "_unique_id": self.unique_id}
        if self.namespace:
            body["namespace"] = self.namespace
        if self.is_call:
            body |= {"_msg_id": self.msg_id, "_reply_q": self.reply_q, "_timeout": self.timeout}
        body |= {CONTEXT + name: value for name, value in self.context.items()}
        scope = current_scope()
        if scope is not None and scope.trace is not None:
            body[f"{CONTEXT}trace_info"] = dataclasses.asdict(scope.trace)
        return envelope(body)

    @classmethod
    def decode(cls, data: bytes) -> Message:
        body = open_envelope(data)
        context = {name.removeprefix(CONTEXT): value for name, value in body.items() if name.startswith(CONTEXT)}
        return cls(
            body["method"],
            body.get("args", {}),
            context,
            body.get("version", "1.0"),
            body.get("namespace"),
            body.get("_unique_id", ""),
            body.get("_msg_id"),
            body.get("_reply_q"),
            body.get("_timeout"),
        )


@dataclass(slots=True)
class Notification:
    """What a service tells of itself. `priority` is INFO or ERROR; `timestamp` as Python prints a naive UTC datetime."""

    event_type: str
    publisher_id: str
    payload: dict[str, Any]
    timestamp: str
    priority: str = "INFO"
    message_id: str = field(default_factory=lambda: str(uuid.UUID(hex=new_message_id())))
    unique_id: str = field(default_factory=new_message_id)

    def routing_key(self, topic: str) -> str:
        return f"{topic}.{self.priority.lower()}"

    def encode(self, ctx: RequestContext) -> bytes:
        """The envelope; the token stays at home."""
        names = ("event_type", "publisher_id", "payload", "timestamp", "priority", "message_id")
        body = {name: getattr(self, name) for name in names} | {"_unique_id": self.unique_id}
        return envelope(body | {CONTEXT + name: value for name, value in ctx.to_dict().items()} | {CONTEXT + "auth_token": None})


@dataclass(slots=True)
class Reply:
    """One answer to a call; `failure` is None or `{class, module, message, tb, args, kwargs}`."""

    msg_id: str
    result: Any = None
    failure: dict[str, Any] | None = None
    ending: bool = True

    def encode(self) -> bytes:
        failure = None if self.failure is None else orjson.dumps(self.failure).decode()
        body = {"result": self.result, "failure": failure, "ending": self.ending, "_msg_id": self.msg_id}
        return envelope(body | {"_unique_id": new_message_id()})

    @classmethod
    def decode(cls, data: bytes) -> Reply:
        body = open_envelope(data)
        failure = body.get("failure")
        failure = orjson.loads(failure) if isinstance(failure, str) else failure
        return cls(body["_msg_id"], body.get("result"), failure, body.get("ending", True))

    def value(self) -> Any:
        """The result; raises RemoteError for a failure."""
        if self.failure is not None:
            raise RemoteError(self.failure["class"], self.failure.get("message", ""), "".join(self.failure.get("tb", ())))
        return self.result


def envelope(body: dict[str, Any]) -> bytes:
    return orjson.dumps({"oslo.version": "2.0", "oslo.message": orjson.dumps(body).decode()})


def open_envelope(data: bytes) -> dict[str, Any]:
    return orjson.loads(orjson.loads(data)["oslo.message"])  # type: ignore[no-any-return]


def failure_of(error: BaseException) -> dict[str, Any]:
    """An exception as it travels. A RemoteError keeps the name that it came with."""
    name = error.type if isinstance(error, RemoteError) else type(error).__name__
    said = str(error)
    trace = traceback.format_exception(error)
    return {"class": name, "module": type(error).__module__, "message": said, "tb": trace, "args": [said], "kwargs": {}}


class Incoming:
    """A request being handled. A method that names a parameter `incoming` may answer before it ends."""

    def __init__(self, message: Message, redelivered: bool, send: Callable[[Reply], Awaitable[None]]) -> None:
        self.message = message
        self.redelivered = redelivered
        self.answered = not message.is_call
        self._send = send

    async def reply(self, value: Any) -> None:
        await self._answer(Reply(self.message.msg_id or "", value))

    async def fail(self, error: BaseException) -> None:
        await self._answer(Reply(self.message.msg_id or "", None, failure_of(error)))

    async def _answer(self, reply: Reply) -> None:
        if not self.answered:
            self.answered = True
            await self._send(reply)


@functools.lru_cache(maxsize=512)
def _takes_incoming(function: Callable[..., Any]) -> bool:
    return "incoming" in inspect.signature(function).parameters


async def dispatch(endpoint: object, ctx: RequestContext, incoming: Incoming) -> None:
    """Runs the endpoint's method and answers; what a cast raises is raised here."""
    message = incoming.message
    method = None if message.method.startswith("_") else getattr(endpoint, message.method, None)
    try:
        if method is None:
            raise RemoteError("UnsupportedVersion", f"Endpoint does not support RPC method {message.method}")
        extra = {"incoming": incoming} if _takes_incoming(getattr(method, "__func__", method)) else {}
        value = await method(ctx, **extra, **message.args)
    except Exception as error:
        if incoming.answered:
            raise
        await incoming.fail(error)
    else:
        await incoming.reply(value)
