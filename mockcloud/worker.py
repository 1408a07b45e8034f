"""One component beside the APIs: on the bus, with its background tasks, killable and restarted as a service manager would."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mockcloud.bus.base import Bus, Serving
from mockcloud.clock import Clock

log = logging.getLogger(__name__)


class Worker:
    """`make` builds the endpoint anew at every start: what it kept in memory dies with it.

    An endpoint may have `async def init_host(self)`, awaited before it is served, and `tasks`, coroutine functions that run
    beside it; one that raises is logged and started again a second later.
    """

    def __init__(self, topic: str, host: str, make: Callable[[], Any], bus: Bus, clock: Clock, service: str = "") -> None:
        self.topic, self.host, self.service = topic, host, service or topic
        self._make, self._bus, self._clock = make, bus, clock
        self._serving: Serving | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.endpoint: Any = None

    @property
    def alive(self) -> bool:
        return self.endpoint is not None

    async def start(self) -> None:
        self.endpoint = self._make()
        init_host = getattr(self.endpoint, "init_host", None)
        if init_host is not None:
            await init_host()
        if self.topic:
            self._serving = self._bus.serve(self.topic, self.host, self.endpoint, service=self.service)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep(task)) for task in getattr(self.endpoint, "tasks", ())]

    async def kill(self) -> None:
        """Dies in the middle of whatever it does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._serving is not None:
            await self._serving.kill()
        self._serving, self._tasks, self.endpoint = None, [], None

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def _keep(self, task: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await task()
                return
            except Exception:
                log.exception("a background task of %s on %s failed", self.service, self.host)
                await self._clock.sleep(1)
