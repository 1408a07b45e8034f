"""Reads that are built once: SQLAlchemy writes their SQL and knows their types, and is out of the way when they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Select
from sqlalchemy.types import TypeEngine

Process = Callable[[Any], Any]


class Prepared:
    """A SELECT with `bindparam("name")` where a value comes; the value is given as `name=value` when it runs.

    `by_id = Prepared(select(users).where(users.c.id == bindparam("id")))`, then `tx.one(by_id, id=user_id)`: a tenth of what
    it costs to build the same statement anew. There is no room for lists (`in_`) of changing length.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement

    def plan(self, dialect: Dialect) -> Plan:
        """Raises ValueError for a statement that has to be written anew for its values."""
        compiled = self._statement.compile(dialect=dialect)
        if any(parameter.expanding for parameter in compiled.binds.values()):
            raise ValueError("a list of changing length cannot be prepared")
        binds = {name: parameter.type.dialect_impl(dialect).bind_processor(dialect) for name, parameter in compiled.binds.items()}
        fixed = {name: parameter.value for name, parameter in compiled.binds.items() if not parameter.required}
        return Plan(
            compiled.string,
            fixed,
            {name: process for name, process in binds.items() if process is not None},
            tuple(compiled.positiontup or ()) if compiled.positional else None,
            {str.__str__(column.key): column.type.dialect_impl(dialect) for column in self._statement.selected_columns},
            dialect,
        )


@dataclass(slots=True)
class Plan:
    """A prepared statement for one kind of database."""

    sql: str
    fixed: dict[str, Any]  # parameters that have their values already
    binds: dict[str, Process]  # what turns a parameter into the driver's kind of value, where anything has to
    order: tuple[str, ...] | None  # of the parameters; None where the driver takes them by name
    columns: dict[str, TypeEngine[Any]]
    dialect: Dialect
    results: list[tuple[str, Process]] | None = None  # known when the driver has said what comes

    def parameters(self, values: dict[str, Any]) -> Any:
        """As the driver takes them. Raises KeyError for one that is missing."""
        given = self.fixed | values
        for name in self.binds.keys() & given.keys():
            given[name] = self.binds[name](given[name])
        return given if self.order is None else [given[name] for name in self.order]

    def rows(self, found: Sequence[Sequence[Any]], description: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """`found` as the cursor gave it, and its `description`."""
        if (results := self.results) is None:
            results = self.results = self._results(description)
        rows = [dict(zip(self.columns, values, strict=True)) for values in found]
        for name, process in results:
            for row in rows:
                row[name] = process(row[name])
        return rows

    def _results(self, description: Sequence[Sequence[Any]]) -> list[tuple[str, Process]]:
        made = {
            name: kind.result_processor(self.dialect, came[1]) for (name, kind), came in zip(self.columns.items(), description, strict=True)
        }
        return [(name, process) for name, process in made.items() if process is not None]
