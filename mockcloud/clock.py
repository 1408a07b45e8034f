"""The cloud's own clock: real time by default, faster or jumped ahead when a test or an operator says so."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

CENTURY = 100 * 365 * 86_400


class Clock:
    """`speed` virtual seconds pass in one real second; `advance` jumps, and wakes the sleepers who are due."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._base_virtual = time.time()
        self._base_real = time.monotonic()
        self._changed: asyncio.Event | None = None

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        if not 0 < value < float("inf"):
            raise ValueError("the clock's speed must be above 0")
        self._rebase(self.time())
        self._speed = value
        self._wake()

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._base_virtual + (time.monotonic() - self._base_real) * self._speed

    def now(self) -> datetime:
        """Naive UTC, as OpenStack's databases keep it."""
        return datetime.fromtimestamp(self.time(), UTC).replace(tzinfo=None)

    def advance(self, seconds: float) -> None:
        if not 0 <= seconds <= CENTURY:
            raise ValueError("the clock never goes back, and at most a century ahead")
        self._rebase(self.time() + seconds)
        self._wake()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = self.time() + seconds
        while (left := due - self.time()) > 0:
            if self._changed is None:
                self._changed = asyncio.Event()
            try:
                async with asyncio.timeout(left / self._speed):  # wait_for of 3.11 swallows a cancellation that meets a wake-up
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _rebase(self, virtual: float) -> None:
        self._base_virtual, self._base_real = virtual, time.monotonic()

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()
