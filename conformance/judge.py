"""28 verdicts over the evidence of one launch. One rule for all rows: what was seen, by whom, and whether the order is a legal one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterable, Iterator

import specs
from conformance.evidence import PREFERRED, Evidence, Fact
from conformance.registry import Result, Verdict
from conformance.sightings import RULES, Contradiction, Scan, Seen, Sighting

BY_CLIENT = frozenset({1, 2, 3, 7, 22, 24, 25, 27, 28})  # steps whose effect every client sees: if not, they did not happen
SHOWN_BY = {  # the kind of fact that shows an event directly; where a source shows all of that kind, it must be there
    **dict.fromkeys(("S04", "S05", "S19", "S20", "S21", "S22", "S23", "S24", "S25", "S26", "S27"), "http.client"),
    **dict.fromkeys(("S06", "S07", "S10", "S12a", "S16"), "db"),
    **dict.fromkeys(("S08", "S08a", "S12", "S14"), "rpc.publish"),
    **dict.fromkeys(("S09", "S13", "S15"), "rpc.deliver"),
    **dict.fromkeys(("S11", "S17"), "rpc.reply"),
    "S18": "rpc.answer", "S28": "driver",
}  # fmt: skip
CACHED = frozenset({"S04", "S20", "S23", "S26"})  # not done for a token that the service still trusts


def judge(
    evidence: Evidence, boot: Fact, server_id: str, dialect: str, *, volumes: bool = True, volume_service: bool = True
) -> list[Result]:
    """Verdicts of the 28 rows. `boot`: the client's POST /servers; `volumes`: whether the launch had any."""
    rows = specs.launch(dialect)
    events = {event.id: event for row in rows for event in (*row.parts, row)}
    after = {event.id: event.after for event in events.values()}
    seen = look(evidence, boot, server_id, dialect, after)
    wrong = _disorder(seen, after)
    results = []
    for row in rows:
        parts = [event.id for event in (*row.parts, row)]
        if row.n in (25, 26, 27) and not volume_service:
            results.append(Result(row.id, row.sentence, Verdict.UNSUPPORTED, reason="the catalog has no block storage service"))
        elif row.n in (25, 26, 27) and not volumes:
            results.append(Result(row.id, row.sentence, Verdict.DISABLED, reason="the launch has no volume"))
        else:
            results.append(_row(row, parts, seen, wrong, evidence, volumes))
    return results


def look(evidence: Evidence, boot: Fact, server_id: str, dialect: str, after: dict[str, tuple[str, ...]]) -> Seen:
    """What every source shows of every event, each source by itself."""
    seen = Seen()
    for source in evidence.sources:
        scan = Scan(evidence, source, dialect, server_id, boot)
        for event in _in_order(after):
            candidates: list[Sighting] = []
            for rule in RULES[dialect].get(event, ()):
                found = list(rule.find(scan, event))
                sightings = [f for f in found if isinstance(f, Sighting)]
                seen.contradictions.setdefault(event, []).extend(f for f in found if isinstance(f, Contradiction))
                if rule.once and len(sightings) > 1:
                    seen.repeated.setdefault(event, []).extend(sightings)
                candidates += sightings
            if candidates:
                scan.found[event] = _pick(candidates, [scan.found[p] for p in _nearest(event, after, scan.found)])
                seen.sightings.setdefault(event, []).append(scan.found[event])
    return seen


def _in_order(after: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Predecessors first."""
    done: list[str] = []

    def visit(event: str) -> None:
        if event not in done:
            for predecessor in after[event]:
                visit(predecessor)
            done.append(event)

    for event in after:
        visit(event)
    return iter(done)


def _pick(candidates: list[Sighting], before: list[Sighting]) -> Sighting:
    """Of the best witnesses, the first that may have come after its predecessors; else the first there is."""
    best = min(s.worth for s in candidates)
    ranked = sorted((s for s in candidates if s.worth == best), key=lambda s: s.high if s.high < math.inf else 0.0)
    return next((s for s in ranked if not any(p.certainly_after(s) for p in before)), ranked[0])


def _nearest(event: str, after: dict[str, tuple[str, ...]], there: Container[str]) -> Iterator[str]:
    """What has to come before: where a predecessor was not seen, its own predecessors do."""
    for predecessor in after[event]:
        if predecessor in there:
            yield predecessor
        else:
            yield from _nearest(predecessor, after, there)


def _disorder(seen: Seen, after: dict[str, tuple[str, ...]]) -> dict[str, list[tuple[str, Sighting, Sighting]]]:
    """By event: the pairs that were seen the wrong way round. It counts for both: the one was too early or the other too late."""
    clocks: dict[str, dict[str, list[Sighting]]] = {}
    for event, sightings in seen.sightings.items():
        for sighting in sightings:
            clocks.setdefault(sighting.clock, {}).setdefault(event, []).append(sighting)
    wrong: dict[str, list[tuple[str, Sighting, Sighting]]] = {}
    for there in clocks.values():
        for event, later in there.items():
            for predecessor in dict.fromkeys(_nearest(event, after, there)):
                for first, second in itertools.product(there[predecessor], later):
                    if first.certainly_after(second):
                        for blamed in (event, predecessor):
                            wrong.setdefault(blamed, []).append((f"{predecessor} comes before {event}", first, second))
    return wrong


def _row(
    row: specs.Row, events: list[str], seen: Seen, wrong: dict[str, list[tuple[str, Sighting, Sighting]]], evidence: Evidence, volumes: bool
) -> Result:
    sightings = seen.sightings.get(row.id, [])
    result = Result(row.id, row.sentence, Verdict.PASS, detail={"actor": row.actor, "callee": row.callee, "via": row.via})
    shown: list[Fact] = [s.fact for s in sightings]
    for event in events:
        if contradictions := seen.contradictions.get(event):
            first = contradictions[0]
            return _failed(result, first.expected, first.actual, [first.fact])
        if pairs := wrong.get(event):
            rule, earlier, later = pairs[0]
            return _failed(
                result, rule, f"{later.event} ({later.seen}) was seen before {earlier.event} ({earlier.seen})", [later.fact, earlier.fact]
            )
        if repeated := seen.repeated.get(event):
            return _failed(
                result, f"{event} happens once", f"it was seen {len(repeated)} times: {repeated[0].seen}", [s.fact for s in repeated]
            )
    for event in events:
        if missing := _missing(event, row.n, seen.sightings.get(event, []), evidence, volumes):
            return _failed(result, f"{event} is seen", missing, shown)
    result.sources = list(dict.fromkeys(s.source for s in sightings if s.direct)) or list(dict.fromkeys(s.source for s in sightings))
    result.facts = [fact.to_dict() for fact in shown]
    if not sightings:
        result.verdict, result.reason = Verdict.NOT_OBSERVABLE, f"no source shows {_what_shows(row.id)}"
        return result
    result.how = "direct" if any(s.direct for s in sightings) else "inferred"
    best = min(sightings, key=lambda s: (not s.direct, PREFERRED.index(s.source) if s.source in PREFERRED else 99))
    result.actual = best.seen
    result.detail |= {"seen": {s.source: s.seen for s in sightings}, "at": best.high if best.high < math.inf else None, "clock": best.clock}
    return result


def _failed(result: Result, expected: str, actual: str, facts: Iterable[Fact]) -> Result:
    result.verdict, result.expected, result.actual = Verdict.FAIL, expected, actual
    facts = list(facts)
    result.facts = [fact.to_dict() for fact in facts]
    result.sources = list(dict.fromkeys(fact.source for fact in facts))
    return result


def _missing(event: str, n: int, sightings: list[Sighting], evidence: Evidence, volumes: bool) -> str:
    """Why the absence of direct sightings is a failure, if it is one."""
    direct = [s for s in sightings if s.direct]
    kind = SHOWN_BY.get(event, "")
    shown = any(s.fact.kind == kind or s.fact.kind in _EQUAL.get(kind, ()) for s in direct)
    excused = event in CACHED and evidence.token_cache_time != 0
    if kind in evidence.complete and not shown and not excused:
        return f"it did not happen: no fact of kind {kind} shows it, and all of them were there to see"
    if n in BY_CLIENT and event == f"S{n:02d}" and not any(s.source == "client" for s in direct):
        return "the client saw nothing of it"
    return ""


_EQUAL = {"http.client": ("http.server", "rpc.publish"), "db": ("http.client",)}


def _what_shows(event: str) -> str:
    kind = SHOWN_BY.get(event, "http.client")
    return {"db": "database statements", "rpc.publish": "messages", "rpc.deliver": "who takes messages", "rpc.reply": "replies",
            "rpc.answer": "replies being taken", "driver": "the hypervisor", "http.client": "the services' own calls"}[kind]  # fmt: skip
