"""Pages of a list by marker and limit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, or_

from mockcloud.db.engine import Row, Transaction

MOST = 2**31  # rows: a database counts no further


class MarkerNotFound(Exception):
    """The marker names nothing in this list."""

    def __init__(self, marker: str) -> None:
        super().__init__(marker)
        self.marker = marker


def page(
    tx: Transaction,
    stmt: Select[Any],
    table: FromClause,
    *,
    key: str,
    sort: Sequence[tuple[str, str]] = (("created_at", "desc"), ("id", "desc")),
    marker: str | None = None,
    limit: int | None = None,
    reverse: bool = False,
) -> tuple[list[Row], bool]:
    """The rows behind the row whose `key` is `marker`, and whether more follow.

    `sort` pairs a column with `asc` or `desc`; `key` is added as the last one, so that the order is total. NULLs come
    first ascending, last descending, whatever the database. `reverse` gives the page before the marker, in list order.
    """
    order = [*sort, *(() if any(name == key for name, _ in sort) else ((key, "asc"),))]
    if reverse:
        order = [(name, "asc" if direction == "desc" else "desc") for name, direction in order]
    if marker is not None:
        row = tx.one(stmt.with_only_columns(*table.c).where(table.c[key] == marker).limit(1))
        if row is None:
            raise MarkerNotFound(marker)
        stmt = stmt.where(_behind(table, order, row))
    for name, direction in order:
        stmt = stmt.order_by(*_order(table, name, direction))
    if limit is not None:
        limit = min(limit, MOST)
        stmt = stmt.limit(limit + 1)
    rows = tx.all(stmt)
    more = limit is not None and len(rows) > limit
    rows = rows[:limit] if more else rows
    return (rows[::-1] if reverse else rows), more


@functools.lru_cache(maxsize=512)
def _order(table: FromClause, name: str, direction: str) -> list[Any]:
    column = table.c[name]
    ordered = column.desc() if direction == "desc" else column.asc()
    if not column.nullable:
        return [ordered]
    return [column.is_(None).asc() if direction == "desc" else column.is_(None).desc(), ordered]


def _behind(table: FromClause, order: Sequence[tuple[str, str]], row: Row) -> ColumnElement[bool]:
    """Rows that sort after `row`: equal in the first n columns and behind it in the next."""
    choices: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for name, direction in order:
        column, value = table.c[name], row[name]
        behind: ColumnElement[bool] | None
        if value is None:
            behind = column.is_not(None) if direction == "asc" else None
        elif direction == "asc":
            behind = column > value
        else:
            behind = or_(column < value, column.is_(None)) if column.nullable else column < value
        if behind is not None:
            choices.append(and_(*equal, behind))
        equal.append(column.is_(None) if value is None else column == value)
    return or_(*choices)
