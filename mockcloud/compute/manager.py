"""nova-compute: runs the servers of one host."""

from __future__ import annotations

from typing import Any

from mockcloud.component import Component


class ComputeManager:
    """The endpoint of topic `compute.<host>`, dialect classic (docs/rpc.md has the contract)."""

    def __init__(self, component: Component, driver: Any) -> None:
        self._component, self._driver = component, driver
