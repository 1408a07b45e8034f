"""Fewer sources may only turn a verdict into *not observable*; and many launches at once are told apart."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.judging import lift_quotas, verdicts
from conformance.asking import ask, ask_rows
from conformance.cloud import Cloud
from conformance.options import Options
from conformance.registry import Verdict, load_checks
from specs import DIALECTS
from tests.kill_matrix import running

SUBSETS = {"a plain client": ("client",), "all": ()}
ROWS_OF = {"a client and an admin": ("client", "admin"), "a client and the seams' facts": ("client", "facts")}


def ask_everything(url: str, evidence: tuple[str, ...], checks: bool = True) -> dict[str, Verdict]:
    cloud = Cloud(Options(url=url, evidence=evidence))
    try:
        results = [*ask_rows(cloud).values(), *(ask(check, cloud) for check in load_checks().values() if checks)]
        return {result.id: result.verdict for result in results}
    finally:
        assert cloud.close() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_sound_cloud_fails_nothing_whatever_is_seen_of_it(dialect: str) -> None:
    with running("--dialect", dialect) as url:
        found = {name: ask_everything(url, evidence) for name, evidence in SUBSETS.items()}
        found |= {name: ask_everything(url, evidence, checks=False) for name, evidence in ROWS_OF.items()}
    bad = {name: {i: v.value for i, v in seen.items() if v in (Verdict.FAIL, Verdict.ERROR)} for name, seen in found.items()}
    assert bad == {name: {} for name in found}
    everything = found["all"]
    for name, seen in found.items():
        changed = {i: v for i, v in seen.items() if v is not everything[i]}
        assert set(changed.values()) <= {Verdict.NOT_OBSERVABLE}, name
    assert Counter(v for i, v in everything.items() if len(i) == 3) == {Verdict.PASS: 28}


@pytest.mark.timeout(300)
def test_fifty_launches_at_once_are_judged_apart() -> None:
    with running("--hosts", "12") as url:
        cloud = Cloud(Options(url=url))
        lift_quotas(cloud)
        assert cloud.sources
        with ThreadPoolExecutor(50) as pool:
            volumes = list(pool.map(lambda _: cloud.resources.volume(cloud.member), range(50)))
            launches = list(pool.map(lambda volume: cloud.launcher.launch(volumes=[volume], token=cloud.member.login()), volumes))
            wrong = sum(pool.map(verdicts, launches), Counter())
        assert len({launch.server_id for launch in launches}) == 50
        assert {launch.status for launch in launches} == {"ACTIVE"}
        assert wrong == Counter(), wrong.most_common(5)
        assert cloud.close() == []
