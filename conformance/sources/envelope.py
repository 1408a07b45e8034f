"""oslo.messaging's messages as facts: publications, deliveries, answers and notifications, as they are on the wire."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.evidence import Fact, fingerprint, redact
from conformance.sources.shelf import UUID

WORKERS = {  # who takes from a topic's queues
    "scheduler": "nova-scheduler", "conductor": "nova-conductor", "compute": "nova-compute", "compute-alt": "nova-compute",
    "cinder-volume": "cinder", "cinder-scheduler": "cinder", "cinder-backup": "cinder", "q-plugin": "neutron",
}  # fmt: skip
PUBLISHERS = {  # by the first word of a publisher_id
    "scheduler": "nova-scheduler", "conductor": "nova-conductor", "compute": "nova-compute", "api": "nova-api",
    "osapi_compute": "nova-api", "network": "neutron", "volume": "cinder", "attachment": "cinder", "image": "glance",
    "identity": "keystone",
}  # fmt: skip
CONTEXT = "_context_"


@dataclass(frozen=True, slots=True)
class Frame:
    """Something that passed the broker. `at`: seconds on the tap's clock; `queue` only of a delivery."""

    at: float
    exchange: str
    routing_key: str
    body: bytes
    queue: str = ""
    delivered: bool = False
    redelivered: bool = False


def opened(body: bytes) -> dict[str, Any]:
    """The message in the envelope; empty for what is none: other programs may use the broker, too."""
    try:
        outer = json.loads(body)
        message = json.loads(outer["oslo.message"]) if isinstance(outer, dict) and "oslo.message" in outer else outer
    except (ValueError, TypeError):
        return {}
    return message if isinstance(message, dict) else {}


def request_ids(message: Mapping[str, Any]) -> frozenset[str]:
    ids = (message.get(CONTEXT + "request_id"), message.get(CONTEXT + "global_request_id"))
    return frozenset(name for name in ids if isinstance(name, str) and name)


class Reader:
    """Makes facts of frames, in the order in which they come: an answer belongs to the request of its call.

    Remembers the last `kept` messages, for the answers that are still to come.
    """

    def __init__(self, source: str, clock: str, kept: int = 20_000) -> None:
        self._source, self._clock, self._kept = source, clock, kept
        self._ids = itertools.count(1)
        self._published: dict[str, Fact] = {}  # by unique id
        self._calls: dict[str, Fact] = {}  # the last thing seen of a call, by its msg id: publication, delivery or reply

    def read(self, frame: Frame) -> tuple[Fact, frozenset[str]] | None:
        """The fact and all UUIDs in the message, among which servers' are; None for what tells nothing."""
        message = opened(frame.body)
        if "event_type" in message:
            fact = None if frame.delivered else self._notification(frame, message)
        elif "method" in message:
            fact = self._delivery(frame, message) if frame.delivered else self._publication(frame, message)
        elif "_msg_id" in message and message.get("ending", True):  # else it is a sign of life of a long call
            fact = self._answer(frame, message)
        else:
            fact = None
        return None if fact is None else (fact, frozenset(UUID.findall(frame.body.decode(errors="replace"))))

    def _publication(self, frame: Frame, message: Mapping[str, Any]) -> Fact:
        fact = self._fact(
            frame, "rpc.publish", "", str(message["method"]), request_ids(message),
            attributes=_request(message) | {
                "exchange": frame.exchange, "routing_key": frame.routing_key, "reply_q": message.get("_reply_q"),
                "args": redact(message.get("args") or {}),
            },
        )  # fmt: skip
        self._remember(self._published, message.get("_unique_id"), fact)
        self._remember(self._calls, message.get("_msg_id"), fact)
        return fact

    def _delivery(self, frame: Frame, message: Mapping[str, Any]) -> Fact:
        sent = self._published.get(str(message.get("_unique_id")))
        topic, _, host = frame.queue.partition(".")
        fact = self._fact(
            frame, "rpc.deliver", WORKERS.get(topic.partition("_fanout")[0], ""), str(message["method"]), request_ids(message),
            sent.id if sent else "", host, _request(message) | {"queue": frame.queue, "redelivered": frame.redelivered} | _late(sent),
        )  # fmt: skip
        self._remember(self._calls, message.get("_msg_id"), fact)
        return fact

    def _answer(self, frame: Frame, message: Mapping[str, Any]) -> Fact:
        msg_id = str(message["_msg_id"])
        before = self._calls.get(msg_id)
        attributes: dict[str, Any] = {"msg_id": msg_id, "queue": frame.queue or frame.routing_key}
        if frame.delivered:
            attributes |= _late(before)
        else:
            attributes |= {"result": redact(message.get("result")), "failure": _failure(message.get("failure"))}
        actor = before.actor if before and not frame.delivered else ""  # who took the call answers it
        fact = self._fact(
            frame, "rpc.answer" if frame.delivered else "rpc.reply", actor, before.name if before else "",
            before.request_ids if before else frozenset(), before.id if before else "", attributes=attributes,
        )  # fmt: skip
        self._remember(self._calls, msg_id, fact)
        return fact

    def _notification(self, frame: Frame, message: Mapping[str, Any]) -> Fact:
        return notification(message, frame.routing_key, f"{self._source}:{next(self._ids)}", self._source, self._clock, frame.at)

    def _fact(
        self, frame: Frame, kind: str, actor: str, name: str, ids: frozenset[str], cause: str = "", host: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> Fact:  # fmt: skip
        fact_id = f"{self._source}:{next(self._ids)}"
        return Fact(
            fact_id, self._source, kind, actor, name, frame.at, frame.at, self._clock, cause, host, ids, attributes=attributes or {}
        )

    def _remember(self, where: dict[str, Fact], key: object, fact: Fact) -> None:
        if isinstance(key, str) and key:
            where[key] = fact
            if len(where) > self._kept:
                del where[next(iter(where))]


def _request(message: Mapping[str, Any]) -> dict[str, Any]:
    """What publication and delivery have in common; `msg_id` is None in a cast."""
    token = message.get(CONTEXT + "auth_token")
    return {
        "namespace": message.get("namespace"), "version": message.get("version"),
        "msg_id": message.get("_msg_id"), "unique_id": message.get("_unique_id"),
        "user_id": message.get(CONTEXT + "user_id"), "project_id": message.get(CONTEXT + "project_id"),
        "roles": message.get(CONTEXT + "roles"), "token": fingerprint(token) if isinstance(token, str) else "",
    }  # fmt: skip


def _late(sent: Fact | None) -> dict[str, float]:
    """The firehose tells of a delivery after it was made: who took the message may have gone on by then."""
    return {"not_before": sent.start} if sent else {}


def _failure(said: object) -> str | None:
    """The class name of the exception that a call ended in."""
    if not said:
        return None
    try:
        failure = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        failure = None
    return str(failure.get("class", "Exception")) if isinstance(failure, dict) else "Exception"


def notification(message: Mapping[str, Any], topic: str, fact_id: str, source: str, clock: str, at: float) -> Fact:
    """Both formats: `compute.real1` and `nova-compute:real1` are one publisher."""
    payload = message.get("payload") or {}
    publisher = str(message.get("publisher_id") or "")
    word, _, host = re.sub("[:.]", "\n", publisher, count=1).partition("\n")
    versioned = topic.startswith("versioned") or (isinstance(payload, dict) and "nova_object.name" in payload)
    ids = request_ids(message)
    if isinstance(payload, dict) and isinstance(payload.get("request_id"), str):
        ids |= {payload["request_id"]}
    return Fact(
        fact_id, source, "notification", PUBLISHERS.get(word.removeprefix("nova-"), word),
        str(message["event_type"]), at, at, clock, "", host, ids,
        attributes={
            "publisher_id": publisher, "format": "versioned" if versioned else "unversioned", "priority": message.get("priority"),
            "message_id": message.get("message_id"), "timestamp": message.get("timestamp"), "routing_key": topic,
            "payload": redact(payload),
        },
    )  # fmt: skip
