"""What a list of images may be asked for: query parameters to conditions and order."""

from __future__ import annotations

import contextlib
import csv
import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, String, cast, false, func, or_

from mockcloud.glance.access import visible
from mockcloud.glance.tables import images
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Query

DEFAULT_LIMIT, MAX_LIMIT = 25, 1000
LARGEST = 2**63 - 1  # that a database compares with
SORTABLE = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
WITH_OPERATOR = ("name", "id", "status", "container_format", "disk_format")
MOMENTS = ("created_at", "updated_at")
NUMBERS = ("size", "virtual_size", "min_disk", "min_ram")
TEXTS = ("owner", "checksum", "os_hash_algo", "os_hash_value")
VISIBILITIES = ("community", "public", "private", "shared", "all")
MEMBER_STATUSES = ("pending", "accepted", "rejected", "all")
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "neq": operator.ne, "eq": operator.eq,
}  # fmt: skip


def read_limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    limit = _number(text)
    if limit is None:
        raise BadRequest("limit param must be an integer")
    if limit < 0:
        raise BadRequest("limit param must be positive")
    return min(limit, MAX_LIMIT)


def _number(text: str) -> int | None:
    """None for what is no whole number, and for one of more digits than anybody counts."""
    try:
        return int(text)
    except ValueError:
        return None


def read_sort(query: Query) -> list[tuple[str, str]]:
    """`sort=name:asc,size` or `sort_key` and `sort_dir`, one direction for all or one each; created_at and id decide ties."""
    keys, directions = [key.strip() for key in query.get("sort_key", ())], [way.strip() for way in query.get("sort_dir", ())]
    if "sort" in query:
        if keys or directions:
            raise BadRequest("Old and new sorting syntax cannot be combined")
        pairs = [part.partition(":") for part in query["sort"].strip().split(",")]
        keys, directions = [key.strip() for key, _, _ in pairs], [way.strip() or "desc" for _, _, way in pairs]
    for key in keys:
        if key not in SORTABLE:
            raise BadRequest(f"Invalid sort key: {key}. It must be one of the following: {', '.join(SORTABLE)}.")
    for way in directions:
        if way not in ("asc", "desc"):
            raise BadRequest(f"Invalid sort direction: {way}")
    if len(directions) > 1 and len(directions) != len(keys):
        raise BadRequest("Number of sort dirs does not match the number of sort keys")
    last = directions[0] if len(directions) == 1 else "desc"
    keys = keys or ["created_at"]
    pairs_ = list(zip(keys, directions if len(directions) == len(keys) else [last] * len(keys), strict=True))
    return [*pairs_, *((key, last) for key in ("created_at", "id") if key not in keys)]


def conditions(ctx: Context, query: Query) -> list[ColumnElement[bool]]:
    asked = {name: values[-1] for name, values in query.extra.items()}
    found = _whose(ctx, query)
    found.append(images.c.os_hidden.is_(_flag("os_hidden", query.get("os_hidden", "false").lower())))
    found += [_has_tag(tag.strip()) for tag in query.get("tag", ())]
    if asked.pop("changes-since", None):
        raise BadRequest('The "changes-since" filter is no longer available on v2.')
    asked |= {name: query[name] for name in (*WITH_OPERATOR, *MOMENTS, "owner", "protected", "size_min", "size_max") if name in query}
    return found + [_condition(name, value) for name, value in asked.items()]


def _whose(ctx: Context, query: Query) -> list[ColumnElement[bool]]:
    """Community images of others, and shared ones not accepted, only when asked for."""
    asked, member_status = query.get("visibility"), query.get("member_status", "accepted")
    if asked and asked not in VISIBILITIES:
        raise BadRequest(f"Invalid visibility value: {asked}")
    if member_status not in MEMBER_STATUSES:
        raise BadRequest(f"Invalid status: {member_status}")
    found = [visible(ctx, member_status)]
    if not asked:
        found.append(or_(images.c.owner == ctx.project_id, images.c.visibility != "community"))
    elif asked != "all":
        found.append(images.c.visibility == asked)
    return found


def _flag(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise BadRequest(f"Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'.")
    return value == "true"


def _has_tag(tag: str) -> ColumnElement[bool]:
    """By replacement, since LIKE does not tell upper from lower case everywhere."""
    text, quoted = cast(images.c.tags, String), orjson.dumps(tag).decode()
    return func.replace(text, quoted, "") != text


def _condition(name: str, value: str) -> ColumnElement[bool]:
    base, _, bound = name.rpartition("_")
    if bound in ("min", "max") and base in NUMBERS:
        return _range(images.c[base], bound, value)
    if name in MOMENTS:
        return _moment(name, value)
    if name in WITH_OPERATOR:
        return _one_of(name, value)
    if name == "protected":
        return images.c.protected.is_(_flag("protected", value))
    if name in NUMBERS:
        number = _number(value)
        return false() if number is None or abs(number) > LARGEST else images.c[name] == number
    if name in TEXTS:
        return images.c[name] == value
    return false() if '"' in name else images.c.properties[name].as_string() == value


def _range(column: ColumnElement[int], bound: str, value: str) -> ColumnElement[bool]:
    number = _number(value)
    if number is None:
        raise BadRequest("Unable to filter on a range with a non-numeric value.")
    number = max(-LARGEST, min(number, LARGEST))
    return column >= number if bound == "min" else column <= number


def _moment(name: str, value: str) -> ColumnElement[bool]:
    """`created_at=gte:2026-01-01T00:00:00Z`; without an operator it is equality."""
    moment, comparison = _iso(value), "eq"
    if moment is None:
        comparison, _, text = value.partition(":")
        moment = _iso(text)
    if moment is None:
        raise BadRequest(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.')
    if comparison not in COMPARISONS:
        raise BadRequest("Unable to filter on a unknown operator.")
    compared: ColumnElement[bool] = COMPARISONS[comparison](images.c[name], moment)
    return compared


def _iso(text: str) -> datetime | None:
    for written in (text, text.replace(" ", "+")):  # a plus that was not quoted arrives as a space
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(written)
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return None


def _one_of(name: str, value: str) -> ColumnElement[bool]:
    """`name=in:one,"two, with a comma"`."""
    comparison, colon, rest = value.partition(":")
    if not colon or comparison == "eq":
        return images.c[name] == (rest if colon else value)
    if comparison != "in":
        raise BadRequest(f"Unable to filter by unknown operator '{comparison}'.")
    return images.c[name].in_(split_quoted(rest))


def split_quoted(value: str) -> Sequence[str]:
    if value.replace('\\"', "").count('"') % 2:
        raise BadRequest(f"Invalid filter value {value}. The quote is not closed.")
    return next(csv.reader([value], escapechar="\\"), [])
