"""Facts: what is recorded at the seams, who caused it, and what never stands in it."""

from __future__ import annotations

import asyncio
import json

import pytest

from mockcloud.trace import (
    Recorder,
    Scope,
    current_scope,
    describe_sql,
    fingerprint,
    record_driver_call,
    redact,
    span,
    step,
    within,
)


class NoFaults:
    armed = False

    async def run(self, number, act, args, kwargs):
        raise AssertionError("nothing is armed")


def scope(recorder: Recorder, service: str = "nova", request_id: str = "req-1") -> Scope:
    return Scope(recorder, NoFaults(), service, "host", request_id, "req-global")


def test_a_fact_knows_what_caused_it_and_for_which_request():
    recorder = Recorder()
    with within(scope(recorder)), span("http.server", "outer"), span("db", "inner"):
        pass
    outer, inner = recorder.facts()
    assert (outer.parent, inner.parent) == (None, outer.id)
    assert {(fact.service, fact.host, fact.request_id, fact.global_request_id) for fact in (outer, inner)} == {
        ("nova", "host", "req-1", "req-global")
    }
    assert outer.start <= inner.start <= inner.end <= outer.end


def test_facts_stand_in_the_order_of_their_starts_also_while_they_last():
    recorder = Recorder()
    with within(scope(recorder)), span("http.server", "outer"):
        with span("db", "inner"):
            pass
        assert [(fact.name, fact.end is None) for fact in recorder.facts()] == [("outer", True), ("inner", False)]


async def test_what_runs_beside_each_other_has_each_its_own_parent():
    recorder = Recorder()

    async def work(name: str) -> None:
        with span("rpc.deliver", name):
            await asyncio.sleep(0)
            with span("db", f"of {name}"):
                await asyncio.sleep(0)

    with within(scope(recorder)):
        await asyncio.gather(work("one"), work("two"))
    facts = {fact.name: fact for fact in recorder.facts()}
    assert facts["of one"].parent == facts["one"].id
    assert facts["of two"].parent == facts["two"].id


def test_the_scope_of_the_caller_comes_back():
    recorder = Recorder()
    with within(scope(recorder)) as outer:
        with within(scope(recorder, "glance")):
            assert current_scope().service == "glance"
        assert current_scope() is outer
    assert current_scope() is None


def test_outside_of_any_scope_nothing_is_recorded():
    with span("db", "SELECT nothing") as fact:
        assert fact is None


def test_what_raised_says_so_and_is_ended():
    recorder = Recorder()
    with within(scope(recorder)), pytest.raises(KeyError), record_driver_call("spawn", instance="i"):
        raise KeyError("x")
    (fact,) = recorder.facts()
    assert (fact.kind, fact.attributes, fact.end is None) == ("driver", {"instance": "i", "error": "KeyError"}, False)


def test_only_the_last_facts_are_kept():
    recorder = Recorder(kept=3)
    with within(scope(recorder)):
        for number in range(5):
            with span("db", str(number)):
                pass
    assert [fact.name for fact in recorder.facts()] == ["2", "3", "4"]


def test_facts_can_be_had_by_either_request_id_and_from_an_id_on():
    recorder = Recorder()
    for request_id in ("req-1", "req-2"):
        with within(scope(recorder, request_id=request_id)), span("db", request_id):
            pass
    assert [fact.name for fact in recorder.facts("req-2")] == ["req-2"]
    assert len(list(recorder.facts("req-global"))) == 2
    assert [fact.name for fact in recorder.facts(after=1)] == ["req-2"]


def test_a_listener_is_told_when_a_fact_has_ended():
    recorder, told = Recorder(), []
    recorder.listeners.append(lambda fact: told.append((fact.name, fact.end is not None)))
    with within(scope(recorder)), span("db", "outer"), span("db", "inner"):
        pass
    assert told == [("inner", True), ("outer", True)]


@pytest.mark.parametrize(
    ("statement", "verb", "tables", "schema"),
    [
        ("SELECT a.id FROM instances AS a JOIN flavors ON 1", "SELECT", ("instances", "flavors"), ""),
        ('INSERT INTO "instances" (id) VALUES (?)', "INSERT", ("instances",), ""),
        ("update instances set host = ?", "UPDATE", ("instances",), ""),
        ("DELETE FROM ports WHERE id IN (SELECT id FROM ports)", "DELETE", ("ports",), ""),
        ("INSERT INTO nova_api.build_requests (id) VALUES (?)", "INSERT", ("build_requests",), "nova_api"),
        ('SELECT 1 FROM "nova_api"."request_specs"', "SELECT", ("request_specs",), "nova_api"),
        ("PRAGMA foreign_keys", "PRAGMA", (), ""),
        ("", "", (), ""),
    ],
)
def test_a_statement_is_described_by_its_verb_its_tables_and_the_schema_of_the_first(statement, verb, tables, schema):
    assert describe_sql(statement) == (verb, tables, schema)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "admin_password",
        "adminPass",
        "new_pass",
        "auth_token",
        "token",
        "secret",
        "user_data",
        "private_key",
        "passwd",
        "injected_files",
        "personality",
    ],
)
def test_what_stands_under_a_telling_name_is_not_shown_however_deep(name):
    shown = json.dumps(redact({"args": [{name: "hunter2", "name": "kept"}]}))
    assert "hunter2" not in shown
    assert "kept" in shown


def test_redaction_makes_a_copy():
    attributes = {"password": "hunter2"}
    redact(attributes)
    assert attributes == {"password": "hunter2"}


def test_equal_tokens_have_equal_fingerprints_and_no_token_has_none():
    assert fingerprint("a") == fingerprint("a") != fingerprint("b")
    assert fingerprint("") == ""
    assert "hunter2" not in fingerprint("hunter2")


async def test_a_signpost_records_nothing():
    recorder = Recorder()

    @step(14)
    async def ask() -> str:
        return "answer"

    with within(scope(recorder)):
        assert await ask() == "answer"
    assert list(recorder.facts()) == []


async def test_a_request_is_recorded_from_the_client_through_keystone_to_the_database(cloud, as_):
    member = as_("member")
    await member.login()
    cloud.recorder.clear()
    await member.get("cinder", "/v3/volumes")
    facts = {fact.id: fact for fact in cloud.recorder.facts()}
    served = next(fact for fact in facts.values() if fact.name == "GET /v3/volumes")
    asked = next(fact for fact in facts.values() if fact.kind == "http.client" and fact.name == "GET /v3/auth/tokens")
    checked = next(fact for fact in facts.values() if fact.kind == "http.server" and fact.name == "GET /v3/auth/tokens")
    read = [fact for fact in facts.values() if fact.kind == "db" and fact.parent == served.id]
    assert (asked.parent, checked.parent, checked.service) == (served.id, asked.id, "keystone")
    assert served.attributes["status"] == checked.attributes["status"] == 200
    assert served.attributes["token"] == asked.attributes["subject_token"] == fingerprint(member.token)
    assert {fact.attributes["database"] for fact in read} == {"cinder"}
    assert "volumes" in {table for fact in read for table in fact.attributes["tables"]}


async def test_no_token_and_no_password_stands_in_any_fact(cloud, as_):
    member = as_("member")
    await member.post("nova", "/v2.1/servers", json={"server": {"name": "s", "imageRef": "x", "flavorRef": "1", "adminPass": "hunter2"}})
    await member.get("nova", "/v2.1/servers")
    shown = json.dumps([fact.to_dict() for fact in cloud.recorder.facts()], default=str)
    assert member.token not in shown
    assert "hunter2" not in shown
    assert '"secret"' not in shown
