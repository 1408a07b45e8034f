"""Neutron's plain resources, declared: list, show, create (also in bulk), update, delete, and tags.

Every list filters by any attribute (repeated: any of), selects `fields`, sorts and pages, as neutron does for all alike.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select, String, Table, and_, cast, delete, false, insert, or_, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden, NotFound
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query

Hook = Callable[[Context, Transaction, Row], None]
ChangeHook = Callable[[Context, Transaction, Row, Row], None]  # old, new
Coroutine = Callable[..., Awaitable[Any]]


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
    virtual: Sequence[str] = ()  # attributes that are no columns, for the hooks to read
    before_create: Hook | None = None
    after_create: Hook | None = None
    before_update: ChangeHook | None = None
    after_update: ChangeHook | None = None
    before_delete: Hook | None = None
    after_commit: Callable[[Context, Row], None] | None = None  # told of created and updated rows
    more: Callable[[Context, Transaction, list[Row]], None] | None = None  # adds to the views of several rows
    target: Callable[[Transaction, Row], dict[str, Any]] = lambda tx, row: {}
    visible: Callable[[Context, Table], Any] | None = None
    filters: dict[str, Callable[[list[str]], Any]] = field(default_factory=dict)
    verbs: Sequence[str] = ("list", "show", "create", "update", "delete")
    with_tags: bool = True

    @property
    def many(self) -> str:
        return self.plural or f"{self.noun}s"

    def operations(self) -> dict[str, Coroutine]:
        made: dict[str, Coroutine] = {}
        for verb in self.verbs:
            made[f"{verb}_{self.many if verb == 'list' else self.noun}"] = getattr(self, f"_{verb}")
        if self.with_tags:
            for name in ("list_tags", "update_tags", "delete_tags", "check_tag", "add_tag", "delete_tag"):
                verb, _, what = name.partition("_")
                made[f"{verb}_{self.noun}_{what}"] = getattr(self, f"_{name}")
        return made

    # operations

    async def _list(self, ctx: Context, query: Query) -> Json:
        statement = select(self.table).where(self._seen_by(ctx), *self._filter(query))
        with ctx.db.transaction() as tx:
            rows, more = self._page(tx, statement, query)
            views = self.views(ctx, tx, rows, query.get("fields"))
        body: Json = {self.many: views}
        if "limit" in query and query["limit"] and rows:
            body[f"{self.many}_links"] = self._links(ctx, query, rows, more)
        return body

    async def _show(self, ctx: Context, query: Query, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            row = self.find(ctx, tx, path[f"{self.noun}_id"])
            return {self.noun: self.views(ctx, tx, [row], query.get("fields"))[0]}

    async def _create(self, ctx: Context, body: Json) -> Json:
        """One, or all of several."""
        bulk = self.many in body
        given = body[self.many] if bulk else [body[self.noun]]
        with ctx.db.transaction() as tx:
            rows = [self.insert(ctx, tx, dict(one)) for one in given]
            views = self.views(ctx, tx, rows)
        for row in rows:
            if self.after_commit:
                self.after_commit(ctx, row)
        return {self.many: views} if bulk else {self.noun: views[0]}

    async def _update(self, ctx: Context, body: Json, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            old = self.find(ctx, tx, path[f"{self.noun}_id"])
            new = self.change(ctx, tx, old, dict(body[self.noun]))
            view = self.views(ctx, tx, [new])[0]
        if self.after_commit:
            self.after_commit(ctx, new)
        return {self.noun: view}

    async def _delete(self, ctx: Context, **path: str) -> None:
        with ctx.db.transaction() as tx:
            row = self.find(ctx, tx, path[f"{self.noun}_id"])
            self.allow(ctx, tx, "delete", row)
            if self.before_delete:
                self.before_delete(ctx, tx, row)
            tx.execute(delete(self.table).where(self.table.c.id == row["id"]))

    # tags

    async def _list_tags(self, ctx: Context, **path: str) -> Json:
        with ctx.db.transaction() as tx:
            return {"tags": self.find(ctx, tx, path[f"{self.noun}_id"])["tags"]}

    async def _update_tags(self, ctx: Context, body: Json, **path: str) -> Json:
        self._keep_tags(ctx, path, lambda tags: list(body["tags"]))
        return {"tags": body["tags"]}

    async def _delete_tags(self, ctx: Context, **path: str) -> None:
        self._keep_tags(ctx, path, lambda tags: [])

    async def _check_tag(self, ctx: Context, **path: str) -> None:
        with ctx.db.transaction() as tx:
            _without(self.find(ctx, tx, path[f"{self.noun}_id"])["tags"], path["tag"])

    async def _add_tag(self, ctx: Context, **path: str) -> None:
        self._keep_tags(ctx, path, lambda tags: tags if path["tag"] in tags else [*tags, path["tag"]])

    async def _delete_tag(self, ctx: Context, **path: str) -> None:
        self._keep_tags(ctx, path, lambda tags: _without(tags, path["tag"]))

    def _keep_tags(self, ctx: Context, path: dict[str, str], change: Callable[[list[str]], list[str]]) -> None:
        with ctx.db.transaction() as tx:
            row = self.find(ctx, tx, path[f"{self.noun}_id"])
            self.allow(ctx, tx, "update", row)
            self._store(ctx, tx, row, {"tags": change(row["tags"])})

    # parts, also for the resources' own rules

    def find(self, ctx: Context, tx: Transaction, id_: str) -> Row:
        """404 for what is not there and for what the caller may not see."""
        row = tx.one(select(self.table).where(self.table.c.id == id_))
        if row is None or not self._may(ctx, tx, "get", row):
            raise self.not_found(id_)
        return row

    def not_found(self, id_: str) -> NotFound:
        return NotFound(self.sentence.format(id=id_), type=f"{self.kind}NotFound")

    def insert(self, ctx: Context, tx: Transaction, given: Json) -> Row:
        tenant = given.pop("tenant_id", None)
        project = given.pop("project_id", None) or tenant or ctx.project_id
        row: Row = {"id": str(uuid.uuid4()), "project_id": project, "created_at": ctx.now(), "updated_at": ctx.now(), "revision_number": 1}
        row |= self._defaults() | {_column(name): value for name, value in given.items()}
        if project != ctx.project_id and not ctx.can("context_is_admin"):
            raise Forbidden("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges", type="HTTPForbidden")  # fmt: skip  # noqa: E501
        self.allow(ctx, tx, "create", row, given)
        if self.before_create:
            self.before_create(ctx, tx, row)
        tx.execute(insert(self.table).values(**{name: value for name, value in row.items() if name in self.table.c}))
        if self.after_create:
            self.after_create(ctx, tx, row)
        return row

    def change(self, ctx: Context, tx: Transaction, old: Row, given: Json) -> Row:
        self.allow(ctx, tx, "update", old, given)
        changes = {_column(name): value for name, value in given.items()}
        new = old | changes
        if self.before_update:
            self.before_update(ctx, tx, old, new)
        changed = {name: new[name] for name in new if name in self.table.c and new[name] != old.get(name)}
        new |= self._store(ctx, tx, old, changed)
        if self.after_update:
            self.after_update(ctx, tx, old, new)
        return new

    def _store(self, ctx: Context, tx: Transaction, row: Row, changes: Row) -> Row:
        values = changes | {"updated_at": ctx.now(), "revision_number": row["revision_number"] + 1}
        tx.execute(update(self.table).where(self.table.c.id == row["id"]).values(**values))
        return values

    def allow(self, ctx: Context, tx: Transaction, verb: str, row: Row, given: Json | None = None) -> None:
        """The resource's rule, and the rules of the guarded attributes that are set."""
        if not self._may(ctx, tx, verb, row):
            raise _refused(f"{verb}_{self.noun}")
        for name in given or {}:
            rule = f"{verb}_{self.noun}:{name}"
            if name in self.guarded and not ctx.can(rule, self._target(tx, row)):
                raise _refused(rule)

    def _may(self, ctx: Context, tx: Transaction, verb: str, row: Row) -> bool:
        if verb in ("get", "delete") and row["project_id"] == ctx.project_id and "member" in ctx.roles:
            return True  # the common case of every default rule, without the look at parents
        return ctx.can(f"{verb}_{self.noun}", self._target(tx, row))

    def _target(self, tx: Transaction, row: Row) -> dict[str, Any]:
        shown = {_attribute(name): value for name, value in row.items() if value is not None}
        return shown | {"tenant_id": row["project_id"], **self.target(tx, row)}

    def views(self, ctx: Context, tx: Transaction, rows: list[Row], fields: list[str] | None = None) -> list[Json]:
        views = [self._view(row) for row in rows]
        if self.more:
            self.more(ctx, tx, views)
        unseen = [n for n in self.hidden if rows and not ctx.can(f"get_{self.noun}:{n}", {"project_id": ctx.project_id})]
        for view in views:
            for name in unseen:
                view.pop(name, None)
        return [{name: view[name] for name in fields if name in view} for view in views] if fields else views

    def _view(self, row: Row) -> Json:
        view = {_attribute(name): value for name, value in row.items() if name in self.table.c}
        for name in ("created_at", "updated_at"):
            view[name] = view[name].strftime("%Y-%m-%dT%H:%M:%SZ")
        return view | {"tenant_id": row["project_id"]}

    def _defaults(self) -> Row:
        made: Row = {}
        for column in self.table.c:
            if column.name in ("id", "project_id", "created_at", "updated_at", "revision_number"):
                continue
            default = column.default.arg if column.default is not None else None
            made[str.__str__(column.name)] = default(None) if callable(default) else default  # its own kind of str is no key for JSON
        return made

    # lists

    def _seen_by(self, ctx: Context) -> Any:
        if ctx.can("context_is_admin") or ctx.can("service_api"):
            return self.table.c.id.is_not(None)
        own = self.table.c.project_id == ctx.project_id
        return own if self.visible is None else or_(own, self.visible(ctx, self.table))

    def _filter(self, query: Query) -> list[Any]:
        found = []
        for name, values in query.extra.items():
            column = "project_id" if name == "tenant_id" else _column(name)
            if name in self.filters:
                found.append(self.filters[name](values))
            elif column in self.table.c:
                found.append(_any_of(self.table.c[column], values))
            else:
                raise BadRequest(f"['{name}'] is invalid attribute for filtering", type="HTTPBadRequest")
        return found

    def _page(self, tx: Transaction, statement: Select[Any], query: Query) -> tuple[list[Row], bool]:
        keys, directions = query.get("sort_key", ["id"]), query.get("sort_dir", [])
        if query.get("sort_dir") and len(keys) != len(directions):
            raise BadRequest("The number of sort_keys and sort_dirs must be same", type="HTTPBadRequest")
        for key in keys:
            if _column(key) not in self.table.c:
                raise BadRequest(f"['{key}'] is invalid attribute for sort_key", type="HTTPBadRequest")
        sort = [(_column(key), directions[n] if directions else "asc") for n, key in enumerate(keys)]
        try:
            return page(
                tx, statement, self.table, key="id", sort=sort, marker=query.get("marker"), limit=query.get("limit") or None,
                reverse=bool(query.get("page_reverse")),
            )  # fmt: skip
        except MarkerNotFound as error:
            raise self.not_found(error.marker) from error

    def _links(self, ctx: Context, query: Query, rows: list[Row], more: bool) -> Json:
        given = [(name, value) for name, value in query.items() if name not in ("marker", "page_reverse")]
        given += [(name, value) for name, values in query.extra.items() for value in values]
        links = []
        if more or query.get("page_reverse"):
            links.append({"rel": "next", "href": f"{ctx.url(self.path)}?{urlencode([*given, ('marker', rows[-1]['id'])], doseq=True)}"})
        if "marker" in query:
            back = [*given, ("marker", rows[0]["id"]), ("page_reverse", "True")]
            links.append({"rel": "previous", "href": f"{ctx.url(self.path)}?{urlencode(back, doseq=True)}"})
        return links


def _column(attribute: str) -> str:
    return attribute.replace(":", "_")


SPELLED = {
    "router_external": "router:external",
    "provider_network_type": "provider:network_type",
    "provider_physical_network": "provider:physical_network",
    "provider_segmentation_id": "provider:segmentation_id",
    **{f"binding_{name}": f"binding:{name}" for name in ("host_id", "profile", "vnic_type", "vif_type", "vif_details")},
}


def _attribute(column: str) -> str:
    return SPELLED.get(column, column)


def _any_of(column: Any, values: list[str]) -> Any:
    kind = str(column.type)
    if kind == "BOOLEAN":
        return or_(*(column.is_(value.lower() in ("true", "1")) for value in values))
    if kind == "JSON":
        return and_(*(cast(column, String).contains(f'"{part}"', autoescape=True) for value in values for part in value.split(",")))
    if kind == "INTEGER":
        numbers = [int(value) for value in values if value.lstrip("-").isdecimal()]
        return column.in_(numbers) if numbers else false()
    return column.in_(values)


def _without(tags: list[str], tag: str) -> list[str]:
    if tag not in tags:
        raise NotFound(f"Tag {tag} could not be found.", type="TagNotFound")
    return [other for other in tags if other != tag]


def _refused(rule: str) -> Forbidden:
    return Forbidden(f"(rule:{rule}) is disallowed by policy", type="PolicyNotAuthorized")


