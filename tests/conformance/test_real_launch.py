"""A launch on a real OpenStack, as `conformance` recorded it: what can be seen of it, and what cannot."""

import json
from pathlib import Path
from typing import Any

from conformance.evidence import Evidence, Fact
from conformance.judge import judge
from conformance.registry import Result

CAPTURES = Path(__file__).parent / "captures"
SEEN = {1, 2, 3, 7, 22, 24, 25, 27, 28}
HIDDEN = {8, 9, 12, 14, 15, 17}


def facts(recorded: list[dict[str, Any]]) -> list[Fact]:
    return [
        Fact(**{**each, "request_ids": frozenset(each["request_ids"]), "server_ids": frozenset(each["server_ids"])}) for each in recorded
    ]


def judged(name: str) -> list[Result]:
    recorded = json.loads((CAPTURES / f"{name}.json").read_text())
    evidence = Evidence(facts(recorded["facts"]), recorded["complete"])
    boot = evidence.by_id(recorded["boot"])
    assert boot is not None
    return judge(evidence, boot, recorded["server_id"], recorded["dialect"])


def test_a_plain_client_sees_9_steps_infers_13_and_cannot_see_6():
    how = {int(row.id[1:]): row.how or row.verdict.value for row in judged("client")}
    assert {n for n, seen in how.items() if seen == "direct"} == SEEN
    assert {n for n, seen in how.items() if seen == "not observable"} == HIDDEN
    assert {seen for n, seen in how.items() if n not in SEEN | HIDDEN} == {"inferred"}


def test_a_volume_that_is_only_reserved_was_not_yet_asked_for_by_the_compute():
    row = next(row for row in judged("client") if row.id == "S25")
    assert row.actual != "volume reserved"
