"""What counts as having seen a step: rules over facts, per dialect, whoever saw them.

A rule gets the facts of one source (a `Scan`) and gives the sightings of its step: direct ones, where the step's own effect shows, or
inferred ones, where an effect shows that only a correct step has. Nobody's word that a step was done counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from conformance.evidence import Evidence, Fact

DIALECTS = ("classic", "cells_v2")
LAUNCH_METHODS = {"classic": "run_instance", "cells_v2": "build_and_run_instance"}


@dataclass(frozen=True, slots=True)
class Sighting:
    """`event` happened at or after `low` and at or before `high`, on that clock: a look tells only what was so by then."""

    event: str  # S08, S08a …
    fact: Fact
    low: float
    high: float
    seen: str  # what was there, for people
    direct: bool = True

    @property
    def clock(self) -> str:
        return self.fact.clock

    @property
    def source(self) -> str:
        return self.fact.source

    @property
    def worth(self) -> tuple[bool, bool]:
        """Less is better: the effect itself, and the moment itself."""
        return not self.direct, self.low != self.high

    def certainly_after(self, other: Sighting) -> bool:
        """Whether it cannot be that this came first. Never so across clocks."""
        return self.clock == other.clock and self.low > other.high


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Evidence that a step was done wrong."""

    event: str
    fact: Fact
    expected: str
    actual: str


Found = Sighting | Contradiction


class Scan:
    """One launch as one source shows it, and what was found of it so far: rules of later steps build on earlier ones."""

    def __init__(self, evidence: Evidence, source: str, dialect: str, server_id: str, boot: Fact) -> None:
        facts = [f for f in evidence.facts if f.source == source]
        self.evidence = Evidence(facts, evidence.complete, evidence.token_cache_time)
        self.source, self.dialect, self.server_id, self.boot = source, dialect, server_id, boot
        self.found: dict[str, Sighting] = {}
        self._served: Fact | None = None

    @property
    def served(self) -> Fact | None:
        """The boot request as nova-api saw it, where this source shows it."""
        if self._served is None:
            self._served = next((f for f in self.those("http.server", actor="nova-api", method="POST") if makes_servers(f)), None)
        return self._served

    @property
    def host(self) -> str:
        """The host that the launch was last sent to, as far as known."""
        sent = self.found.get("S12")
        return routing_key(sent.fact).partition(".")[2] if sent and sent.fact.kind == "rpc.publish" else ""

    def those(self, kind: str, **wanted: Any) -> Iterator[Fact]:
        """Facts of a kind, but for those that ended in an error."""
        return (fact for fact in self.evidence.those(kind, **wanted) if not fact.get("error"))

    def fact(self, event: str) -> Fact | None:
        sighting = self.found.get(event)
        return sighting.fact if sighting else None

    def doer(self, fact: Fact) -> Fact | None:
        """What was being served, or worked on, when it happened, where this source knows."""
        while (above := self.evidence.by_id(fact.cause)) is not None:
            if above.kind in ("http.server", "rpc.deliver"):
                return above
            fact = above
        return None

    def beneath(self, kind: str, ancestor: Fact | None, **wanted: Any) -> Iterator[Fact]:
        if ancestor is not None:
            yield from (fact for fact in self.those(kind, **wanted) if self.evidence.within(fact, ancestor))


def makes_servers(fact: Fact) -> bool:
    return str(fact.get("path", "")).rstrip("/").rsplit("/", 1)[-1] in ("servers", "os-volumes_boot")


def routing_key(fact: Fact) -> str:
    return str(fact.get("routing_key") or "")


def is_call(fact: Fact) -> bool | None:
    """Whether a message wants an answer; None where the source cannot tell."""
    return bool(fact.get("msg_id")) if "msg_id" in fact.attributes else None


Rule = Callable[[Scan, str], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Registered:
    find: Rule
    once: bool
    text: str


RULES: dict[str, dict[str, list[Registered]]] = {dialect: {} for dialect in DIALECTS}


def sees(*events: str, dialects: Iterable[str] = DIALECTS, once: bool = False) -> Callable[[Rule], Rule]:
    """Registers a rule for events of a launch. `once`: a second such fact is a second deed. The docstring says it to readers."""

    def register(find: Rule) -> Rule:
        text = " ".join((find.__doc__ or "").split())
        for dialect in dialects:
            for event in events:
                RULES[dialect].setdefault(event, []).append(Registered(find, once, text))
        return find

    return register


def begun(event: str, fact: Fact, seen: str, direct: bool = True) -> Sighting:
    return Sighting(event, fact, fact.get("not_before", fact.start), fact.start, seen, direct)


def ended(event: str, fact: Fact, seen: str, direct: bool = True) -> Iterator[Sighting]:
    if fact.end is not None:
        yield Sighting(event, fact, fact.end, fact.end, seen, direct)


def by_then(event: str, fact: Fact, seen: str, direct: bool = True) -> Sighting:
    """It had happened when the fact began: somebody who could not have known it before says so."""
    return Sighting(event, fact, -math.inf, fact.start, seen, direct)


def since_then(event: str, fact: Fact, seen: str, direct: bool = True) -> Sighting:
    """It was still to come when the fact began."""
    return Sighting(event, fact, fact.start, math.inf, seen, direct)


def within(event: str, fact: Fact, seen: str, direct: bool = True) -> Sighting:
    """It happened in the course of the fact."""
    return Sighting(event, fact, fact.start, math.inf if fact.end is None else fact.end, seen, direct)


def some_time(event: str, fact: Fact, seen: str, direct: bool = False) -> Sighting:
    """It is known to be so, but not since when."""
    return Sighting(event, fact, -math.inf, math.inf, seen, direct)


def logged(scan: Scan, event: str, actor: str, words: str) -> Iterator[Sighting]:
    """A line of that service's log with these words: what it tells of had happened by then."""
    for fact in scan.those("log", actor=actor, message=lambda message: words in str(message)):
        yield by_then(event, fact, str(fact.get("message"))[:120])
        return


@dataclass
class Seen:
    """What all sources show of one launch, by event."""

    sightings: dict[str, list[Sighting]] = field(default_factory=dict)  # the one that each source's order is judged by
    contradictions: dict[str, list[Contradiction]] = field(default_factory=dict)
    repeated: dict[str, list[Sighting]] = field(default_factory=dict)  # seen more often than it may be


def recognise(evidence: Evidence) -> str:
    """The dialect, by messages if they are seen, else by the events of the server's action; classic's are unlike any newer ones."""
    for fact in evidence.those("rpc.publish"):
        if fact.name in ("schedule_and_build_instances", "build_and_run_instance", "select_destinations"):
            return "cells_v2"
        if fact.name == "run_instance":
            return "classic"
    for fact in evidence.those("view", name="actions"):
        events = {e.get("event") for action in fact.get("actions", ()) for e in action.get("events") or ()}
        if events & {"compute__do_build_and_run_instance", "conductor_schedule_and_build_instances"}:
            return "cells_v2"
        if events & {"compute_run_instance", "schedule"}:
            return "classic"
    return "cells_v2"  # what every cloud of the last ten years speaks


from conformance.sightings import identity, messages, services, views  # noqa: E402, F401 - they register their rules
