"""Pages of a list by marker and limit."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select

from mockcloud.db.engine import Database
from mockcloud.http.paging import MarkerNotFound, page

metadata = MetaData()
things = Table(
    "things", metadata, Column("id", String(10), primary_key=True), Column("size", Integer), Column("name", String(10), nullable=False)
)


@pytest.fixture
def db():
    made = Database("test", metadata)
    rows = [(f"id{n}", n % 3 or None, f"name{n % 4}") for n in range(20)]
    random.Random(1).shuffle(rows)
    with made.transaction() as tx:
        for identifier, size, name in rows:
            tx.insert(things, id=identifier, size=size, name=name)
    yield made
    made.close()


SORTS = [
    (("size", "asc"),),
    (("size", "desc"),),
    (("name", "asc"), ("size", "desc")),
    (("size", "asc"), ("name", "desc"), ("id", "desc")),
    (("id", "asc"),),
]


def ids(rows) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("sort", SORTS, ids=str)
@pytest.mark.parametrize("limit", [1, 3, 7, 19, 20, 50])
def test_the_pages_together_are_the_list(db, sort, limit):
    with db.transaction() as tx:
        whole, more = page(tx, select(things), things, key="id", sort=sort)
        assert (len(whole), more) == (20, False)
        collected, marker, more = [], None, True
        while more:
            rows, more = page(tx, select(things), things, key="id", sort=sort, marker=marker, limit=limit)
            collected += rows
            marker = rows[-1]["id"]
    assert ids(collected) == ids(whole)


@pytest.mark.parametrize("sort", SORTS, ids=str)
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_the_page_before_a_marker_is_the_one_that_leads_to_it(db, sort, limit):
    with db.transaction() as tx:
        whole = ids(page(tx, select(things), things, key="id", sort=sort)[0])
        for at in (0, 1, 5, 19):
            rows, more = page(tx, select(things), things, key="id", sort=sort, marker=whole[at], limit=limit, reverse=True)
            assert ids(rows) == whole[max(0, at - limit) : at]
            assert more == (at - limit > 0)


def test_what_has_no_value_comes_first_ascending_and_last_descending(db):
    with db.transaction() as tx:
        for direction, first in (("asc", True), ("desc", False)):
            rows, _ = page(tx, select(things), things, key="id", sort=[("size", direction)])
            missing = [row["size"] is None for row in rows]
            assert missing == sorted(missing, reverse=first)


def test_a_marker_that_is_not_in_this_list_is_refused(db):
    small = select(things).where(things.c.size == 1)
    with db.transaction() as tx:
        with pytest.raises(MarkerNotFound, match="nothing"):
            page(tx, small, things, key="id", marker="nothing")
        with pytest.raises(MarkerNotFound, match="id2"):
            page(tx, small, things, key="id", marker="id2")


def test_a_limit_of_nothing_gives_nothing_and_says_that_more_follows(db):
    with db.transaction() as tx:
        assert page(tx, select(things), things, key="id", sort=SORTS[0], limit=0) == ([], True)
