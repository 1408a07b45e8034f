"""What was seen of a cloud: facts, whoever saw them, in one vocabulary.

A fact tells of one event. Kinds and the attributes that a source fills in as far as it knows them:

=============== =================================================================================================
`http.client`   a REST call as its caller saw it: method, path, query, status, callee, token, subject_token
`http.server`   the same as the service saw it: method, path, query, status, user_id, project_id, roles, token
`rpc.publish`   a message: exchange, routing_key, namespace, version, msg_id (a call), unique_id, user_id, project_id, args
`rpc.deliver`   a message taken from its queue: unique_id, msg_id
`rpc.reply`     an answer: msg_id, result, failure
`rpc.answer`    an answer taken by the caller: msg_id
`db`            a statement: database, verb, tables; its name is `VERB table`
`driver`        a call of the hypervisor driver
`notification`  name is the event type: publisher_id, format (versioned, unversioned), payload
`view`          what a poll showed: name is server, volume or port; attributes are the resource's fields
`probe`         what the suite tried on purpose: name says what, status what came of it, control the status of the counter-test
`log`           a line of a service's log: name is the logger, message
=============== =================================================================================================

Where a source tells of something later than it was, `not_before` is the earliest time at which it can have been.
Tokens and passwords are never in a fact: a token is known by its fingerprint.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ACTORS = (
    "client", "keystone", "nova-api", "nova-scheduler", "nova-conductor", "nova-compute", "placement", "glance", "neutron", "cinder",
    "hypervisor",
)  # fmt: skip

OUTSIDE = ("client", "admin")  # sources that see from without what the others see from within
PREFERRED = ("facts", "amqp", "notifications", "osprofiler", "logs", *OUTSIDE)  # by how exactly they show when
ON_THE_BUS = ("rpc", "notification")


@dataclass(frozen=True, slots=True)
class Fact:
    """`start` and `end` are seconds on the clock named `clock`: times of different clocks are never compared."""

    id: str  # unique in a run, e.g. `tap:17`
    source: str
    kind: str
    actor: str  # whose deed it is: one of ACTORS, or another service's name
    name: str
    start: float
    end: float | None = None
    clock: str = ""
    cause: str = ""  # id of the fact in whose course it happened
    host: str = ""
    request_ids: frozenset[str] = frozenset()  # its own and the global one
    server_ids: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id, "source": self.source, "kind": self.kind, "actor": self.actor, "name": self.name, "host": self.host,
            "start": self.start, "end": self.end, "clock": self.clock, "cause": self.cause,
            "request_ids": sorted(self.request_ids), "server_ids": sorted(self.server_ids), "attributes": redact(dict(self.attributes)),
        }  # fmt: skip


class Evidence:
    """The facts of one launch, and which kinds of facts would have been seen had they happened.

    `complete` holds kinds whose absence means something: a source was there that shows all of them.
    """

    def __init__(self, facts: Iterable[Fact], complete: Iterable[str] = (), token_cache_time: float | None = None) -> None:
        self.facts = sorted(facts, key=lambda fact: (fact.clock, fact.start))
        self.complete = frozenset(complete)
        self.token_cache_time = token_cache_time  # seconds; None: unknown, so a validation may be missing
        self._by_id = {fact.id: fact for fact in self.facts}
        self._by_kind: dict[str, list[Fact]] = {}
        heard = self._heard()
        for fact in self.facts:
            if fact.source in heard[_family(fact)] or fact.source in OUTSIDE:
                self._by_kind.setdefault(fact.kind, []).append(fact)

    def _heard(self) -> dict[str, set[str]]:
        """Which sources are heard about what: the one that shows everything, if there is; else of a message one, of all else each.

        A message that a tap and a trace show is one message, and who counts them counts one. Requests are shown by each a bit.
        """
        heard: dict[str, set[str]] = {}
        for fact in self.facts:
            heard.setdefault(_family(fact), set()).add(fact.source)
        for family, sources in heard.items():
            if within := sorted(sources.difference(OUTSIDE), key=_rank):
                heard[family] = {within[0]} if family in ON_THE_BUS or within[0] == PREFERRED[0] else sources
        return heard

    def those(self, kind: str, **wanted: Any) -> Iterator[Fact]:
        """Facts of a kind whose fields or attributes have these values; a wanted callable is asked."""
        for fact in self._by_kind.get(kind, ()):
            if all(_fits(_value(fact, name), value) for name, value in wanted.items()):
                yield fact

    def first(self, kind: str, **wanted: Any) -> Fact | None:
        return next(self.those(kind, **wanted), None)

    def by_id(self, fact_id: str) -> Fact | None:
        return self._by_id.get(fact_id)

    def within(self, fact: Fact, ancestor: Fact) -> bool:
        """Whether a fact happened in the course of another one."""
        seen: set[str] = set()
        cause = fact.cause
        while cause and cause not in seen:
            if cause == ancestor.id:
                return True
            seen.add(cause)
            above = self._by_id.get(cause)
            cause = above.cause if above else ""
        return False

    @property
    def sources(self) -> list[str]:
        return sorted({fact.source for fact in self.facts})


def _family(fact: Fact) -> str:
    """Publications, deliveries and answers belong together: they are joined by what only their source knows."""
    return fact.kind.partition(".")[0]


def _rank(source: str) -> int:
    return PREFERRED.index(source) if source in PREFERRED else len(PREFERRED)


def _value(fact: Fact, name: str) -> Any:
    return getattr(fact, name) if name in ("actor", "name", "host", "source", "cause") else fact.attributes.get(name)


def _fits(value: Any, wanted: Any) -> bool:
    return bool(wanted(value)) if callable(wanted) else bool(value == wanted)


SECRET = re.compile(
    r"(?i)(password|passwd|admin_?pass|new_pass|secret|auth_token|^x-(auth|subject|service)-token$|^token$|private_key|user_data"
    r"|injected_files|personality|hmac_key|credential)"
)
TOKEN = re.compile(r"gAAAA[A-Za-z0-9_=-]{20,}")


def fingerprint(secret: str) -> str:
    """Stands for a token: equal tokens have equal fingerprints, and nothing leads back."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16] if secret else ""


def redact(value: Any) -> Any:
    """A copy without secrets: a token becomes its fingerprint, what else stands under a telling name becomes `***`."""
    if isinstance(value, str):
        return TOKEN.sub(lambda found: fingerprint(found.group()), value) if "gAAAA" in value else value
    if isinstance(value, Mapping):
        return {key: _hide(key, item) if _tells(key) else redact(item) for key, item in value.items()}
    return [redact(item) for item in value] if isinstance(value, list | tuple) else value


@functools.lru_cache(4096)
def _tells(key: object) -> bool:
    return isinstance(key, str) and bool(SECRET.search(key))


def _hide(key: str, value: Any) -> Any:
    """A password has no fingerprint: whoever guesses it could prove the guess."""
    if isinstance(value, str) and key.lower().endswith("token"):
        return value if value.startswith("sha256:") else fingerprint(value)
    return redact(value) if isinstance(value, Mapping) else ("***" if value else value)
