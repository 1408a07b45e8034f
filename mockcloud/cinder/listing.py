"""What the lists of cinder share: sort, page, filter, and the link to the next page."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select, String, Table, cast, func, or_, select

from mockcloud.cinder import faults
from mockcloud.cinder.lookup import is_admin
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Query

MAX_LIMIT = 1000
TRUE = ("1", "t", "true", "on", "y", "yes")
FALSE = ("0", "f", "false", "off", "n", "no")
CONTROLS = ("limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count")
COLUMNS = {"name": "display_name"}

RESOURCE_FILTERS = {
    "volume": ["name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size", "created_at",
               "updated_at", "consumes_quota"],
    "backup": ["name", "status", "volume_id"],
    "snapshot": ["name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"],
    "group": ["name"],
    "group_snapshot": ["name", "status", "group_id"],
    "attachment": ["volume_id", "status", "instance_id", "attach_status"],
    "message": ["resource_uuid", "resource_type", "event_id", "request_id", "message_level"],
    "pool": ["name", "volume_type"],
    "volume_type": ["is_public", "extra_specs"],
}  # fmt: skip


def is_true(value: Any) -> bool:
    """A flag, as leniently as oslo's bool_from_string reads it."""
    return value is True or str(value).strip().lower() in TRUE


def strict_bool(name: str, value: str) -> bool:
    if value.strip().lower() not in TRUE + FALSE:
        raise faults.invalid_input(f"'{name} = {value}'")
    return is_true(value)


def all_projects(ctx: Context, query: Query) -> bool:
    return is_true(query.get("all_tenants", "")) and is_admin(ctx)


def filters_of(ctx: Context, query: Query, resource: str) -> dict[str, str]:
    """What is left of the query. From 3.31 users meet a refusal for what they may not filter by; before, silence."""
    asked = {**{name: values[-1] for name, values in query.extra.items()}, **query}
    asked = {name: value for name, value in asked.items() if name not in CONTROLS}
    if is_admin(ctx):
        return asked
    allowed = RESOURCE_FILTERS[resource]
    like = ctx.at_least("3.34")
    unknown = [name for name in asked if name not in allowed and not (like and name.removesuffix("~") in allowed)]
    if unknown and ctx.at_least("3.31"):
        raise BadRequest(f"Invalid filters {','.join(unknown)} are found in query options.")
    return {name: value for name, value in asked.items() if name not in unknown}


def where_filters(stmt: Select[Any], table: Table, filters: Mapping[str, Any]) -> Select[Any] | None:
    """Exact matches on columns, `name~` on parts of them; None when something asked for is no column: nothing matches."""
    for name, value in filters.items():
        column = table.c.get(COLUMNS.get(name.removesuffix("~"), name.removesuffix("~")))
        if column is None:
            return None
        if name.endswith("~"):
            stmt = stmt.where(cast(column, String).contains(str(value), autoescape=True))
        elif isinstance(value, bool):
            stmt = stmt.where(column.is_(value))
        else:
            stmt = stmt.where(cast(column, String) == str(value))
    return stmt


def where_dict(stmt: Select[Any], columns: tuple[Any, ...], text: str) -> Select[Any] | None:
    """Rows whose JSON column holds all the pairs of a dict written as text; None when it is no dict."""
    try:
        pairs = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if not isinstance(pairs, dict):
        return None
    for key, value in pairs.items():
        stmt = stmt.where(or_(*(column[str(key)].as_string() == str(value) for column in columns)))
    return stmt


def sort_of(query: Query, table: Table) -> list[tuple[str, str]]:
    if "sort" in query and ("sort_key" in query or "sort_dir" in query):
        raise BadRequest("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.")
    asked = query.get("sort") or f"{query.get('sort_key', 'created_at')}:{query.get('sort_dir', 'desc')}"
    made = []
    for part in asked.strip().split(","):
        key, _, direction = part.partition(":")
        name = COLUMNS.get(key.strip(), key.strip())
        if name not in table.c:
            raise faults.invalid_input("Invalid sort key")
        if direction.strip() not in ("", "asc", "desc"):
            raise faults.invalid_input("Unknown sort direction, must be one of: asc, desc")
        made.append((name, direction.strip() or "desc"))
    if all(name != "id" for name, _ in made):
        made.append(("id", made[-1][1]))
    return made


def select_page(tx: Transaction, stmt: Select[Any] | None, table: Table, query: Query, unknown: ApiError) -> list[Row]:
    """The rows of one page; `unknown` is raised for a marker that is not there."""
    limit, offset = limit_of(query), query.get("offset", 0)
    sort = sort_of(query, table)
    if stmt is None or limit == 0:
        return []
    try:
        rows, _ = page(tx, stmt, table, key="id", sort=sort, marker=query.get("marker"), limit=limit + offset)
    except MarkerNotFound:
        raise unknown from None
    return rows[offset:]


def limit_of(query: Query) -> int:
    return min(int(query.get("limit", MAX_LIMIT)), MAX_LIMIT)


def next_links(ctx: Context, rows: list[Row], query: Query, collection: str) -> list[dict[str, str]]:
    """A full page has a link to the next one."""
    if not rows or len(rows) < limit_of(query):
        return []
    asked = {**{name: values[-1] for name, values in query.extra.items()}, **query, "marker": rows[-1]["id"]}
    return [{"rel": "next", "href": ctx.url(f"/v3/{ctx.project_id}/{collection}?{urlencode(asked)}")}]


def count_of(tx: Transaction, stmt: Select[Any] | None) -> int:
    return 0 if stmt is None else int(tx.scalar(select(func.count()).select_from(stmt.subquery())))
