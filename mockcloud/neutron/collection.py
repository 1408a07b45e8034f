"""Neutron's plain resources, declared: list, show, create (also in bulk), update, delete.

Every list filters by any attribute, selects `fields`, sorts and pages, as neutron does for all alike.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Table, bindparam, delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden, NotFound
from mockcloud.http.paging import MarkerNotFound
from mockcloud.http.reply import Json, Query
from mockcloud.neutron import access, listing
from mockcloud.neutron.listing import attribute_of, column_of

Hook = Callable[[Context, Transaction, Row], None]
ChangeHook = Callable[[Context, Transaction, Row, Row], None]  # old, new
Coroutine = Callable[..., Awaitable[Any]]
T = TypeVar("T")

UNSET: Any = type("Unset", (), {"__repr__": lambda self: "UNSET"})()  # not asked for, where null means something else
TRIES = 10
TIMES = {"created_at", "updated_at"}
OWN_COLUMNS = ("id", "project_id", "created_at", "updated_at", "revision_number")


def repeated(act: Callable[[], T]) -> T:
    """`act` is a whole transaction: where another took the same address, MAC or name first, it chooses anew."""
    for _ in range(TRIES - 1):
        try:
            return act()
        except IntegrityError:
            continue
    return act()


@dataclass(frozen=True)
class Collection:
    """`guarded` attributes have policy rules of their own (`create_port:binding:host_id`); `hidden` ones are shown only to
    those whom `get_<noun>:<attribute>` allows. Hooks run in the transaction, on rows by column name."""

    noun: str
    table: Table
    path: str
    kind: str  # in exception names: PortNotFound
    sentence: str  # "Port {id} could not be found."
    plural: str = ""
    guarded: Sequence[str] = ()
    hidden: Sequence[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)  # beside the columns' own
    before_create: Hook | None = None
    after_create: Hook | None = None
    before_update: ChangeHook | None = None
    before_delete: Hook | None = None
    after_commit: Callable[[Context, Row | None, Row | None], None] | None = None  # old, new; None: not there
    more: Callable[[Context, Transaction, list[Json]], None] | None = None  # adds to the views of several rows
    adds: Sequence[str] | None = None  # all that `more` touches, where that is known: who asks for none of it waits for none of it
    target: Callable[[Transaction, Row], dict[str, Any]] = lambda tx, row: {}  # what rules ask of a row's parents
    visible: Callable[[Context, Table], Any] | None = None  # others' rows that are listed, too
    filters: listing.Filters = field(default_factory=dict)
    verbs: Sequence[str] = ("list", "show", "create", "update", "delete")

    @property
    def many(self) -> str:
        return self.plural or f"{self.noun}s"

    def operations(self) -> dict[str, Coroutine]:
        return {f"{verb}_{self.many if verb == 'list' else self.noun}": getattr(self, f"_{verb}") for verb in self.verbs}

    # operations

    async def _list(self, ctx: Context, query: Query) -> Json:
        chosen = self._chosen(query.get("fields")) or self.table.c
        statement = select(*chosen).where(self._seen_by(ctx), *listing.conditions(self.table, query, self.filters))
        with ctx.db.transaction() as tx:
            try:
                rows = listing.rows_of_page(tx, self.table, statement, query)
            except MarkerNotFound as error:
                raise self.not_found(error.marker) from error
            views = self.views(ctx, tx, rows, query.get("fields"))
        links = listing.links(ctx.url(self.path), query, rows)
        return {self.many: views} | ({f"{self.many}_links": links} if links else {})

    async def _show(self, ctx: Context, query: Query, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            row = self.find(ctx, tx, path[f"{self.noun}_id"])
            return {self.noun: self.views(ctx, tx, [row], query.get("fields"))[0]}

    async def _create(self, ctx: Context, body: Json) -> Json:
        """One, or all of several."""
        bulk = self.many in body
        given = body[self.many] if bulk else [body[self.noun]]

        def make() -> tuple[list[Row], list[Json]]:
            with ctx.db.transaction() as tx:
                rows = [self.insert(ctx, tx, one) for one in given]
                return rows, self.views(ctx, tx, rows)

        await ctx.notify(f"{self.noun}.create.start", body)
        rows, views = repeated(make)
        for row in rows:
            self._tell(ctx, None, row)
        made = {self.many: views} if bulk else {self.noun: views[0]}
        await ctx.notify(f"{self.noun}.create.end", made)
        return made

    async def _update(self, ctx: Context, body: Json, **path: str) -> Json:
        def change() -> tuple[Row, Row, Json]:
            with ctx.db.transaction() as tx:
                old = self.find(ctx, tx, path[f"{self.noun}_id"])
                new = self.change(ctx, tx, old, body[self.noun])
                return old, new, self.views(ctx, tx, [new])[0]

        await ctx.notify(f"{self.noun}.update.start", body | {"id": path[f"{self.noun}_id"]})
        old, new, view = repeated(change)
        self._tell(ctx, old, new)
        await ctx.notify(f"{self.noun}.update.end", {self.noun: view})
        return {self.noun: view}

    async def _delete(self, ctx: Context, **path: str) -> None:
        about = {f"{self.noun}_id": path[f"{self.noun}_id"]}
        await ctx.notify(f"{self.noun}.delete.start", about)
        with ctx.db.transaction() as tx:
            row = self.find(ctx, tx, path[f"{self.noun}_id"])
            access.enforce(ctx, f"delete_{self.noun}", self._target(tx, row))
            (view,) = self.views(ctx, tx, [row])
            self.remove(ctx, tx, row)
        self._tell(ctx, row, None)
        await ctx.notify(f"{self.noun}.delete.end", about | {self.noun: view})

    def _tell(self, ctx: Context, old: Row | None, new: Row | None) -> None:
        if self.after_commit:
            self.after_commit(ctx, old, new)

    # parts, also for the resources' own rules

    def find(self, ctx: Context, tx: Transaction, id_: str) -> Row:
        """404 for what is not there and for what the caller may not see."""
        row = tx.one(_by_id(self.table), id=id_)
        if row is None or not self._sees(ctx, tx, row):
            raise self.not_found(id_)
        return row

    def not_found(self, id_: str) -> NotFound:
        return NotFound(self.sentence.format(id=id_), type=f"{self.kind}NotFound")

    def insert(self, ctx: Context, tx: Transaction, given: Json, *, allowed: bool = False) -> Row:
        """A new row from the attributes of a request; `allowed`: one of neutron's own making, which no rule is asked about."""
        given = dict(given)
        named = [given.pop(name, None) for name in ("project_id", "tenant_id")]
        project = next((one for one in named if one is not None), ctx.project_id)
        now = ctx.now()
        row: Row = {"id": str(uuid.uuid4()), "project_id": project, "created_at": now, "updated_at": now, "revision_number": 1}
        row |= self._defaults() | self._columns(given)
        if not allowed:
            if project != ctx.project_id and not ctx.can("context_is_admin"):
                raise Forbidden(NOT_YOURS, type="HTTPForbidden")
            asked = [name for name in given if given[name] is not None and row[column_of(name)] != self._default(name)]
            access.enforce(ctx, f"create_{self.noun}", self._target(tx, row), self._guarded(given, asked))
        if self.before_create:
            self.before_create(ctx, tx, row)
        tx.insert(self.table, **{name: value for name, value in row.items() if name in self.table.c})
        if self.after_create:
            self.after_create(ctx, tx, row)
        return row

    def change(self, ctx: Context, tx: Transaction, old: Row, given: Json) -> Row:
        new = old | self._columns(given)
        access.enforce(ctx, f"update_{self.noun}", self._target(tx, new), self._guarded(given, given))
        if self.before_update:
            self.before_update(ctx, tx, old, new)
        return new | self.store(ctx, tx, old, {name: new[name] for name in new if name in self.table.c and new[name] != old[name]})

    def store(self, ctx: Context, tx: Transaction, row: Row, changes: Row) -> Row:
        values = changes | {"updated_at": ctx.now(), "revision_number": row["revision_number"] + 1}
        tx.execute(update(self.table).where(self.table.c.id == row["id"]).values(**values))
        return values

    def remove(self, ctx: Context, tx: Transaction, row: Row) -> None:
        if self.before_delete:
            self.before_delete(ctx, tx, row)
        tx.execute(delete(self.table).where(self.table.c.id == row["id"]))

    def change_tags(self, ctx: Context, id_: str, change: Callable[[list[str]], list[str]]) -> None:
        """Changes the tags, which has no rule but the resource's own."""
        with ctx.db.transaction() as tx:
            row = self.find(ctx, tx, id_)
            access.enforce(ctx, f"update_{self.noun}", self._target(tx, row), {"tags": None})
            self.store(ctx, tx, row, {"tags": change(row["tags"])})

    def views(self, ctx: Context, tx: Transaction, rows: list[Row], fields: list[str] | None = None) -> list[Json]:
        views = [self._view(row) for row in rows]
        if self.more and views and not self._chosen(fields):
            self.more(ctx, tx, views)
        unseen = [n for n in self.hidden if rows and not ctx.can(f"get_{self.noun}:{n}", {"project_id": ctx.project_id})]
        for view in views:
            for name in unseen:
                view.pop(name, None)
        return [{name: view[name] for name in fields if name in view} for view in views] if fields else views

    def _view(self, row: Row) -> Json:
        view = {attribute_of(name): value for name, value in row.items() if name in self.table.c}
        for name in TIMES & view.keys():
            view[name] = isotime(view[name])
        if "project_id" in view:
            view["tenant_id"] = view["project_id"]
        return view

    def _chosen(self, fields: list[str] | None) -> list[Any] | None:
        """The columns of a view whose fields are columns and no more, with the id that links need; None: the whole row."""
        names = {column_of(field) for field in fields or ()}
        if not names or self.adds is None or not names <= set(self.table.c.keys()) - set(self.adds):
            return None
        return [column for column in self.table.c if column.name in names or column.name == "id"]

    # values

    def _defaults(self) -> Row:
        # SQLAlchemy's own kind of str is no key for JSON
        names = [str.__str__(column.name) for column in self.table.c if column.name not in OWN_COLUMNS]
        return {name: self._default(name) for name in names} | dict(self.defaults)

    def _default(self, attribute: str) -> Any:
        name = column_of(attribute)
        if name in self.defaults or name not in self.table.c:
            return self.defaults.get(name)
        default = self.table.c[name].default
        if default is None:
            return None
        return default.arg(None) if callable(default.arg) else default.arg  # type: ignore[attr-defined]

    def _columns(self, given: Json) -> Row:
        """By column name, each value as its column has it: neutron takes "true" for true and "4" for 4."""
        found: Row = {}
        for name, value in given.items():
            column = column_of(name)
            kind = str(self.table.c[column].type) if column in self.table.c else ""
            if kind == "BOOLEAN" and value is not None:
                value = str(value).lower() in ("true", "1")
            elif kind == "INTEGER" and isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 12:
                value = int(value)
            found[column] = value
        return found

    # who may

    def _seen_by(self, ctx: Context) -> Any:
        if ctx.can("context_is_admin") or ctx.can("service_api"):
            return self.table.c.id.is_not(None)
        own = self.table.c.project_id == ctx.project_id
        return own if self.visible is None else or_(own, self.visible(ctx, self.table))

    def _sees(self, ctx: Context, tx: Transaction, row: Row) -> bool:
        """Parents are looked at only where the row itself does not do."""
        rule = f"get_{self.noun}"
        return ctx.can(rule, self._shown(row)) or ctx.can(rule, self._target(tx, row))

    def _guarded(self, given: Json, asked: Any) -> dict[str, Any]:
        return {name: given[name] for name in self.guarded if name in asked}

    def _shown(self, row: Row) -> dict[str, Any]:
        shown = {attribute_of(name): value for name, value in row.items() if value is not None and value is not UNSET}
        return shown | {"tenant_id": row["project_id"]}

    def _target(self, tx: Transaction, row: Row) -> dict[str, Any]:
        return self._shown(row) | self.target(tx, row)


@functools.cache
def _by_id(table: Table) -> Prepared:
    return Prepared(select(table).where(table.c.id == bindparam("id")))


def isotime(when: datetime) -> str:
    return when.isoformat(timespec="seconds") + "Z"


NOT_YOURS = "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges"
