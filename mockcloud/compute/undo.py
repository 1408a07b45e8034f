"""What to do when something fails half way."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

LOG = logging.getLogger(__name__)


class Undo:
    """Acts that take earlier acts back, the latest first. Push each *before* its act: an act may succeed and its answer be lost."""

    def __init__(self) -> None:
        self._acts: list[tuple[Callable[..., Awaitable[Any]], tuple[Any, ...]]] = []

    def push(self, act: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """`act` must take absence for success."""
        self._acts.append((act, args))

    async def run(self) -> None:
        """All of them: one that fails is logged, the others still happen."""
        while self._acts:
            act, args = self._acts.pop()
            try:
                await act(*args)
            except Exception:
                LOG.exception("could not be undone: %s", getattr(act, "__qualname__", act))


@asynccontextmanager
async def undo_on_failure() -> AsyncIterator[Undo]:
    """A cancelled block is not undone: its process is being killed, and whoever continues has to look at what it left."""
    undo = Undo()
    try:
        yield undo
    except Exception:
        await undo.run()
        raise
