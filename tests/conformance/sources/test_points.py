"""Traces of a real cloud become facts in which the judge finds its rows."""

import json

import pytest

from conformance.sources.points import facts_of
from tests.conformance.recording import FIREHOSE, SCENARIOS, Recording, direct

UNCACHED, CACHED = "image-volume-no-token-cache", "image-volume"
NOT_TRACED = {11, 17, 18, 28}  # replies have no point, nor has nova's fake driver
VALIDATIONS = {4, 5, 20, 23, 26}


def point(name: str, start: dict, *children: dict, service: str = "osapi_compute", **stop: object) -> dict:
    """As osprofiler's drivers report it."""
    raw = {"timestamp": "2026-11-23T04:55:05.000001", "info": {"host": "vm", **start}}
    ended = {"timestamp": "2026-11-23T04:55:06.000001", "info": {"host": "vm", **stop}}
    info = {"name": name, "project": "nova", "service": service, "host": "vm", f"meta.raw_payload.{name}-start": raw}
    return {"trace_id": json.dumps(start), "info": info | {f"meta.raw_payload.{name}-stop": ended}, "children": list(children)}


def test_a_trace_without_token_caches_is_a_witness_of_all_but_replies_and_the_hypervisor():
    rows = Recording(UNCACHED).judged(Recording(UNCACHED).traced())
    assert direct(rows, "osprofiler") == set(range(1, 29)) - NOT_TRACED
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


def test_a_validation_that_a_cache_spared_is_nobodys_fault():
    rows = Recording(CACHED).judged(Recording(CACHED).traced())
    assert direct(rows, "osprofiler") == set(range(1, 29)) - NOT_TRACED - VALIDATIONS
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


def test_client_tap_and_trace_together_see_all_28_steps():
    recording = Recording(UNCACHED)
    rows = recording.judged([*recording.traced(), *recording.tapped()], FIREHOSE)
    seen = {n for n, row in rows.items() if (row.verdict.value, row.how) == ("pass", "direct")}
    assert seen == set(range(1, 29))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_point_that_is_a_fact_stands_beneath_another_or_at_the_top(scenario):
    facts = {fact.id: fact for fact in Recording(scenario).traced()}
    assert all(not fact.cause or fact.cause in facts for fact in facts.values())
    placed = [fact for fact in facts.values() if fact.actor == "placement" and fact.get("method") == "PUT"]
    assert facts[placed[0].cause].name == "select_destinations"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT a.id AS a_id \nFROM (SELECT flavors.id AS x \nFROM flavors) AS a JOIN flavor_projects ON 1", "SELECT flavors"),
        ("INSERT INTO `build_requests` (x) VALUES (1)", "INSERT build_requests"),
        ("INSERT INTO nova_api.build_requests (x) VALUES (1)", "INSERT build_requests"),
        ("UPDATE instances SET host=%(host)s WHERE 1", "UPDATE instances"),
        ("DELETE FROM build_requests WHERE 1", "DELETE build_requests"),
        ("SELECT quotas.id AS quotas_id, quotas.proj", "SELECT quotas"),
        ("SAVEPOINT sa_savepoint_1", None), ("SELECT last_insert_id()", None), ("", None),
    ],
)  # fmt: skip
def test_a_statement_is_known_by_its_verb_and_first_table(statement, name):
    facts = facts_of({"children": [point("db", {"db": {"statement": statement, "params": {}}})]})
    assert [fact.name for fact in facts] == ([name] if name else [])


def test_a_point_that_ended_in_an_error_says_so():
    wsgi = point("wsgi", {"request": {"path": "/v2.1/servers", "method": "POST", "query": ""}}, etype="HTTPForbidden", message="no")
    assert [fact.get("error") for fact in facts_of({"children": [wsgi]})] == ["HTTPForbidden"]


def test_a_call_within_a_client_class_that_sends_nothing_is_no_message():
    inner = point("rpc", {"function": {"name": "nova.compute.rpcapi.ComputeAPI.get_client"}})
    outer = point("rpc", {"function": {"name": "nova.compute.rpcapi.ComputeAPI.build_and_run_instance"}}, inner)
    assert [(fact.kind, fact.name) for fact in facts_of({"children": [outer]})] == [("rpc.publish", "build_and_run_instance")]


def test_the_wrapper_around_a_managers_method_takes_the_name_of_what_was_called():
    worker = point("rpc", {"function": {"name": "oslo_messaging.rpc.server.f.<locals>.outer.<locals>.inner"}}, service="nova-scheduler")
    call = point("rpc", {"function": {"name": "nova.scheduler.rpcapi.SchedulerAPI.select_destinations"}}, worker)
    assert [(fact.kind, fact.name, fact.actor) for fact in facts_of({"children": [call]})][1] == (
        "rpc.deliver", "select_destinations", "nova-scheduler",
    )  # fmt: skip


@pytest.mark.parametrize(
    "report",
    [{}, {"children": None}, {"children": [None, 7, {}]}, {"children": [{"info": 3, "trace_id": "x"}]}, {"children": [{"trace_id": 4}]},
     {"children": [point("wsgi", {"request": "x"})]}, {"children": [point("rpc", {"function": "x"})]}, {"children": [point("db", {})]},
     {"children": [{"trace_id": "a", "info": {"name": "wsgi", "meta.raw_payload.wsgi-start": {"timestamp": "noon", "info": {}}}}]}],
)  # fmt: skip
def test_garbage_in_a_trace_is_left_out(report):
    assert facts_of(report) == []


def test_a_password_in_a_function_s_arguments_is_in_no_fact():
    told = {"function": {"name": "nova.compute.rpcapi.ComputeAPI.build_and_run_instance", "kwargs": "{'admin_password': 'hunter2'}"}}
    assert "hunter2" not in str([fact.to_dict()["attributes"] for fact in facts_of({"children": [point("rpc", told)]})])
