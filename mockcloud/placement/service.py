"""placement, put together."""

from __future__ import annotations

from typing import Any

from mockcloud.http.service import Runtime, Service
from mockcloud.placement import allocation_candidates, allocations, classes, inventories, providers, root, usages
from mockcloud.placement.tables import metadata


def build(runtime: Runtime) -> Service:
    return Service("placement", runtime, [root, providers, inventories, allocations, allocation_candidates, usages, classes], metadata)


def seed(service: Service, data: dict[str, Any]) -> None:
    """Nothing: the computes register themselves."""
