"""The facts of one launch, and the rules that look for its steps among them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import specs
from mockcloud.trace import Fact

LAUNCHED_BY = {"classic": "run_instance", "cells_v2": "build_and_run_instance"}  # what a compute is sent, by dialect
OF_CELLS = ("INSERT build_requests", "schedule_and_build_instances")  # facts that only one dialect leaves


@dataclass(frozen=True, slots=True)
class Sighting:
    """A step as it was seen: in which fact, when (seconds since the epoch), and what was there."""

    step: int
    fact: int
    at: float
    seen: str


def boot_requests(facts: Iterable[Fact]) -> list[Fact]:
    """The requests for servers that reached nova-api."""
    return [
        fact
        for fact in facts
        if fact.kind == "http.server" and fact.service == "nova" and fact.attributes["method"] == "POST" and _makes_servers(fact)
    ]


def _makes_servers(fact: Fact) -> bool:
    return str(fact.attributes["path"]).rsplit("/", 1)[-1] in ("servers", "os-volumes_boot")


@functools.cache
def _before(dialect: str) -> dict[int, set[int]]:
    """By step, all that must come before it."""
    rows = specs.launch(dialect)
    events = {event.id: event for row in rows for event in (row, *row.parts)}

    def before(event: specs.Row) -> set[str]:
        return set(event.after).union(*(before(events[name]) for name in event.after))

    return {row.n: {events[name].n for name in before(row) if not events[name].part} for row in rows}


class Launch:
    """The facts of one launch, and what has been seen of it so far."""

    def __init__(self, facts: list[Fact], boot: Fact | None) -> None:
        boots = boot_requests(facts)
        self.boot = boot or (boots[-1] if boots else None)
        ids = {self.boot.request_id, self.boot.global_request_id} - {""} if self.boot else set()
        self.all = facts
        self.own = [fact for fact in facts if fact.request_id in ids or fact.global_request_id in ids]
        self.dialect = "cells_v2" if any(fact.name in OF_CELLS for fact in self.own) else "classic"
        self.facts: dict[int, Fact] = {}
        self.seen: dict[int, Sighting] = {}
        self.attempt = self._last_attempt()

    def _last_attempt(self) -> Fact | None:
        """The last cast of the launch to a compute: each host that was tried got one."""
        casts = [fact for fact in self.those("rpc.publish", name=LAUNCHED_BY[self.dialect]) if queue_of(fact).startswith("compute.")]
        return casts[-1] if casts else None

    @property
    def host(self) -> str:
        return queue_of(self.attempt).partition(".")[2] if self.attempt else ""

    @property
    def order(self) -> list[int]:
        """The steps, each behind those that must come before it."""
        before = _before(self.dialect)
        return sorted(before, key=lambda step: (len(before[step]), step))

    def behind(self, step: int) -> float:
        """When the last of all that must come before a step was seen."""
        return self.after(*_before(self.dialect)[step])

    def after(self, *steps: int) -> float:
        """When the last of these steps was seen, of those that were."""
        return max((self.seen[step].at for step in steps if step in self.seen), default=0.0)

    def first(self, kind: str, *, after: float = 0.0, under: Fact | None = None, **wanted: Any) -> Fact | None:
        """The first fact of a kind that began after a time, directly beneath another."""
        for fact in self.those(kind, **wanted):
            if fact.start >= after and (under is None or fact.parent == under.id):
                return fact
        return None

    def those(self, kind: str, **wanted: Any) -> Iterator[Fact]:
        """Facts of a kind and with these values; not what ended in an error."""
        for fact in self.own:
            if fact.kind == kind and "error" not in fact.attributes and all(_value(fact, name) == value for name, value in wanted.items()):
                yield fact


def _value(fact: Fact, name: str) -> Any:
    return getattr(fact, name) if name in ("name", "service", "host") else fact.attributes.get(name)


def queue_of(fact: Fact) -> str:
    return str(fact.attributes.get("routing_key", ""))


Found = tuple[Fact, float, str] | None
Rule = Callable[[Launch], Found]
RULES: dict[str, dict[int, Rule]] = {dialect: {} for dialect in specs.DIALECTS}
EVIDENCE: dict[str, dict[int, str]] = {dialect: {} for dialect in specs.DIALECTS}


def rule(*steps: int, dialect: str = "") -> Callable[[Callable[[Launch, int], Found]], Callable[[Launch, int], Found]]:
    """What counts as having seen these steps, in one dialect or in both; the docstring says it to a reader."""

    def register(find: Callable[[Launch, int], Found]) -> Callable[[Launch, int], Found]:
        for name in [dialect] if dialect else specs.DIALECTS:
            for step in steps:
                RULES[name][step] = lambda launch, step=step: find(launch, step)  # type: ignore[misc]
                EVIDENCE[name][step] = " ".join((find.__doc__ or "").split())
        return find

    return register


def begun(fact: Fact | None, seen: str) -> Found:
    return None if fact is None else (fact, fact.start, seen)


def ended(fact: Fact | None, seen: str) -> Found:
    return None if fact is None or fact.end is None else (fact, fact.end, seen)


def reply_to(launch: Launch, step: int, **wanted: Any) -> Fact | None:
    call = launch.facts.get(step)
    same = {"msg_id": call.attributes["msg_id"]} if call else {}
    return launch.first("rpc.reply", after=launch.after(step), failure=None, **same, **wanted)
