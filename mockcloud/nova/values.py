"""Flags as clients write them."""

from __future__ import annotations

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
