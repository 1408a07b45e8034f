"""One database a service: synchronous SQLAlchemy Core behind two ideas, a transaction and its rows.

The whole cloud is one event loop and a transaction never awaits, so it runs undivided: what a transaction reads stays
true until it commits. On a server database the same code is safe by its conditions and unique constraints.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, ExceptionContext, Executable, Insert, MetaData, Table, create_engine, event, insert
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateSchema

from mockcloud.db.patterns import regexp
from mockcloud.db.prepared import Plan, Prepared
from mockcloud.trace import sql_ended, sql_started

Row = dict[str, Any]


class Transaction:
    """Statements of one transaction. Rows are plain dicts by column name; `values` are for the parameters of a prepared one."""

    def __init__(self, connection: Connection, database: str, schemas: frozenset[str | None] = frozenset({None})) -> None:
        self._connection, self._database, self._schemas = connection, database, schemas
        self._plans: dict[Prepared, Plan] = {}
        self._inserts: dict[Table, Insert] = {}

    def one(self, statement: Executable | Prepared, **values: Any) -> Row | None:
        if isinstance(statement, Prepared):
            return next(iter(self._run(statement, values, 1)), None)
        result = self._connection.execute(statement)
        row = result.first()
        return None if row is None else dict(zip(_names(*result.keys()), row, strict=True))

    def all(self, statement: Executable | Prepared, **values: Any) -> list[Row]:
        if isinstance(statement, Prepared):
            return self._run(statement, values)
        result = self._connection.execute(statement)
        names = _names(*result.keys())
        return [dict(zip(names, row, strict=True)) for row in result]

    def scalar(self, statement: Executable | Prepared, **values: Any) -> Any:
        if isinstance(statement, Prepared):
            row = self.one(statement, **values)
            return None if row is None else next(iter(row.values()))
        return self._connection.execute(statement).scalar()

    def _run(self, statement: Prepared, values: Row, most: int = 0) -> list[Row]:
        """Its rows; with `most`, no more than that."""
        if (plan := self._plans.get(statement)) is None:
            plan = self._plans[statement] = statement.plan(self._connection.dialect)
        parameters = plan.parameters(values)
        fact = sql_started(self._database, plan.sql)
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute(plan.sql, parameters)
            found, description = cursor.fetchmany(most) if most else cursor.fetchall(), cursor.description
        except Exception as error:
            sql_ended(fact, 0, error)
            raise
        finally:
            cursor.close()
        sql_ended(fact, 0)
        return plan.rows(found, description)

    def knows(self, table: Table) -> bool:
        """Whether the table is in this database, or in one beside it."""
        return table.schema in self._schemas

    def execute(self, statement: Executable) -> int:
        """Runs a write; how many rows it touched."""
        return int(getattr(self._connection.execute(statement), "rowcount", 0))

    def insert(self, table: Table, **values: Any) -> Any:
        """Inserts one row; the first column of its primary key."""
        if (statement := self._inserts.get(table)) is None:
            statement = self._inserts[table] = insert(table)
        result = self._connection.execute(statement, values)
        return result.inserted_primary_key[0] if result.inserted_primary_key else None


class Database:
    """`url` is SQLAlchemy's; an in-memory SQLite lives as long as this object.

    It holds one connection, in autocommit, and says itself where a transaction begins and ends. A transaction never awaits, so
    there is never a second one beside it, and a single read needs none: a pool's checkout and reset cost more than most statements.

    `beside` are databases that its owner reads and writes in the same transactions: their metadata have them as their schema. In
    SQLite each is a file of its own.
    """

    def __init__(self, name: str, metadata: MetaData, url: str = "sqlite://", beside: tuple[MetaData, ...] = ()) -> None:
        self.name = name
        self.metadata = metadata
        self._all = (metadata, *beside)
        self.engine = _engine(url, [str(other.schema) for other in beside])
        for tables in self._all:
            tables.create_all(self.engine)
        _record_statements(self.engine, name)
        self._connection = self.engine.connect()
        self._close = weakref.finalize(self, _close, self._connection)  # also for a cloud that is never stopped
        self._statements = Transaction(self._connection, name, frozenset(tables.schema for tables in self._all))
        self.commits = 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commits on return, rolls back on raise. Never await inside it."""
        driver = self._connection.connection
        driver.cursor().execute("BEGIN")
        try:
            yield self._statements
            driver.commit()
        except BaseException:
            driver.rollback()
            raise
        self.commits += 1

    def one(self, statement: Executable | Prepared, **values: Any) -> Row | None:
        return self._statements.one(statement, **values)

    def all(self, statement: Executable | Prepared, **values: Any) -> list[Row]:
        return self._statements.all(statement, **values)

    def scalar(self, statement: Executable | Prepared, **values: Any) -> Any:
        return self._statements.scalar(statement, **values)

    def clear(self) -> None:
        """Drops every table, and is closed."""
        self._connection.close()
        for tables in self._all:
            tables.drop_all(self.engine)
        self.engine.dispose()

    def close(self) -> None:
        self._close()


@functools.lru_cache(maxsize=1024)
def _names(*keys: str) -> list[str]:
    """Column names as plain text: SQLAlchemy's own kind of str is no key for JSON."""
    return [str.__str__(name) if type(name) is str else "".join(name) for name in keys]


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _close(connection: Connection) -> None:
    connection.close()
    connection.engine.dispose()


def _engine(url: str, schemas: Sequence[str] = ()) -> Engine:
    in_memory = url in ("sqlite://", "sqlite:///:memory:")
    options: dict[str, Any] = {
        "hide_parameters": True,
        "isolation_level": "AUTOCOMMIT",
        "json_serializer": _dumps,
        "json_deserializer": orjson.loads,
    }
    if in_memory:
        options |= {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, schemas, durable=not in_memory)
        return engine
    with engine.begin() as connection:
        for schema in schemas:
            connection.execute(CreateSchema(schema, if_not_exists=True))
    return engine


def _prepare_sqlite(engine: Engine, schemas: Sequence[str], durable: bool) -> None:
    folder = Path(engine.url.database or "").parent

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.create_function("regexp", 2, regexp, deterministic=True)
        cursor = connection.cursor()
        for schema in schemas:
            cursor.execute(f'ATTACH DATABASE ? AS "{schema}"', [str(folder / f"{schema}.db") if durable else ":memory:"])
        cursor.execute("PRAGMA foreign_keys = ON")
        if durable:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()


def _record_statements(engine: Engine, database: str) -> None:
    """The database seam: every statement is a fact."""

    @event.listens_for(engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        connection.info["fact"] = sql_started(database, statement)

    @event.listens_for(engine, "after_cursor_execute")
    def after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        sql_ended(connection.info.pop("fact", None), cursor.rowcount)

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        if context.connection is not None:
            sql_ended(context.connection.info.pop("fact", None), 0, context.original_exception)
