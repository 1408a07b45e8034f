"""The connection with RabbitMQ: made, lost, and made again, with everything that stood on it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AuthenticationError, InvalidFrameError, ProbableAuthenticationError, PublishError

from mockcloud.clock import Clock
from mockcloud.settings import SettingsError

log = logging.getLogger(__name__)

CONNECT_LIMIT = 10.0  # real seconds
CLOSE_LIMIT = 5.0  # real seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds of the cloud's clock between two attempts to connect
AMQP_PORT = 5672


class Unroutable(Exception):
    """No queue takes the message."""


class Exchange(NamedTuple):
    """As oslo.messaging declares it, so that both may: nothing durable."""

    name: str
    type: str = "topic"
    auto_delete: bool = False


DIRECT = Exchange("", "direct")  # the default exchange: the routing key is the queue's name


def fanout_of(topic: str) -> Exchange:
    return Exchange(f"{topic}_fanout", "fanout", auto_delete=True)


class Subscriber(Protocol):
    """Has queues and takes messages out of them."""

    async def attach(self, channel: AbstractChannel) -> None:
        """Declares and consumes, on a channel of its own; awaited again on every new connection."""


@dataclass(slots=True)
class Link:
    """One connection while it lasts, with the channel that everybody publishes on."""

    connection: AbstractConnection
    channel: AbstractChannel
    declared: set[str] = field(default_factory=set)  # exchanges that stay, and queues
    complete: bool = False  # every subscriber of the time when it was made is attached

    async def publish(self, exchange: Exchange, key: str, message: aio_pika.Message, queue: str, mandatory: bool) -> None:
        if exchange.name and exchange.name not in self.declared:
            await declare(self.channel, exchange)
            if not exchange.auto_delete:
                self.declared.add(exchange.name)
        if queue and queue not in self.declared:
            await (await self.channel.declare_queue(queue)).bind(exchange.name, key)
            self.declared.add(queue)
        target = await self.channel.get_exchange(exchange.name, ensure=False)
        await target.publish(message, key, mandatory=mandatory)


async def declare(channel: AbstractChannel, exchange: Exchange) -> aio_pika.abc.AbstractExchange:
    return await channel.declare_exchange(exchange.name, exchange.type, auto_delete=exchange.auto_delete)


class Broker:
    """Publishes, and keeps the subscribers attached, over as many connections as it takes."""

    def __init__(self, url: str, clock: Clock) -> None:
        parts = urlsplit(url)
        self._url = parts._replace(scheme=parts.scheme.replace("rabbit", "amqp")).geturl()
        self.where = f"{parts.hostname}:{parts.port or AMQP_PORT}{parts.path}"
        self._clock = clock
        self._subscribers: dict[Subscriber, AbstractChannel | None] = {}
        self._attaching: set[asyncio.Task[None]] = set()
        self._link: Link | None = None
        self._broken: Link | None = None
        self._closed = False
        self._opening = asyncio.Lock()
        self._ready, self._lost = asyncio.Event(), asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Connected, with every subscriber attached. Raises SettingsError when the first connection cannot be made."""
        if self._closed:
            raise RuntimeError("the bus is closed")
        if self._keeper is None:
            async with self._opening:
                if self._keeper is None:
                    await self._open()
        await self._ready.wait()

    async def _open(self) -> None:
        for name in ("aiormq", "aio_pika"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what they have to say is said here, and not with every frame's content
        try:
            await self._connect()
        except CONNECTION_EXCEPTIONS as error:
            raise SettingsError(f"cannot use the message broker at {self.where}: {_reason(error)}") from error
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    def add(self, subscriber: Subscriber) -> None:
        self._subscribers[subscriber] = None
        if self._link is not None:
            self._ready.clear()
            task = asyncio.get_running_loop().create_task(self._add(self._link, subscriber))
            self._attaching.add(task)

    async def remove(self, subscriber: Subscriber) -> None:
        """What it has taken and not acknowledged goes back to its queue."""
        channel = self._subscribers.pop(subscriber, None)
        if channel is not None and not await _close(channel) and self._link is not None:
            self._break(self._link, TimeoutError())

    async def publish(
        self, exchange: Exchange, key: str, body: bytes, *, queue: str = "", mandatory: bool = False, expiration: float | None = None
    ) -> None:
        """Returns when the broker has it, however often the connection is lost until then.

        `queue` is declared and bound if nobody has; `mandatory`: raises Unroutable when no queue takes it; `expiration` in seconds.
        """
        message = aio_pika.Message(
            body,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            priority=0,
            expiration=expiration,
        )
        while True:
            link = await self._linked()
            try:
                with over_the_wire():
                    await link.publish(exchange, key, message, queue, mandatory)
                return
            except PublishError as error:
                raise Unroutable(key) from error
            except CONNECTION_EXCEPTIONS as error:
                self._break(link, error)

    async def depth(self, queue: str) -> int:
        """Messages that nobody has taken; 0 where there is no such queue."""
        channel = await (await self._linked()).connection.channel()
        try:
            return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return 0
        finally:
            await channel.close()

    async def close(self, queues: Iterable[str] = ()) -> None:
        """Deletes those queues on the way out, but for what somebody else consumes."""
        self._closed = True
        if self._keeper is not None:
            for task in (self._keeper, *self._attaching):
                task.cancel()
            await asyncio.gather(self._keeper, *self._attaching, return_exceptions=True)
        link, self._link = self._link, None
        if link is not None:
            for queue in queues:
                await _delete(link.connection, queue)
            await _close(link.connection)

    async def _linked(self) -> Link:
        while True:
            await self.ready()
            if self._link is not None:
                return self._link

    async def _connect(self) -> None:
        self._lost.clear()
        with over_the_wire():
            connection = aio_pika.Connection(aio_pika.connection.make_url(self._url))
            try:
                await connection.connect(timeout=CONNECT_LIMIT)
                link = self._link = Link(connection, await connection.channel(on_return_raises=True))
                connection.close_callbacks.add(lambda _, error: self._break(link, error))
                link.channel.close_callbacks.add(lambda _, error: self._break(link, error))
                for subscriber in list(self._subscribers):
                    await self._attach(link, subscriber)
                link.complete = True
            except BaseException:
                self._link = None
                await _close(connection)
                raise
        self._settle()

    async def _add(self, link: Link, subscriber: Subscriber) -> None:
        try:
            with over_the_wire():
                await self._attach(link, subscriber)
        except CONNECTION_EXCEPTIONS as error:
            self._break(link, error)
        self._attaching -= {asyncio.current_task()}
        self._settle()

    async def _attach(self, link: Link, subscriber: Subscriber) -> None:
        """A subscriber whose channel is closed, by whomever, gets another one with the next connection."""
        channel = await link.connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(lambda _, error: self._break(link, error) if subscriber in self._subscribers else None)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self._break(link, ConnectionError("a queue was deleted")))
        await subscriber.attach(channel)
        if subscriber in self._subscribers:
            self._subscribers[subscriber] = channel
        else:
            await _close(channel)

    def _settle(self) -> None:
        if self._link is not None and self._link.complete and not self._attaching:
            self._ready.set()

    def _break(self, link: Link, error: BaseException | None) -> None:
        if link is self._link:
            self._link, self._broken = None, link
            self._subscribers = dict.fromkeys(self._subscribers)
            self._ready.clear()
            self._lost.set()
            log.warning("lost the message broker at %s: %s", self.where, _reason(error))

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            pause = FIRST_PAUSE
            while self._link is None:
                if self._broken is not None:
                    await _close(self._broken.connection)
                try:
                    await self._connect()
                except CONNECTION_EXCEPTIONS:
                    await self._clock.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
            log.warning("the message broker at %s is back", self.where)


async def _close(what: AbstractConnection | AbstractChannel) -> bool:
    """Whether it worked."""
    try:
        with over_the_wire():
            async with asyncio.timeout(CLOSE_LIMIT):  # aiormq waits a minute when the connection is lost meanwhile
                await what.close()
    except CONNECTION_EXCEPTIONS:
        return False
    return True


async def _delete(connection: AbstractConnection, queue: str) -> None:
    with if_it_still_can_be():
        async with connection.channel() as channel:
            await channel.queue_delete(queue, if_unused=True, timeout=CLOSE_LIMIT)


@contextlib.contextmanager
def over_the_wire() -> Iterator[None]:
    """Those who wait for a lost connection may be told so by aiormq with a CancelledError that nobody asked for, or a bare Exception."""
    try:
        yield
    except asyncio.CancelledError as error:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection was lost") from error
    except Exception as error:
        if type(error) is Exception:
            raise ConnectionError("the connection was lost") from error
        raise


@contextlib.contextmanager
def if_it_still_can_be() -> Iterator[None]:
    """For what a lost connection does by itself, or makes needless."""
    with contextlib.suppress(*CONNECTION_EXCEPTIONS), over_the_wire():
        yield


def _reason(error: BaseException | None) -> str:
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        return "it refuses the user name or the password"
    if isinstance(error, InvalidFrameError):  # all that aiormq tells of a refused Connection.Open
        return "it has no such virtual host, or not for this user"
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:  # AMQP's own codes begin above
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
