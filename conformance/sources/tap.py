"""A tap on a cloud's message broker: a connection of its own, in a thread of its own, with a queue that goes when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from operator import methodcaller
from typing import Any
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from conformance.sources import SourceError
from conformance.sources.envelope import Frame

EXCHANGES = ("nova", "neutron", "openstack", "cinder", "glance", "keystone")
WORKERS = ("scheduler", "conductor", "compute")  # queues of nova's topics
TRACE = "amq.rabbitmq.trace"  # the firehose: every publication and delivery of the virtual host, while its tracing is on
PATIENCE = 20.0  # seconds, for the broker to do what it is asked
ECHO = 2.0  # seconds in which the firehose shows our own message, if it flows
TROUBLE = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, ValueError)


class Tap:
    """Gives every frame to `seen`, in the tap's thread.

    With `firehose` it asks for the broker's trace, which shows deliveries and answers, too, and says after `open` whether it flows;
    else, or if not, it sees what is published to the services' exchanges under `keys`.
    """

    def __init__(self, url: str, seen: Callable[[Frame], None], keys: Iterable[str] = ("#",), firehose: bool = True) -> None:
        self.firehose = firehose
        self.carries_nova = False  # whether all of nova's workers take their messages here
        self._url, self._seen, self._keys = url, seen, tuple(keys)
        self._start = time.monotonic()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="amqp-tap", daemon=True)
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._own = ""  # our queue's name
        self._echoes: dict[bool, asyncio.Event] = {False: asyncio.Event(), True: asyncio.Event()}  # ours; ours in the firehose
        self._speaking = asyncio.Lock()

    def open(self) -> None:
        """Listens when it returns. Raises SourceError."""
        if urlsplit(self._url).scheme not in ("amqp", "amqps"):
            raise SourceError(f"a tap takes an amqp:// or amqps:// URL, not {self._place!r}")
        self._thread.start()
        try:
            self._ready.result(2 * PATIENCE)
        except SourceError:
            self._thread.join(PATIENCE)
            raise
        except TROUBLE as error:
            self._thread.join(PATIENCE)  # what the error holds is let go of when its loop is closed, not before
            raise SourceError(f"the message broker at {self._place} cannot be tapped: {_reason(error)}") from error

    def settle(self) -> None:
        """Returns when all that has passed by now was seen: our own message comes after it. Raises SourceError."""
        try:
            asyncio.run_coroutine_threadsafe(self._hear_ourselves(self.firehose, PATIENCE), self._loop).result(2 * PATIENCE)
        except TROUBLE as error:
            raise SourceError(f"the message broker at {self._place} does not answer any more") from error

    def close(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE)

    @property
    def _place(self) -> str:
        """The URL without its password."""
        sent = urlsplit(self._url)
        return f"{sent.scheme}://{sent.netloc.rpartition('@')[2]}{sent.path}"

    # in the tap's thread

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await asyncio.wait_for(self._listen(), PATIENCE)
        except Exception as error:
            self._ready.set_exception(error)
        else:
            self._ready.set_result(None)
            await self._stop.wait()
        finally:
            if self._connection is not None:
                with contextlib.suppress(*TROUBLE):  # the broker may be gone
                    await asyncio.wait_for(self._connection.close(), PATIENCE)

    async def _listen(self) -> None:
        self._connection = await aio_pika.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=False)
        queue = await self._channel.declare_queue(exclusive=True, auto_delete=True)
        self._own = queue.name
        await queue.consume(self._take, no_ack=True)
        self.firehose = self.firehose and await self._has_firehose()
        if not self.firehose:
            for exchange in await self._exchanges():
                for key in self._keys:
                    await queue.bind(exchange, key)
        self.carries_nova = all([await self._allowed(methodcaller("get_queue", name)) for name in WORKERS])

    async def _has_firehose(self) -> bool:
        """Binds to it, where we may, and sees whether it flows: our own message must show."""
        if not await self._allowed(self._bind_trace):
            return False
        try:
            await self._hear_ourselves(True, ECHO)
        except TimeoutError:
            return False
        return True

    async def _bind_trace(self, channel: AbstractChannel) -> None:
        queue = await channel.get_queue(self._own, ensure=False)
        for key in ("publish.#", "deliver.#"):
            await queue.bind(TRACE, key)

    async def _exchanges(self) -> list[str]:
        found = [name for name in EXCHANGES if await self._allowed(methodcaller("get_exchange", name))]
        if not found:
            raise SourceError(f"the message broker at {self._place} has none of the exchanges {', '.join(EXCHANGES)}")
        return found

    async def _allowed(self, wish: Callable[[AbstractChannel], Coroutine[Any, Any, object]]) -> bool:
        """Whether the broker grants it. Asked on a channel of its own: a refusal closes that."""
        assert self._connection is not None
        channel = await self._connection.channel()
        try:
            await wish(channel)
        except AMQPError:
            return False
        await channel.close()
        return True

    async def _hear_ourselves(self, in_firehose: bool, seconds: float) -> None:
        assert self._channel is not None
        echo = self._echoes[in_firehose]
        async with self._speaking:
            echo.clear()
            await self._channel.default_exchange.publish(aio_pika.Message(b"", expiration=PATIENCE), self._own)
            await asyncio.wait_for(echo.wait(), seconds)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if not message.exchange and message.routing_key == self._own:
            self._echoes[False].set()
        elif message.exchange == TRACE:
            self._take_traced(message)
        else:
            self._seen(Frame(self._now(), message.exchange or "", message.routing_key or "", message.body))

    def _take_traced(self, message: AbstractIncomingMessage) -> None:
        """`publish.EXCHANGE` or `deliver.QUEUE`; the headers say the rest."""
        event, _, name = (message.routing_key or "").partition(".")
        keys = message.headers.get("routing_keys")
        key = str(keys[0]) if isinstance(keys, list) and keys else ""
        if self._own in (key, name):
            self._echoes[True].set()
        elif self.firehose:
            delivered = event == "deliver"
            exchange = str(message.headers.get("exchange_name") or "") if delivered else name
            again = bool(message.headers.get("redelivered"))
            self._seen(Frame(self._now(), exchange, key, message.body, name if delivered else "", delivered, again))

    def _now(self) -> float:
        """Seconds since the tap was made: an order, and no time of any other clock."""
        return time.monotonic() - self._start


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
