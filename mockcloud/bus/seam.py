"""Where the bus is seen: whatever carries the messages, each that passes leaves the same facts."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mockcloud.bus.base import Incoming, Message, Notification, Reply, dispatch
from mockcloud.context import RequestContext
from mockcloud.profiling.headers import read_context
from mockcloud.trace import FaultTable, Recorder, Scope, span, within

log = logging.getLogger(__name__)

SEEN_OF_CONTEXT = ("user_id", "project_id", "request_id", "global_request_id", "roles")  # the token is in the message, never in a fact


def publication(message: Message, exchange: str, key: str) -> span:
    return span(
        "rpc.publish",
        message.method,
        exchange=exchange,
        routing_key=key,
        method=message.method,
        namespace=message.namespace,
        version=message.version,
        unique_id=message.unique_id,
        msg_id=message.msg_id,
        reply_q=message.reply_q,
        args=message.args,
        context={name: message.context.get(name) for name in SEEN_OF_CONTEXT},
    )


def _delivery(message: Message, redelivered: bool) -> span:
    about = {"unique_id": message.unique_id, "msg_id": message.msg_id, "redelivered": redelivered, "namespace": message.namespace}
    return span("rpc.deliver", message.method, **about)


def reply(answer: Reply, queue: str) -> span:
    failure = answer.failure["class"] if answer.failure else None
    return span("rpc.reply", queue, msg_id=answer.msg_id, queue=queue, result=answer.result, failure=failure, ending=answer.ending)


def arrival(message: Message) -> span:
    """The caller takes the answer out of its reply queue."""
    return span("rpc.answer", message.method, msg_id=message.msg_id, queue=message.reply_q)


def notification(event: Notification, exchange: str, topic: str) -> span:
    return span(
        "notification",
        event.event_type,
        exchange=exchange,
        routing_key=event.routing_key(topic),
        format="versioned" if topic.startswith("versioned") else "unversioned",
        publisher_id=event.publisher_id,
        priority=event.priority,
        message_id=event.message_id,
        payload=event.payload,
    )


@dataclass(frozen=True, slots=True)
class Station:
    """Who handles the messages of a topic, and where."""

    endpoint: object
    service: str
    host: str
    recorder: Recorder
    faults: FaultTable

    async def handle(self, message: Message, redelivered: bool, published: int | None, send: Callable[[Reply], Awaitable[Any]]) -> None:
        """`published`: the fact of its publication, where that is known. What a cast raises is logged."""
        ctx = RequestContext.from_dict(message.context)
        trace = read_context(message.context.get("trace_info"))
        scope = Scope(self.recorder, self.faults, self.service, self.host, ctx.request_id, ctx.outgoing_id, published, trace)
        with within(scope), _delivery(message, redelivered):
            try:
                await dispatch(self.endpoint, ctx, Incoming(message, redelivered, send))
            except Exception:
                log.exception("%s on %s failed in %s", self.service, self.host, message.method)
