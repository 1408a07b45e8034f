"""Keystone's plain resources, declared: list, show, create, update and delete of a table's rows."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, Forbidden, NotFound
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query

Hook = Callable[[Context, Transaction, Row], None]
Coroutine = Callable[..., Awaitable[Any]]
COMPARATORS = ("contains", "icontains", "startswith", "istartswith", "endswith", "iendswith")


@dataclass(frozen=True)
class Collection:
    """`noun` is the singular in bodies and rules, `kind` the word in messages. Columns outside `columns` go to `extra`.

    Hooks run inside the transaction, on the row as it will be: `before_create`, `before_update`, `before_delete`.
    """

    noun: str
    table: Table
    path: str  # /v3/users
    kind: str = ""
    plural: str = ""
    key: str = ""  # the path parameter; default <noun>_id
    hidden: tuple[str, ...] = ("extra",)
    before_create: Hook | None = None
    before_update: Hook | None = None
    before_delete: Hook | None = None
    verbs: tuple[str, ...] = ("list", "show", "create", "update", "delete")
    defaults: dict[str, Any] = field(default_factory=dict)
    target: Callable[[Row], dict[str, Any]] = lambda row: {}
    view: Callable[[Context, Row], Json] | None = None
    name_unique_in_domain: bool = True

    @property
    def many(self) -> str:
        return self.plural or f"{self.noun}s"

    @property
    def _kind(self) -> str:
        return self.kind or self.noun

    def operations(self) -> dict[str, Coroutine]:
        made = {verb: getattr(self, f"_{verb}") for verb in self.verbs}
        return {f"{verb}_{self.many if verb == 'list' else self.noun}": call for verb, call in made.items()}

    # the operations

    async def _list(self, ctx: Context, query: Query) -> Json:
        self._allow(ctx, "list", {"domain_id": query.get("domain_id") or ctx.domain_id or None})
        statement = select(self.table).where(*self._filters(query))
        limit = query.get("limit")
        with ctx.db.transaction() as tx:
            try:
                rows, more = page(tx, statement, self.table, key="id", sort=[], marker=query.get("marker"), limit=limit)
            except MarkerNotFound as error:
                raise NotFound(f"Marker could not be found: {error.marker}") from error
        links: Json = {"self": ctx.url(self.path), "previous": None, "next": None}
        if more:
            links["next"] = f"{ctx.url(self.path)}?marker={rows[-1]['id']}&limit={limit}"
        return {self.many: [self.shown(ctx, row) for row in rows], "links": links}

    async def _show(self, ctx: Context, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            row = self.find(tx, self._id(path))
        self._allow(ctx, "get", self._target(row))
        return {self.noun: self.shown(ctx, row)}

    async def _create(self, ctx: Context, body: Json) -> Json:
        given = dict(body[self.noun])
        row = self._row({"id": uuid.uuid4().hex, **self.defaults, **given})
        if "domain_id" in self.table.c and row.get("domain_id") is None and self.defaults.get("domain_id", "") is not None:
            row["domain_id"] = ctx.domain_id or ctx.request.project_domain_id or "default"
        if "created_at" in self.table.c:
            row["created_at"] = ctx.now()
        self._allow(ctx, "create", self._target(row))
        with ctx.db.transaction() as tx:
            if self.before_create:
                self.before_create(ctx, tx, row)
            self._write(tx, insert(self.table).values(**row), row)
        return {self.noun: self.shown(ctx, row)}

    async def _update(self, ctx: Context, body: Json, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            old = self.find(tx, self._id(path))
            self._allow(ctx, "update", self._target(old))
            row = old | self._row(body[self.noun] | {"id": old["id"]}, extra=dict(old.get("extra") or {}))
            if self.before_update:
                self.before_update(ctx, tx, row)
            self._write(tx, update(self.table).where(self.table.c.id == old["id"]).values(**row), row)
        return {self.noun: self.shown(ctx, row)}

    async def _delete(self, ctx: Context, **path: str) -> None:
        with ctx.db.transaction() as tx:
            row = self.find(tx, self._id(path))
            self._allow(ctx, "delete", self._target(row))
            if self.before_delete:
                self.before_delete(ctx, tx, row)
            tx.execute(delete(self.table).where(self.table.c.id == row["id"]))

    # their parts

    def find(self, tx: Transaction, id_: str) -> Row:
        row = tx.one(select(self.table).where(self.table.c.id == id_))
        if row is None:
            raise NotFound(f"Could not find {self._kind}: {id_}.")
        return row

    def shown(self, ctx: Context, row: Row) -> Json:
        if self.view is not None:
            return self.view(ctx, row)
        shown = {**(row.get("extra") or {}), **{name: value for name, value in row.items() if name not in self.hidden}}
        return shown | {"links": {"self": ctx.url(f"{self.path}/{row['id']}")}}

    def _id(self, path: dict[str, str]) -> str:
        return path[self.key or f"{self.noun}_id"]

    def _target(self, row: Row) -> dict[str, Any]:
        own = {f"target.{self.noun}.{name}": value for name, value in row.items() if isinstance(value, str) or value is None}
        return {**own, "user_id": row.get("user_id"), "domain_id": row.get("domain_id"), **self.target(row)}

    def _allow(self, ctx: Context, verb: str, target: dict[str, Any]) -> None:
        rule = f"identity:{verb}_{self.many if verb == 'list' else self.noun}"
        if verb == "list":
            target = {f"target.{name}": value for name, value in target.items()}
        target = {name: value for name, value in target.items() if value is not None}  # None would equal a missing scope
        if not ctx.can(rule, target):
            raise Forbidden(f"You are not authorized to perform the requested action: {rule}.")

    def _row(self, given: dict[str, Any], extra: dict[str, Any] | None = None) -> Row:
        """Known attributes as columns, the others in `extra`, as keystone keeps them."""
        row = {name: value for name, value in given.items() if name in self.table.c and name != "extra"}
        others = (extra or {}) | {name: value for name, value in given.items() if name not in self.table.c and name != "links"}
        if "extra" in self.table.c:
            row["extra"] = others
        return row

    def _write(self, tx: Transaction, statement: Any, row: Row) -> None:
        try:
            tx.execute(statement)
        except IntegrityError as error:
            where = f" at domain ID {row['domain_id']}" if row.get("domain_id") else ""
            raise Conflict(
                f"Conflict occurred attempting to store {self._kind} - Duplicate entry found with name {row.get('name')}{where}."
            ) from error

    def _filters(self, query: Query) -> list[Any]:
        found: list[Any] = []
        for name, value in query.items():
            if name in self.table.c and name not in ("limit", "marker", "sort_key", "sort_dir"):
                found.append(self.table.c[name] == value)
        for name, values in query.extra.items():
            column, _, comparator = name.partition("__")
            if column in self.table.c and comparator in COMPARATORS:
                found.append(or_(*(_compared(self.table.c[column], comparator, value) for value in values)))
            elif column in self.table.c and not comparator:
                found.append(and_(self.table.c[column] == values[-1]))
        return found


def _compared(column: Any, comparator: str, value: str) -> Any:
    ignore_case = comparator.startswith("i")
    call = getattr(column, {"contains": "contains", "startswith": "startswith", "endswith": "endswith"}[comparator.lstrip("i")])
    return call(value, autoescape=True) if not ignore_case else getattr(column, "i" + comparator.lstrip("i"))(value, autoescape=True)
