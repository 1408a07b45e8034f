"""Calls that wait for their answers, whatever carries both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mockcloud.bus import seam
from mockcloud.bus.base import Message, MessagingTimeout, Reply


class Calls:
    """By the id of the call."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def result(self, message: Message, limit: float, send: Callable[[], Awaitable[None]]) -> Any:
        """Sends a message that has an id of a call, and waits `limit` real seconds for the answer's value.

        Raises MessagingTimeout, or RemoteError for what the endpoint raised.
        """
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[message.msg_id or ""] = answer
        try:
            async with asyncio.timeout(limit):
                await send()
                data = await answer
        except TimeoutError:
            raise MessagingTimeout(f"Timed out waiting for a reply to message ID {message.msg_id}") from None
        finally:
            del self._waiting[message.msg_id or ""]
        with seam.arrival(message):
            return Reply.decode(data).value()

    def answer(self, msg_id: str, data: bytes) -> None:
        """An answer has come; nobody may wait for it any more."""
        waiting = self._waiting.get(msg_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(data)
