"""Patterns of users: what they match, and that none takes long."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select

from mockcloud.db.engine import Database
from mockcloud.db.patterns import BadPattern, matcher

METADATA = MetaData()
NAMES = Table("names", METADATA, Column("name", String(255)))


@pytest.mark.parametrize(
    "pattern,text,found",
    [
        ("vm", "my-vm-1", True),
        ("^vm", "my-vm", False),
        ("vm-[0-9]+$", "vm-17", True),
        ("", "anything", True),
        ("(?i)VM", "vm", True),
        (r"10\.0\.0\.\d", "10.0.0.7", True),
        ("[[a]", "a", True),
    ],
)
def test_a_pattern_is_searched_for_in_the_whole_text(pattern: str, text: str, found: bool) -> None:
    assert matcher(pattern)(text) is found


@pytest.mark.parametrize("pattern", ["(", "[", "*a", r"(a)\1", "(?=a)", "((a{200}){200}){200}", "\ud800"])
def test_what_is_no_pattern_or_would_take_too_much_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        matcher(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", ".*.*.*.*.*.*.*x", "(a?){60}a{60}b"])
def test_no_pattern_holds_the_cloud(pattern: str) -> None:
    database = Database("names", METADATA)
    with database.transaction() as tx:
        for _ in range(20):
            tx.execute(insert(NAMES).values(name="a" * 254 + "!"))
        tx.execute(insert(NAMES).values(name=None))
    began = time.monotonic()
    assert database.all(select(NAMES).where(NAMES.c.name.regexp_match(pattern))) == []
    assert time.monotonic() - began < 2
    database.close()
