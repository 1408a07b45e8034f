"""Who plays in the tests of the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mockcloud.bus.base import Incoming
from mockcloud.context import RequestContext

CTX = RequestContext("req-1", user_id="u", project_id="p", token="secret-token", roles=("member",))
PATIENCE = 30.0  # seconds: far more than anything takes


class Endpoint:
    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.gate = asyncio.Event()
        self.redelivered: list[bool] = []

    async def add(self, ctx: RequestContext, a: int, b: int) -> int:
        return a + b

    async def whoami(self, ctx: RequestContext) -> list[Any]:
        return [ctx.user_id, ctx.project_id, ctx.token, list(ctx.roles)]

    async def fail(self, ctx: RequestContext) -> None:
        raise KeyError("gone")

    async def note(self, ctx: RequestContext, what: Any) -> None:
        self.seen.append(what)

    async def answer_then_work(self, ctx: RequestContext, incoming: Incoming) -> None:
        await incoming.reply("early")
        await self.gate.wait()
        self.seen.append("worked")

    async def wait(self, ctx: RequestContext, incoming: Incoming) -> str:
        self.redelivered.append(incoming.redelivered)
        await self.gate.wait()
        self.seen.append("done")
        return "waited"

    async def _private(self, ctx: RequestContext) -> str:
        return "never"


async def eventually(holds: Callable[[], Any]) -> None:
    """Waits until it does; an AssertionError after that, not before."""
    for _ in range(int(PATIENCE / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    assert holds()
