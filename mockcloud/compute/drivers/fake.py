"""Guests in memory."""

from __future__ import annotations

from mockcloud.clock import Clock
from mockcloud.settings import HostSeed, Settings


class FakeDriver:
    def __init__(self, host: HostSeed, settings: Settings, clock: Clock) -> None:
        self._host, self._settings, self._clock = host, settings, clock
