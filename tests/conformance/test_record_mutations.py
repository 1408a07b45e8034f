"""The judge is judged: every row's deciding fact is dropped, doubled, swapped and delayed in golden records, and the row must turn red.

A row is told by every source by itself, so what is dropped is dropped from all of them; any other mutation need be in one only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import pytest

import specs
from conformance.cloud import Cloud
from conformance.evidence import Evidence, Fact
from conformance.judge import judge, look
from conformance.options import Options
from conformance.registry import Result, Verdict
from conformance.sightings import Sighting
from tests.conformance.recording import FIREHOSE, Recording
from tests.kill_matrix import running

LATER = 1000.0  # seconds
STEPS = range(1, 29)

NO_HARM = {  # mutations of a correct launch into another correct launch, and why
    "doubled": {
        **dict.fromkeys((4, 5, 20, 21, 23, 24, 26, 27), "a service may ask, and be asked, once more: a token is not always cached"),
        **dict.fromkeys((6, 10, 16), "reading twice, or claiming again after a conflict, is allowed"),
        **dict.fromkeys((19, 22, 25), "a launch may have retries, several ports and several volumes"),
    },
    "swapped": {28: "nothing comes after it"},
    "delayed": {28: "nothing comes after it: a guest may start late"},
}  # fmt: skip


UNTIMED = {  # in the real record: no source shows both this moment and one that has to come later
    18: "the firehose tells of a delivery afterwards",
    21: "the trace has no point of the hypervisor",
    24: "the trace has no point of the hypervisor",
    28: "nothing comes after it",
}


@dataclass(frozen=True)
class Record:
    """What was seen of one launch, which kinds completely, and of what it is."""

    facts: tuple[Fact, ...]
    complete: frozenset[str]
    boot: Fact
    server_id: str
    dialect: str

    @cached_property
    def rows(self) -> dict[int, Result]:
        evidence = Evidence(self.facts, self.complete, 0.0)
        return {int(row.id[1:]): row for row in judge(evidence, self.boot, self.server_id, self.dialect)}

    @cached_property
    def after(self) -> dict[str, tuple[str, ...]]:
        rows = specs.launch(self.dialect)
        return {event.id: event.after for row in rows for event in (*row.parts, row)}

    def sightings(self, event: str) -> dict[str, Sighting]:
        """Direct ones, by source."""
        seen = look(Evidence(self.facts, self.complete, 0.0), self.boot, self.server_id, self.dialect, self.after)
        return {s.source: s for s in seen.sightings.get(event, ()) if s.direct}

    def without(self, gone: Iterable[Fact]) -> Record:
        ids = {fact.id for fact in gone}
        return replace(self, facts=tuple(fact for fact in self.facts if fact.id not in ids))

    def changed(self, *facts: Fact) -> Record:
        new = {fact.id: fact for fact in facts}
        return replace(self, facts=tuple(new.get(fact.id, fact) for fact in self.facts))

    def witnesses(self, event: str) -> list[Fact]:
        """All facts by which an event would be seen, the deciding ones first: each takes over when those before it are gone."""
        found: list[Fact] = []
        record = self
        while sighted := [s.fact for s in record.sightings(event).values()]:
            found += sighted
            record = record.without(sighted)
        return found

    def alone(self, event: str, source: str) -> tuple[Record, Sighting] | None:
        """The record with one witness of the event in that source; None when nothing shows its moment there."""
        decides = self.sightings(event).get(source)
        if decides is None or decides.low != decides.high:
            return None
        others = [f for f in self.witnesses(event) if f.source == source and f.id != decides.fact.id]
        return self.without(others), decides


def moved(sighting: Sighting, to: float) -> Fact:
    """The fact with the moment that was sighted, its beginning or its end, at another time."""
    fact = sighting.fact
    return replace(fact, start=to) if sighting.low == fact.start else replace(fact, end=to)


def dropped(record: Record, event: str) -> Iterator[Record]:
    yield record.without(record.witnesses(event))


def doubled(record: Record, event: str) -> Iterator[Record]:
    for sighting in record.sightings(event).values():
        yield replace(record, facts=(*record.facts, replace(sighting.fact, id=f"{sighting.fact.id}:again")))


def delayed(record: Record, event: str) -> Iterator[Record]:
    for source in record.sightings(event):
        if found := record.alone(event, source):
            yield found[0].changed(moved(found[1], found[1].high + LATER))


def swapped(record: Record, event: str) -> Iterator[Record]:
    """With each event that has to come after it."""
    for source in record.sightings(event):
        for successor in (name for name, before in record.after.items() if event in before):
            first = record.alone(event, source)
            second = first[0].alone(successor, source) if first else None
            if first and second and first[1].clock == second[1].clock:
                sooner, later = first[1], second[1]
                if sooner.fact.id == later.fact.id:
                    yield second[0].changed(replace(sooner.fact, start=sooner.fact.end or 0.0, end=sooner.fact.start))
                else:
                    yield second[0].changed(moved(sooner, later.low), moved(later, sooner.low))


MUTATIONS = {"dropped": dropped, "doubled": doubled, "delayed": delayed, "swapped": swapped}


def red(record: Record, *steps: int) -> bool:
    return any(record.rows[n].verdict is Verdict.FAIL for n in steps)


# records


@pytest.fixture(scope="module", params=["classic", "cells_v2"])
def golden(request: pytest.FixtureRequest) -> Record:
    """The facts of a mock cloud's launch, and what its client saw."""
    with running("--hosts", "2", "--dialect", request.param) as url:
        cloud = Cloud(Options(url=url, evidence=("facts",)))
        try:
            launch = cloud.golden
            evidence = launch.evidence
        finally:
            cloud.close()
    return Record(tuple(evidence.facts), evidence.complete, launch.boot.fact, launch.server_id, request.param)


@pytest.fixture(scope="module")
def real() -> Record:
    """A real cloud's launch, from its broker, its trace and its client."""
    recording = Recording("image-volume-no-token-cache")
    client = recording.client()
    boot = next(fact for fact in client if fact.id == "client:boot")
    return Record((*client, *recording.tapped(), *recording.traced()), FIREHOSE, boot, recording.server_id, "cells_v2")


def test_a_golden_record_is_green_all_over(golden):
    assert {n: row.how for n, row in golden.rows.items() if row.verdict is Verdict.PASS} == dict.fromkeys(STEPS, "direct")


@pytest.mark.parametrize("n", STEPS)
@pytest.mark.parametrize("how", MUTATIONS)
def test_a_mutated_record_is_red_at_the_mutated_row(golden, how, n):
    mutants = list(MUTATIONS[how](golden, f"S{n:02d}"))
    if n in NO_HARM.get(how, {}):
        assert not any(red(mutant, n) for mutant in mutants), f"{NO_HARM[how][n]}: {[m.rows[n].actual for m in mutants]}"
    else:
        assert mutants, "there is a deciding fact"
        assert any(red(mutant, n) for mutant in mutants)


@pytest.mark.parametrize("n", STEPS)
def test_a_step_of_a_real_record_that_is_dropped_is_not_seen_any_more(real, n):
    assert real.rows[n].how == "direct"
    (mutant,) = dropped(real, f"S{n:02d}")
    assert (mutant.rows[n].verdict, mutant.rows[n].how) != (Verdict.PASS, "direct")


@pytest.mark.parametrize("n", sorted({*STEPS} - UNTIMED.keys()))
def test_a_step_of_a_real_record_that_comes_too_late_is_red(real, n):
    assert any(red(mutant, n) for mutant in delayed(real, f"S{n:02d}"))


@pytest.mark.parametrize("n", [7, 8, 9, 11, 12, 13, 14, 15, 17, 18])
def test_a_step_of_a_real_record_that_happens_twice_is_red(real, n):
    assert any(red(mutant, n) for mutant in doubled(real, f"S{n:02d}"))
