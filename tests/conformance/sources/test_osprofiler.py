"""Launches sent with traces of their own, on a mock cloud that writes points, and on clouds that do not."""

import base64
import json
import uuid
from collections import Counter

import pytest

from conformance.asking import ask_rows
from conformance.cloud import Cloud
from conformance.options import Options
from conformance.sources import SourceError, make_source
from conformance.sources.osprofiler import KEY, OsprofilerSource
from tests.kill_matrix import running


@pytest.fixture(scope="module", params=["classic", "cells_v2"])
def traced_url(request):
    with running("--osprofiler", "memory://", "--hosts", "2", "--dialect", request.param) as url:
        yield url


def test_the_mocks_traces_show_all_28_steps_without_its_facts(traced_url):
    cloud = Cloud(Options(url=traced_url, evidence=("osprofiler",)))
    try:
        rows = ask_rows(cloud)
    finally:
        cloud.close()
    assert not cloud.source_problems
    assert Counter(row.verdict.value for row in rows.values()) == {"pass": 28}
    assert {row.id for row in rows.values() if row.how == "inferred"} == {"S11", "S17", "S18"}


def test_a_cloud_that_traces_hides_nothing_from_the_other_sources(traced_url):
    """Its facts then have others between cause and effect."""
    cloud = Cloud(Options(url=traced_url))
    try:
        rows = ask_rows(cloud)
    finally:
        cloud.close()
    assert all("facts" in row.sources for row in rows.values())


def test_launches_at_the_same_time_have_traces_of_their_own(traced_url):
    cloud = Cloud(Options(url=traced_url, evidence=("osprofiler",)))
    try:
        launches = cloud.launcher.many(6, at_once=6)
        for launch in launches:
            served = [f for f in launch.evidence.those("http.server", name="POST /v2.1/servers") if f.source == "osprofiler"]
            claims = {f.get("path") for f in launch.evidence.those("http.server", actor="placement", method="PUT")}
            spawned = list(launch.evidence.those("driver", name="spawn"))
            assert (len(served), len(spawned)) == (1, 1)
            assert claims <= {f"/allocations/{launch.server_id}"}
    finally:
        cloud.close()


def test_a_wrong_key_is_one_sentence_and_the_run_goes_on(traced_url, monkeypatch):
    monkeypatch.setattr("conformance.sources.osprofiler.PATIENCE", 0.5)
    cloud = Cloud(Options(url=traced_url, evidence=("osprofiler",)))
    place = cloud.sources[0]._connection
    cloud.close()
    cloud = Cloud(Options(url=traced_url, evidence=(f"osprofiler={place};hmac=wrong",)))
    cloud.close()
    assert cloud.sources == []
    assert "trust another HMAC key" in cloud.source_problems["osprofiler"]


def test_every_launch_is_sent_with_another_trace():
    source = OsprofilerSource({"where": "redis://nowhere;hmac=k"}, None)
    bases = {json.loads(base64.urlsafe_b64decode(source.headers()["X-Trace-Info"]))["base_id"] for _ in range(5)}
    assert len(bases) == 5
    assert all(uuid.UUID(base) for base in bases)


@pytest.mark.parametrize(("where", "said"), [("", "needs a connection string"), ("redis://x:1", "needs the HMAC key")])
def test_what_is_missing_is_named(where, said, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(SourceError, match=said):
        make_source("osprofiler", {"where": where}, None).open()


class Asked:
    """A cloud of which nothing is asked but a request to trace."""

    def __init__(self) -> None:
        self.member = self

    def get(self, *path: str, headers: dict[str, str]) -> None: ...


@pytest.mark.parametrize("where", ["redis://:geheim@127.0.0.1:1", "http://127.0.0.1:1/traces", "nothing://x"])
def test_a_back_end_that_is_not_there_is_one_sentence(where):
    with pytest.raises(SourceError, match="cannot be read") as refused:
        make_source("osprofiler", {"where": f"{where};hmac=k"}, Asked()).open()
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)
