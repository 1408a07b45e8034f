"""Transactions and their rows."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import JSON, Column, DateTime, ForeignKey, Integer, MetaData, String, Table, select, update
from sqlalchemy.exc import IntegrityError

from mockcloud.clock import Clock
from mockcloud.db.engine import Database
from mockcloud.faults import Faults
from mockcloud.trace import Recorder, Scope, within

metadata = MetaData()
things = Table(
    "things", metadata, Column("id", Integer, primary_key=True), Column("name", String(20), unique=True), Column("made", DateTime),
    Column("data", JSON),
)  # fmt: skip
parts = Table("parts", metadata, Column("id", Integer, primary_key=True), Column("thing_id", ForeignKey("things.id"), nullable=False))

late_parts = Table(
    "late_parts", metadata, Column("id", Integer, primary_key=True),
    Column("thing_id", ForeignKey("things.id", deferrable=True, initially="DEFERRED"), nullable=False),
)  # fmt: skip


@pytest.fixture(params=["memory", "file"])
def db(request, tmp_path):
    made = Database("test", metadata, "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/test.db")
    yield made
    made.close()


def names(db: Database) -> list[str]:
    return [row["name"] for row in db.all(select(things).order_by(things.c.id))]


def test_a_transaction_commits_when_it_returns_and_rolls_back_when_it_raises(db):
    with db.transaction() as tx:
        tx.insert(things, name="kept")
    with pytest.raises(RuntimeError), db.transaction() as tx:
        tx.insert(things, name="lost")
        assert tx.scalar(select(things.c.name).where(things.c.name == "lost")) == "lost"
        raise RuntimeError
    assert names(db) == ["kept"]


def test_a_cancelled_transaction_leaves_nothing(db):
    with pytest.raises(asyncio.CancelledError), db.transaction() as tx:
        tx.insert(things, name="lost")
        raise asyncio.CancelledError
    assert names(db) == []


def test_a_commit_that_is_refused_leaves_nothing_and_the_database_usable(db):
    with pytest.raises(Exception, match="FOREIGN KEY"), db.transaction() as tx:
        tx.insert(things, name="lost")
        tx.insert(late_parts, thing_id=99)  # refused only when it is committed
    assert names(db) == []
    with db.transaction() as tx:
        tx.insert(things, name="kept")
    assert names(db) == ["kept"]


def test_committed_transactions_are_counted(db):
    before = db.commits
    with db.transaction() as tx:
        tx.insert(things, name="a")
    with pytest.raises(RuntimeError), db.transaction():
        raise RuntimeError
    names(db)
    assert db.commits == before + 1


def test_an_insert_gives_its_key_and_a_write_the_number_of_its_rows(db):
    with db.transaction() as tx:
        first, second = tx.insert(things, name="a"), tx.insert(things, name="b")
        assert second == first + 1
        assert tx.execute(update(things).where(things.c.name == "a").values(name="c")) == 1
        assert tx.execute(update(things).where(things.c.name == "a").values(name="d")) == 0


def test_rows_are_plain_dictionaries_with_their_own_types(db):
    made = {"id": 1, "name": "a", "made": datetime(2026, 1, 2, 3, 4, 5, 678), "data": {"list": [1, None, "ü"]}}
    with db.transaction() as tx:
        tx.insert(things, **made)
    row = db.one(select(things))
    assert row == made
    assert type(row) is dict
    assert {type(name) for name in row} == {str}
    assert db.one(select(things).where(things.c.id == 2)) is None
    assert db.scalar(select(things.c.id).where(things.c.id == 2)) is None


def test_constraints_hold(db):
    with db.transaction() as tx:
        tx.insert(things, name="a")
    with pytest.raises(IntegrityError), db.transaction() as tx:
        tx.insert(things, name="a")
    with pytest.raises(IntegrityError), db.transaction() as tx:
        tx.insert(parts, thing_id=99)


def test_two_databases_in_memory_know_nothing_of_each_other():
    one, two = Database("one", metadata), Database("two", metadata)
    with one.transaction() as tx:
        tx.insert(things, name="a")
    assert (names(one), names(two)) == (["a"], [])
    one.close()
    two.close()


def test_a_file_keeps_its_rows(tmp_path):
    url = f"sqlite:///{tmp_path}/kept.db"
    first = Database("test", metadata, url)
    with first.transaction() as tx:
        tx.insert(things, name="a")
    first.close()
    second = Database("test", metadata, url)
    assert names(second) == ["a"]
    second.close()


def test_every_statement_is_a_fact_and_one_that_fails_is_ended_too(db):
    recorder = Recorder()
    with within(Scope(recorder, Faults(Clock()), "nova", "host")):
        with db.transaction() as tx:
            tx.insert(things, name="a")
            tx.execute(update(things).values(name="b"))
            tx.all(select(things))
        with pytest.raises(IntegrityError), db.transaction() as tx:
            tx.insert(things, name="b")
    assert [(fact.kind, fact.name, fact.attributes.get("rows")) for fact in recorder.facts()] == [
        ("db", "INSERT things", 1), ("db", "UPDATE things", 1), ("db", "SELECT things", None), ("db", "INSERT things", 0),
    ]  # fmt: skip
    assert [fact.attributes["database"] for fact in recorder.facts()] == ["test"] * 4
    assert all(fact.end is not None for fact in recorder.facts())
    assert [fact.attributes.get("error") for fact in recorder.facts()] == [None, None, None, "IntegrityError"]


def test_the_values_of_a_statement_are_no_part_of_its_fact(db):
    recorder = Recorder()
    with within(Scope(recorder, Faults(Clock()), "nova", "host")), db.transaction() as tx:
        tx.insert(things, name="hunter2")
    assert "hunter2" not in str([fact.to_dict() for fact in recorder.facts()])


beside = MetaData(schema="api")
requests = Table("requests", beside, Column("id", Integer, primary_key=True), Column("name", String(20)))


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_database_beside_it_shares_its_transactions_and_has_its_own_name_in_the_facts(kind, tmp_path):
    url = "sqlite://" if kind == "memory" else f"sqlite:///{tmp_path}/nova.db"
    database, recorder = Database("nova", metadata, url, (beside,)), Recorder()
    with within(Scope(recorder, Faults(Clock()), "nova", "controller")):
        with pytest.raises(ValueError, match="no"), database.transaction() as tx:
            assert tx.knows(things)
            assert tx.knows(requests)
            tx.insert(things, name="a")
            tx.insert(requests, name="a")
            raise ValueError("no")
        assert [database.all(select(table)) for table in (things, requests)] == [[], []]
    assert {(fact.name, fact.attributes["database"]) for fact in recorder.facts()} == {
        ("INSERT things", "nova"), ("INSERT requests", "api"), ("SELECT things", "nova"), ("SELECT requests", "api"),
    }  # fmt: skip
    assert not Database("nova", metadata)._statements.knows(requests)
    assert (tmp_path / "api.db").exists() is (kind == "file")
    database.clear()
