"""Neutron's way to ask its policy: a rule for the act, and one for every guarded attribute that the request sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden


def enforce(ctx: Context, rule: str, target: dict[str, Any], guarded: Mapping[str, Any] | None = None) -> None:
    """403 in neutron's words, which name the whole expression: `(rule:create_port and rule:create_port:mac_address)`."""
    expression, rules = f"rule:{rule}", [rule]
    for name, value in (guarded or {}).items():
        parts = [f"{rule}:{name}:{part}" for part in _parts(ctx, f"{rule}:{name}", value)]
        own = f"rule:{rule}:{name}"
        if parts:
            own = f"({own} and ({' and '.join(f'rule:{part}' for part in parts)}))"
        expression = f"({expression} and {own})"
        rules += [f"{rule}:{name}", *parts]
    if not all(ctx.can(one, target) for one in rules):
        raise Forbidden(f"{expression} is disallowed by policy", type="PolicyNotAuthorized")


def _parts(ctx: Context, rule: str, value: Any) -> list[str]:
    """The keys that have rules: of a dict, or of each dict of a list."""
    values = value if isinstance(value, list) else [value]
    found = dict.fromkeys(key for one in values if isinstance(one, dict) for key in one)
    return [key for key in found if ctx.service.policy.knows(f"{rule}:{key}")]
