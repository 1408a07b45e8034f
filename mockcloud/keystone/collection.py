"""Keystone's plain resources, declared: list, show, create, update and delete of a table's rows."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import JSON, Table, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query

Hook = Callable[[Context, Transaction, Row], None]
Coroutine = Callable[..., Awaitable[Any]]
COMPARATORS = ("contains", "icontains", "startswith", "istartswith", "endswith", "iendswith")
PAGING = ("limit", "marker", "sort_key", "sort_dir")


def _named_twice(row: Row) -> str:
    where = f" at domain ID {row['domain_id']}" if row.get("domain_id") else ""
    return f"Duplicate entry found with name {row.get('name')}{where}"


def _no_filters(ctx: Context, query: Query) -> list[Any]:
    return []


@dataclass(frozen=True)
class Collection:
    """`noun` is the singular in bodies, rules and messages. Attributes without a column are kept in `extra`.

    Hooks run inside the transaction, on the row as it will be: `before_create`, `before_update`, `before_delete`.
    `target` is what rules may ask of a row beside `target.<noun>.<attribute>`.
    """

    noun: str
    table: Table
    path: str  # /v3/users
    hidden: tuple[str, ...] = ("extra",)
    before_create: Hook | None = None
    before_update: Hook | None = None
    before_delete: Hook | None = None
    verbs: tuple[str, ...] = ("list", "show", "create", "update", "delete")
    defaults: dict[str, Any] = field(default_factory=dict)
    target: Callable[[Row], dict[str, Any]] = lambda row: {}
    view: Callable[[Context, Row], Json] | None = None
    filters: Callable[[Context, Query], list[Any]] = _no_filters
    named_twice: Callable[[Row], str] = _named_twice
    keeps_id: bool = False  # the client may choose the id
    rule: Callable[[str, Row], str] | None = None  # the rule of a verb, where it depends on the row

    @property
    def many(self) -> str:
        return f"{self.noun}s"

    def operations(self) -> dict[str, Coroutine]:
        made = {verb: getattr(self, f"_{verb}") for verb in self.verbs}
        return {f"{verb}_{self.many if verb == 'list' else self.noun}": call for verb, call in made.items()}

    # the operations

    async def _list(self, ctx: Context, query: Query) -> Json:
        self._allow_list(ctx, query)
        statement = select(self.table).where(*self._filters(query), *self._own_domain(ctx), *self.filters(ctx, query))
        with ctx.db.transaction() as tx:
            return self.listed(ctx, tx, statement, query)

    async def _show(self, ctx: Context, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            row = self.allowed(ctx, tx, "get", path[f"{self.noun}_id"])
        return {self.noun: self.shown(ctx, row)}

    async def _create(self, ctx: Context, body: Json) -> Json:
        given = body[self.noun]
        id_ = (given.get("id") if self.keeps_id else None) or uuid.uuid4().hex
        row = self._row({**self.defaults, **given, "id": id_})
        if "domain_id" in self.table.c and "domain_id" not in self.defaults:
            row["domain_id"] = row.get("domain_id") or ctx.domain_id or ctx.request.project_domain_id or "default"
        if "created_at" in self.table.c:
            row["created_at"] = ctx.now()
        self._allow(ctx, "create", row)
        with ctx.db.transaction() as tx:
            if self.before_create:
                self.before_create(ctx, tx, row)
            self._write(tx, insert(self.table).values(**row), row)
        return {self.noun: self.shown(ctx, row)}

    async def _update(self, ctx: Context, body: Json, **path: str) -> Json:
        given = body[self.noun]
        with ctx.db.transaction() as tx:
            old = self.allowed(ctx, tx, "update", path[f"{self.noun}_id"])
            _refuse_moves(old, given)
            if _is_immutable(old) and given.get("options", {}).get("immutable", True):
                raise self._immutable(old, "update")
            row = old | self._row(given | {"id": old["id"]}, extra=dict(old.get("extra") or {}))
            if "options" in given:
                options = {**old["options"], **given["options"]}
                row["options"] = {name: value for name, value in options.items() if value is not None}
            if self.before_update:
                self.before_update(ctx, tx, row)
            self._write(tx, update(self.table).where(self.table.c.id == old["id"]).values(**row), row)
        return {self.noun: self.shown(ctx, row)}

    async def _delete(self, ctx: Context, **path: str) -> None:
        with ctx.db.transaction() as tx:
            row = self.allowed(ctx, tx, "delete", path[f"{self.noun}_id"])
            if _is_immutable(row):
                raise self._immutable(row, "delete")
            if self.before_delete:
                self.before_delete(ctx, tx, row)
            tx.execute(delete(self.table).where(self.table.c.id == row["id"]))

    # their parts

    def find(self, tx: Transaction, id_: str) -> Row:
        row = tx.one(select(self.table).where(self.table.c.id == id_))
        if row is None:
            raise NotFound(f"Could not find {self.noun}: {id_}.")
        return row

    def allowed(self, ctx: Context, tx: Transaction, verb: str, id_: str) -> Row:
        """The row, if the caller may do that to it; who may not hears 403 also of what is not there."""
        row = tx.one(select(self.table).where(self.table.c.id == id_))
        self._allow(ctx, verb, row or {})
        return row or self.find(tx, id_)

    def listed(self, ctx: Context, tx: Transaction, statement: Any, query: Query, path: str = "") -> Json:
        """A page of the rows, as keystone links it."""
        limit = query.get("limit")
        try:
            rows, more = page(tx, statement, self.table, key="id", sort=[], marker=query.get("marker"), limit=limit)
        except MarkerNotFound as error:
            raise NotFound(f"Marker {error.marker} could not be found.") from error
        url, asked = ctx.url(path or self.path), _asked(query)
        links: Json = {"self": url + (f"?{urlencode(asked)}" if asked else ""), "previous": None, "next": None}
        found: Json = {self.many: [self.shown(ctx, row) for row in rows], "links": links}
        if more:
            behind = [pair for pair in asked if pair[0] not in ("marker", "limit")]
            links["next"] = f"{url}?{urlencode([*behind, ('marker', rows[-1]['id']), ('limit', limit)])}"
            found["truncated"] = True
        return found

    def shown(self, ctx: Context, row: Row) -> Json:
        if self.view is not None:
            return self.view(ctx, row)
        shown = {**(row.get("extra") or {}), **{name: value for name, value in row.items() if name not in self.hidden}}
        return shown | {"links": {"self": ctx.url(f"{self.path}/{row['id']}")}}

    def target_of(self, row: Row) -> dict[str, Any]:
        """What rules may ask of the row. Only what has a value: None would equal a missing scope."""
        own = {f"target.{self.noun}.{name}": value for name, value in row.items() if isinstance(value, str)}
        return own | (self.target(row) if row else {})

    def _allow(self, ctx: Context, verb: str, row: Row) -> None:
        name = self.rule(verb, row) if self.rule else f"{verb}_{self.noun}"
        ctx.enforce(f"identity:{name}", self.target_of(row))

    def _allow_list(self, ctx: Context, query: Query) -> None:
        """A domain's reader may list, and sees his own domain."""
        name = self.rule("list", query) if self.rule else f"list_{self.many}"
        domain = ctx.domain_id
        known = ("target.domain_id", "target.domain.id", f"target.{self.noun}.domain_id")
        ctx.enforce(f"identity:{name}", dict.fromkeys(known, domain) if domain else {})

    def _own_domain(self, ctx: Context) -> list[Any]:
        if not ctx.domain_id or "domain_id" not in self.table.c or self.table.c.domain_id.nullable:
            return []
        return [self.table.c.domain_id == ctx.domain_id]

    def _row(self, given: dict[str, Any], extra: dict[str, Any] | None = None) -> Row:
        """Known attributes as columns, the others in `extra`, as keystone keeps them."""
        row = {name: value for name, value in given.items() if name in self.table.c and name != "extra"}
        others = (extra or {}) | {name: value for name, value in given.items() if name not in self.table.c and name != "links"}
        if "description" in row and row["description"] is None and not self.table.c.description.nullable:
            row["description"] = ""
        if "extra" in self.table.c:
            row["extra"] = others
        return row

    def _write(self, tx: Transaction, statement: Any, row: Row) -> None:
        try:
            tx.execute(statement)
        except IntegrityError as error:
            raise Conflict(f"Conflict occurred attempting to store {self.noun} - {self.named_twice(row)}.") from error

    def _immutable(self, row: Row, verb: str) -> Forbidden:
        return Forbidden(f'Unable to {verb} immutable {self.noun} resource: `{row["id"]}. Set resource option "immutable" to false first.')

    def _filters(self, query: Query) -> list[Any]:
        columns = {column.name for column in self.table.c if not isinstance(column.type, JSON)} - set(PAGING)
        found = [self.table.c[name] == value for name, value in query.items() if name in columns]
        for name, values in query.extra.items():
            column, _, comparator = name.partition("__")
            if column in self.table.c and comparator in COMPARATORS:
                found.append(or_(*(_compared(self.table.c[column], comparator, value) for value in values)))
        return found


def _refuse_moves(old: Row, given: Json) -> None:
    if given.get("id") is not None and given["id"] != old["id"]:
        raise BadRequest("Cannot change ID")
    if "domain_id" in given and given["domain_id"] != old.get("domain_id"):
        raise BadRequest("Cannot change Domain ID")


def _is_immutable(row: Row) -> bool:
    return bool((row.get("options") or {}).get("immutable"))


def _asked(query: Query) -> list[tuple[str, Any]]:
    known = [(name, str(value).lower() if isinstance(value, bool) else value) for name, value in query.items()]
    return known + [(name, value) for name, values in query.extra.items() for value in values]


def _compared(column: Any, comparator: str, value: str) -> Any:
    return getattr(column, comparator)(value, autoescape=True)
