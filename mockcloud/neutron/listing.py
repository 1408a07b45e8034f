"""What neutron's lists have in common: filters by any attribute, sorting, pages with links both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select, String, Table, and_, cast, false, not_, or_

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.errors import BadRequest
from mockcloud.http.paging import page
from mockcloud.http.reply import Json, Query

Filters = Mapping[str, Callable[[list[str]], Any]]

SPELLED = {
    "router_external": "router:external",
    "provider_network_type": "provider:network_type",
    "provider_physical_network": "provider:physical_network",
    "provider_segmentation_id": "provider:segmentation_id",
    **{f"binding_{name}": f"binding:{name}" for name in ("host_id", "profile", "vnic_type", "vif_type", "vif_details")},
}
MOST = 2**31 - 1  # rows of a page, as many as databases count
TIMES = "%Y-%m-%dT%H:%M:%S"


def column_of(attribute: str) -> str:
    return "project_id" if attribute == "tenant_id" else attribute.replace(":", "_")


def attribute_of(column: str) -> str:
    return SPELLED.get(column, column)


def conditions(table: Table, query: Query, own: Filters) -> list[Any]:
    """The filters asked for: each attribute any of its values. An attribute that is none is refused."""
    found, unknown = [], []
    for name, values in query.extra.items():
        column = column_of(name)
        if name in own:
            found.append(own[name](values))
        elif name in TAG_FILTERS and "tags" in table.c:
            found.append(TAG_FILTERS[name](table.c.tags, {tag for value in values for tag in value.split(",")}))
        elif name == "changed_since":
            found.append(table.c.updated_at >= _time(values[-1]))
        elif column in table.c and str(table.c[column].type) != "DATETIME":
            found.append(_any_of(table.c[column], values))
        else:
            unknown.append(name)
    if unknown:
        raise BadRequest(f"{unknown} is invalid attribute for filtering", type="HTTPBadRequest")
    return found


def _any_of(column: Any, values: list[str]) -> Any:
    kind = str(column.type)
    if kind == "BOOLEAN":
        return or_(*(column.is_(value.lower() in ("true", "1")) for value in values))
    if kind == "JSON":
        return or_(*(_holds(column, value) for value in values))
    if kind == "INTEGER":
        numbers = [int(value) for value in values if value.lstrip("-").isdecimal() and len(value) < 12]
        return column.in_(numbers) if numbers else false()
    return among(column, values)


def among(column: Any, values: Sequence[Any]) -> Any:
    """SQL for one of the values: mostly there is one, and an equality costs SQLAlchemy a third of an IN."""
    return column == values[0] if len(values) == 1 else column.in_(values)


def _holds(column: Any, text: str) -> Any:
    return cast(column, String).contains(f'"{text}"', autoescape=True)


TAG_FILTERS: dict[str, Callable[[Any, set[str]], Any]] = {
    "tags": lambda column, tags: and_(*(_holds(column, tag) for tag in tags)),
    "tags-any": lambda column, tags: or_(*(_holds(column, tag) for tag in tags)),
    "not-tags": lambda column, tags: not_(and_(*(_holds(column, tag) for tag in tags))),
    "not-tags-any": lambda column, tags: not_(or_(*(_holds(column, tag) for tag in tags))),
}


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text.removesuffix("Z").partition(".")[0], TIMES)
    except ValueError as error:
        raise BadRequest(
            f"The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SS[Z], not {text}.", type="InvalidInput"
        ) from error


def sorting(table: Table, query: Query) -> list[tuple[str, str]]:
    keys, directions = query.get("sort_key", []), query.get("sort_dir", [])
    if len(keys) != len(directions):
        raise BadRequest("The number of sort_keys and sort_dirs must be same", type="HTTPBadRequest")
    if absent := [key for key in keys if column_of(key) not in table.c or str(table.c[column_of(key)].type) == "JSON"]:
        raise BadRequest(f"{absent} is invalid attribute for sort_keys", type="HTTPBadRequest")
    return [(column_of(key), direction) for key, direction in zip(keys, directions, strict=True)]


def rows_of_page(tx: Transaction, table: Table, statement: Select[Any], query: Query) -> list[Row]:
    """Raises MarkerNotFound. Without a limit (or with 0) there are no pages, and the marker means nothing."""
    limit = min(query.get("limit") or 0, MOST) or None
    marker = query.get("marker") if limit else None
    sort = sorting(table, query)
    return page(tx, statement, table, key="id", sort=sort, marker=marker, limit=limit, reverse=_reverse(query))[0]


def links(url: str, query: Query, rows: list[Row]) -> list[Json]:
    """Next after a full page, previous before any: neutron does not look whether something is there."""
    limit, reverse = query.get("limit") or 0, _reverse(query)
    if not limit:
        return []
    given = [(name, value) for name, value in query.items() if name not in ("marker", "page_reverse")]
    given += [(name, value) for name, values in query.extra.items() for value in values]

    def link(rel: str, at: int, *more: tuple[str, Any]) -> Json:
        marker = [("marker", rows[at]["id"])] if rows else []
        return {"rel": rel, "href": f"{url}?{urlencode([*given, *marker, *more], doseq=True)}"}

    full = len(rows) >= limit
    found = [link("next", -1)] if full or reverse else []
    if full or not reverse:
        found.append(link("previous", 0, ("page_reverse", True)))
    return found


def _reverse(query: Query) -> bool:
    return str(query.get("page_reverse", "")).lower() == "true"
