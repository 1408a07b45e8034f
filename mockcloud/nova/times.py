"""Points in time as lists are asked for them, and as records show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table

from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Query


def precise(when: datetime | None) -> str | None:
    """With microseconds and without a zone, as nova shows its records."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f") if when else None


def changed(query: Query, table: Table) -> list[ColumnElement[Any]]:
    """The conditions of `changes-since` and `changes-before`, both inclusive."""
    since, before = _time(query, "changes-since"), _time(query, "changes-before")
    if since and before and before < since:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    conditions: list[ColumnElement[Any]] = [table.c.updated_at >= since] if since else []
    return conditions + ([table.c.updated_at < before + timedelta(seconds=1)] if before else [])  # nova keeps whole seconds


def _time(query: Query, name: str) -> datetime | None:
    """Naive UTC. The document has seen to its form; a plus sign that the URL did not escape is a blank by now."""
    text = query.get(name)
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. '{text}' is not a 'date-time'") from None
    return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
