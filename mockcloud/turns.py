"""One at a time, by key."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """Work under one key waits its turn: the members of a server group, one server's operations, two copies of one message."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
