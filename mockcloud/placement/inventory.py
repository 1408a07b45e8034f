"""How much a provider can give: the rule of capacity, apart from HTTP and database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULTS = {"reserved": 0, "min_unit": 1, "max_unit": 2**31 - 1, "step_size": 1, "allocation_ratio": 1.0}


def capacity(inventory: Mapping[str, Any]) -> int:
    return int((inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"])


def refusal(inventory: Mapping[str, Any] | None, used: int, wanted: int) -> str:
    """Why `wanted` cannot be had beside the `used`; empty when it can."""
    if inventory is None:
        return "no inventory"
    if wanted < inventory["min_unit"] or wanted > inventory["max_unit"] or wanted % inventory["step_size"]:
        return "unit"
    return "capacity" if used + wanted > capacity(inventory) else ""
