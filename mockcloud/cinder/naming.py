"""The API's `name` and `description` are the tables' `display_name` and `display_description`, under either name in a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = {"display_name": ("display_name", "name"), "display_description": ("display_description", "description")}


def named(body: Mapping[str, Any]) -> dict[str, str | None]:
    """The columns that a body sets, without surrounding spaces; the short name wins."""
    values: dict[str, str | None] = {}
    for column, names in COLUMNS.items():
        for name in names:
            if name in body:
                text = body[name]
                values[column] = text.strip() if isinstance(text, str) else None
    return values
