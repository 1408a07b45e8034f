"""JsonFilter's query: `[">=", "$free_ram_mb", 1024]`, nested with `and`, `or`, `not`; `$name.key` reads the host."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from typing import Any

from mockcloud.scheduler.hosts import HostState

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def satisfies(query: str | list[Any], host: HostState) -> bool:
    """A query that cannot be read, or compares what does not compare, is met by no host."""
    try:
        result = _evaluate(json.loads(query) if isinstance(query, str) else query, host)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return any(result) if isinstance(result, list) else bool(result)


def _evaluate(term: Any, host: HostState) -> Any:
    if isinstance(term, str):
        return _lookup(term[1:], host) if term.startswith("$") else term
    if not isinstance(term, list):
        return term
    if not term:
        return True
    name, values = term[0], [value for value in (_evaluate(part, host) for part in term[1:]) if value is not None]
    if name == "not":
        return [not value for value in values]
    if name in ("and", "or"):
        return all(values) if name == "and" else any(values)
    if len(values) < 2:
        return False
    if name == "in":
        return values[0] in values[1:]
    return all(_COMPARE[name](values[0], value) for value in values[1:])


def _lookup(path: str, host: HostState) -> Any:
    name, *keys = path.split(".")
    value = getattr(host, name, None)
    for key in keys:
        value = value.get(key) if value is not None else None
    return value
