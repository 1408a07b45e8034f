"""Reads that are built once: SQLAlchemy writes their SQL and knows their types, and is out of the way when they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Select

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
        results = {
            str.__str__(column.key): column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in self._statement.selected_columns
        }
        return Plan(
            compiled.string,
            fixed,
            {name: process for name, process in binds.items() if process is not None},
            tuple(compiled.positiontup or ()) if compiled.positional else None,
            tuple(results),
            [(name, process) for name, process in results.items() if process is not None],
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A prepared statement for one kind of database."""

    sql: str
    fixed: dict[str, Any]  # parameters that have their values already
    binds: dict[str, Process]  # what turns a parameter into the driver's kind of value, where anything has to
    order: tuple[str, ...] | None  # of the parameters; None where the driver takes them by name
    columns: tuple[str, ...]
    results: list[tuple[str, Process]]

    def parameters(self, values: dict[str, Any]) -> Any:
        """As the driver takes them. Raises KeyError for one that is missing."""
        given = self.fixed | values
        for name in self.binds.keys() & given.keys():
            given[name] = self.binds[name](given[name])
        return given if self.order is None else [given[name] for name in self.order]

    def row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        made = dict(zip(self.columns, values, strict=True))
        for name, process in self.results:
            made[name] = process(made[name])
        return made
