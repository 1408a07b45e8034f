"""Links to resources and to the next page, as every list of nova has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import FromClause, Select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query

MAX_LIMIT = 1000


def links(ctx: Context, collection: str, id: str | int) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": ctx.url(f"/v2.1/{collection}/{id}")},
        {"rel": "bookmark", "href": ctx.url(f"/{collection}/{id}")},
    ]


def limit_of(query: Query) -> int:
    return min(int(query.get("limit", MAX_LIMIT)), MAX_LIMIT)


def next_links(ctx: Context, query: Query, path: str, rows: Sequence[Row], key: str) -> Json:
    """`[{rel: next}]` for a full page, else nothing. `path` is the collection's, e.g. `flavors/detail`."""
    if not rows or len(rows) != limit_of(query):
        return []
    asked = {**{name: values[-1] for name, values in query.extra.items()}, **query}
    asked = {name: value[-1] if isinstance(value, list) else value for name, value in sorted(asked.items())}
    return [{"rel": "next", "href": ctx.url(f"/v2.1/{path}?{urlencode(asked | {'marker': rows[-1][key]})}")}]


def select_page(
    tx: Transaction,
    stmt: Select[Any],
    table: FromClause,
    query: Query,
    *,
    key: str,
    sort: Sequence[tuple[str, str]] = (),
    unknown: str = "marker [{}] not found",
) -> list[Row]:
    """The rows behind the marker (a value of `key`), at most `limit` of them; `unknown` words the 400 for a marker that is not there."""
    if limit_of(query) == 0:
        return []
    try:
        return page(tx, stmt, table, key=key, sort=sort, marker=query.get("marker"), limit=limit_of(query))[0]
    except MarkerNotFound as missing:
        raise BadRequest(unknown.format(missing.marker)) from None
