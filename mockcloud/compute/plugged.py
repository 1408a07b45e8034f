"""Interfaces that a build waits for: neutron says that they are plugged, nova-api hands it on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from mockcloud.clock import Clock
from mockcloud.compute.errors import VirtualInterfaceCreateException


class PluggedInterfaces:
    """What is said of a server is heard from `expect` on, whichever of the two is faster, until `forget`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, set[str]] = {}  # ports, by server
        self._news: dict[str, asyncio.Event] = {}

    def expect(self, server_id: str) -> None:
        self._heard[server_id], self._news[server_id] = set(), asyncio.Event()

    def forget(self, server_id: str) -> None:
        self._heard.pop(server_id, None)
        self._news.pop(server_id, None)

    def hear(self, server_id: str, port_id: str) -> None:
        if server_id in self._heard:
            self._heard[server_id].add(port_id)
            self._news[server_id].set()

    async def wait(self, server_id: str, ports: Collection[str], seconds: float) -> None:
        """Raises VirtualInterfaceCreateException when not all of them are plugged in time. 0 seconds: nobody waits."""
        if not seconds:
            return
        heard, news = self._heard[server_id], self._news[server_id]
        in_time = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            while not heard.issuperset(ports):
                news.clear()
                told = asyncio.ensure_future(news.wait())
                await asyncio.wait([in_time, told], return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                if in_time.done() and not heard.issuperset(ports):
                    raise VirtualInterfaceCreateException
        finally:
            in_time.cancel()
