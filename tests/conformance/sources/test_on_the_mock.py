"""One source at a time on a mock cloud, beside what its client sees: the evidence that a real cloud would give, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.asking import ask_rows
from conformance.cloud import Cloud
from conformance.judge import judge
from conformance.options import Options
from conformance.registry import Result, Verdict
from tests.kill_matrix import running
from tests.rabbitmq import RabbitMQ

HIDDEN = {8, 9, 12, 14, 15, 17}  # what no client can see


def asked(url: str, *evidence: str) -> dict[int, Result]:
    """The 28 rows with this evidence only; nothing may be wrong with it."""
    cloud = Cloud(Options(url=url, evidence=evidence))
    try:
        rows = ask_rows(cloud)
    finally:
        cloud.close()
    assert not cloud.source_problems
    assert {row.verdict.value for row in rows.values()} <= {"pass", "not observable"}, [r for r in rows.values() if r.expected]
    return {int(row.id[1:]): row for row in rows.values()}


def seen(rows: dict[int, Result], how: str = "direct") -> set[int]:
    return {n for n, row in rows.items() if row.how == how}


@pytest.fixture(scope="module", params=["classic", "cells_v2"])
def bus(request: pytest.FixtureRequest, rabbitmq: RabbitMQ) -> Iterator[tuple[str, str]]:
    """Identity and bus of a cloud whose services talk over a broker with its trace on."""
    url = rabbitmq.vhost(tracing=True)
    with running("--bus", url, "--hosts", "2", "--dialect", request.param) as cloud_url:
        yield cloud_url, url


def test_a_tap_alone_sees_what_no_client_can(bus):
    cloud_url, url = bus
    rows = asked(cloud_url, f"amqp={url}")
    assert seen(rows) >= HIDDEN | {5, 11, 13, 18, 19, 21, 22, 24, 25, 27, 28}
    assert {row.verdict.value for row in rows.values()} == {"pass"}


def test_with_all_that_a_cloud_on_a_broker_announces_every_witness_agrees(bus):
    rows = asked(bus[0])
    assert seen(rows) == set(range(1, 29))
    assert all({"amqp", "facts"} <= set(rows[n].sources) for n in HIDDEN)


def test_launches_at_the_same_time_are_told_apart_on_the_broker(bus):
    cloud_url, url = bus
    cloud = Cloud(Options(url=cloud_url, evidence=(f"amqp={url}",)))
    try:
        for launch in cloud.launcher.many(8, at_once=8):
            named = {fact.server_ids for fact in launch.evidence.facts if fact.name in ("run_instance", "build_and_run_instance")}
            assert named == {frozenset({launch.server_id})}
            rows = judge(launch.evidence, launch.boot.fact, launch.server_id, launch.dialect, volumes=False)
            assert not [row for row in rows if row.verdict is Verdict.FAIL]
            assert seen({int(row.id[1:]): row for row in rows}) >= HIDDEN
    finally:
        cloud.close()


@pytest.mark.parametrize("dialect", ["classic", "cells_v2"])
def test_logs_alone_see_scheduler_compute_and_services_at_work(dialect, tmp_path):
    with running("--log-dir", str(tmp_path), "--hosts", "2", "--dialect", dialect) as url:
        rows = asked(url, "logs")
    assert seen(rows) >= {3, 9, 10, 13, 18, 19, 21, 22, 24, 25, 27, 28}
    assert {n for n, row in rows.items() if row.verdict.value == "not observable"} == {8, 12, 14, 15, 17}
