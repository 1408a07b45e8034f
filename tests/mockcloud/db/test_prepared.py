"""Reads that are built once give what the same statement gives, and are facts like any other."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import JSON, Boolean, Column, DateTime, Integer, MetaData, String, Table, bindparam, select
from sqlalchemy.exc import IntegrityError

from mockcloud.clock import Clock
from mockcloud.db.engine import Database
from mockcloud.db.prepared import Prepared
from mockcloud.faults import Faults
from mockcloud.trace import Recorder, Scope, within

metadata = MetaData()
things = Table(
    "things", metadata, Column("id", Integer, primary_key=True), Column("name", String(20), unique=True), Column("made", DateTime),
    Column("good", Boolean), Column("data", JSON),
)  # fmt: skip
ROWS = [
    {"id": 1, "name": "a", "made": datetime(2026, 1, 2, 3, 4, 5, 678), "good": True, "data": {"list": [1, None, "ü"]}},
    {"id": 2, "name": "b", "made": None, "good": False, "data": []},
    {"id": 3, "name": "c", "made": datetime(2026, 1, 3), "good": None, "data": "text"},
]

BY_NAME = Prepared(select(things).where(things.c.name == bindparam("name")))
GOOD = Prepared(select(things.c.name).where(things.c.good == bindparam("good")).order_by(things.c.id))
SINCE = Prepared(select(things).where(things.c.made >= bindparam("since"), things.c.id > 1).order_by(things.c.id))


@pytest.fixture
def db():
    made = Database("test", metadata)
    with made.transaction() as tx:
        for row in ROWS:
            tx.insert(things, **row)
    yield made
    made.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_rows_have_their_own_types(db, row):
    found = db.one(BY_NAME, name=row["name"])
    assert found == row
    assert {type(name) for name in found} == {str}
    assert db.all(BY_NAME, name=row["name"]) == [row]


def test_values_are_turned_into_the_databases_own(db):
    assert db.all(GOOD, good=False) == [{"name": "b"}]
    assert [row["id"] for row in db.all(SINCE, since=datetime(2026, 1, 2))] == [3]


def test_what_is_not_there_is_none(db):
    assert (db.one(BY_NAME, name="z"), db.all(BY_NAME, name="z"), db.scalar(GOOD, good=None)) == (None, [], None)
    assert db.scalar(GOOD, good=True) == "a"


def test_it_is_part_of_its_transaction(db):
    with pytest.raises(RuntimeError), db.transaction() as tx:
        tx.insert(things, name="d")
        assert tx.one(BY_NAME, name="d") is not None
        raise RuntimeError
    assert db.one(BY_NAME, name="d") is None


def test_one_plan_serves_one_database(db):
    other = Database("other", metadata)
    assert (other.one(BY_NAME, name="a"), db.one(BY_NAME, name="a")) == (None, ROWS[0])
    other.close()


def test_a_missing_value_and_a_list_of_any_length_are_refused(db):
    with pytest.raises(KeyError, match="name"):
        db.one(BY_NAME)
    with pytest.raises(ValueError, match="list"):
        db.all(Prepared(select(things).where(things.c.name.in_(bindparam("names")))), names=["a"])


def test_it_is_a_fact_without_its_values(db):
    recorder = Recorder()
    with within(Scope(recorder, Faults(Clock()), "nova", "host")):
        db.one(BY_NAME, name="hunter2")
        with pytest.raises(IntegrityError), db.transaction() as tx:
            tx.insert(things, name="a")
    first, second = recorder.facts()
    assert (first.kind, first.name, first.attributes) == (
        "db", "SELECT things", {"database": "test", "verb": "SELECT", "tables": ("things",)},
    )  # fmt: skip
    assert first.end is not None
    assert second.attributes["error"] == "IntegrityError"
