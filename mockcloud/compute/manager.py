"""nova-compute: runs the servers of one host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mockcloud.component import Component
from mockcloud.compute.build import Builds
from mockcloud.compute.drivers.base import Driver
from mockcloud.compute.host import Host

Method = Callable[..., Awaitable[Any]]


class ComputeManager:
    """The endpoint of topic `compute.<host>`, dialect classic (docs/rpc.md has the contract). `tasks` run beside it."""

    def __init__(self, component: Component, driver: Driver) -> None:
        self._host = host = Host(component, driver)
        self.tasks: list[Callable[[], Awaitable[None]]] = [host.report_state]

        builds = Builds(host)
        self.run_instance: Method = builds.run_instance

    async def init_host(self) -> None:
        await self._host.register()
