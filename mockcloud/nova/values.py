"""Flags as clients write them, times as nova shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

TRUE = ("1", "t", "true", "on", "y", "yes")
FALSE = ("0", "f", "false", "off", "n", "no")


def is_true(value: Any) -> bool:
    """As leniently as oslo's bool_from_string: what is not known to be true is false."""
    return value is True or str(value).strip().lower() in TRUE


def strict_bool(value: Any) -> bool:
    """Raises ValueError for what is neither."""
    if value is True or value is False:
        return value is True
    if str(value).strip().lower() not in TRUE + FALSE:
        raise ValueError(f"Unrecognized value '{value}', acceptable values are: {', '.join(repr(v) for v in sorted(FALSE + TRUE))}")
    return is_true(value)


def timestamp(value: datetime | None) -> str | None:
    """As nova's objects are written to JSON: microseconds, no zone."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.%f")


def whole_seconds(value: datetime | None) -> str | None:
    """As the views that say `Z` write it."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")
