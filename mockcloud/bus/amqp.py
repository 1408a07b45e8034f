"""The bus over RabbitMQ, as oslo.messaging's rabbit driver uses it: real services may take part.

Topic exchange `nova` (cinder: `openstack`), a queue `topic` that its servers share and one `topic.server` for each, an exchange
`<topic>_fanout`; answers go through the default exchange to the caller's `reply_<hex>`. Every server and every caller has a channel
of its own, one connection carries them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from mockcloud.bus import seam
from mockcloud.bus.base import EXCHANGE, EXCHANGES, Message, MessagingTimeout, Notification, Reply, new_message_id
from mockcloud.bus.broker import DIRECT, Broker, Exchange, Unroutable, declare, fanout_of, if_it_still_can_be
from mockcloud.bus.calls import Calls
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.trace import FaultTable, Recorder, current_scope

log = logging.getLogger(__name__)

REPLY_TTL = 1_800_000  # ms until a reply queue without its caller goes; oslo.messaging's rabbit_transient_queues_ttl
MISSING_CALLER_LIMIT = 60.0  # seconds in which an answer looks for its queue; kombu_missing_consumer_retry_timeout
MISSING_CALLER_PAUSE = 0.25
REMEMBERED = 10_000  # messages


class AmqpBus:
    """`timeout` is how long a call waits for its answer and anything for the broker, in seconds of the cloud's clock.

    `durable` queues outlive the broker's restart; those who share one must agree on it.
    """

    def __init__(self, url: str, clock: Clock, recorder: Recorder, faults: FaultTable, timeout: float = 60.0, durable: bool = True) -> None:
        self._durable = durable
        self._clock, self._recorder, self._faults, self._timeout = clock, recorder, faults, timeout
        self._broker = Broker(url, clock)
        self._calls = Calls()
        self._replies: dict[tuple[str, str], ReplyQueue] = {}
        self._serving: set[Consumer] = set()
        self._queues: dict[str, None] = {}  # of this cloud, in order
        self._published: OrderedDict[str, int] = OrderedDict()  # unique id -> the fact of its publication

    async def ready(self) -> None:
        await self._broker.ready()

    async def depth(self, queue: str) -> int:
        return await self._broker.depth(queue)

    async def call(
        self,
        ctx: RequestContext,
        topic: str,
        method: str,
        *,
        server: str | None = None,
        namespace: str | None = None,
        version: str = "1.0",
        timeout: float | None = None,
        args: dict[str, Any] | None = None,
    ) -> Any:
        limit = (self._timeout if timeout is None else timeout) / self._clock.speed
        message = Message(method, args or {}, ctx.to_dict(), version, namespace)
        message.msg_id, message.reply_q = new_message_id(), self._reply_queue()
        return await self._calls.result(message, limit, functools.partial(self._send, topic, server, message, limit))

    async def cast(
        self,
        ctx: RequestContext,
        topic: str,
        method: str,
        *,
        server: str | None = None,
        namespace: str | None = None,
        version: str = "1.0",
        args: dict[str, Any] | None = None,
    ) -> None:
        await self._send(topic, server, Message(method, args or {}, ctx.to_dict(), version, namespace))

    async def fanout(
        self,
        ctx: RequestContext,
        topic: str,
        method: str,
        *,
        namespace: str | None = None,
        version: str = "1.0",
        args: dict[str, Any] | None = None,
    ) -> None:
        message = Message(method, args or {}, ctx.to_dict(), version, namespace)
        with seam.publication(message, f"{topic}_fanout", "") as fact:
            self._remember(message, fact.id if fact else None)
            await self._publish(fanout_of(topic), "", message.encode())

    async def notify(self, ctx: RequestContext, exchange: str, topic: str, event: Notification) -> None:
        key = event.routing_key(topic)
        self._queues[key] = None
        with seam.notification(event, exchange, topic):
            try:
                await self._publish(Exchange(exchange), key, event.encode(ctx), queue=key)
            except MessagingTimeout:
                log.error("could not send the notification %s", event.event_type)

    def serve(self, topic: str, server: str, endpoint: object, *, service: str = "", prefetch: int = 0) -> Consumer:
        station = seam.Station(endpoint, service or topic, server, self._recorder, self._faults)
        self._queues |= {topic: None, f"{topic}.{server}": None}
        consumer = Consumer(self, topic, server, station, prefetch)
        self._serving.add(consumer)
        self._broker.add(consumer)
        return consumer

    async def close(self, keep: bool = False) -> None:
        for consumer in list(self._serving):
            await consumer.kill()
        replies = [queue.name for queue in self._replies.values()]
        for queue in self._replies.values():
            await self._broker.remove(queue)
        await self._broker.close(replies if keep else [*self._queues, *replies])

    def _reply_queue(self) -> str:
        """The caller's own: components that would be processes elsewhere do not share one."""
        scope = current_scope()
        place = (scope.service, scope.host) if scope else ("", "")
        if (queue := self._replies.get(place)) is None:
            queue = self._replies[place] = ReplyQueue(f"reply_{new_message_id()}", self._calls, self._durable)
            self._broker.add(queue)
        return queue.name

    async def _send(self, topic: str, server: str | None, message: Message, expiration: float | None = None) -> None:
        key = f"{topic}.{server}" if server else topic
        exchange = EXCHANGES.get(topic, EXCHANGE)
        with seam.publication(message, exchange, key) as fact:
            self._remember(message, fact.id if fact else None)
            await self._publish(Exchange(exchange), key, message.encode(), expiration=expiration)

    def _remember(self, message: Message, fact: int | None) -> None:
        if fact is not None:
            self._published[message.unique_id] = fact
            if len(self._published) > REMEMBERED:
                self._published.popitem(last=False)

    async def _publish(self, exchange: Exchange, key: str, body: bytes, *, queue: str = "", expiration: float | None = None) -> None:
        try:
            async with asyncio.timeout(self._timeout / self._clock.speed):
                await self._broker.publish(exchange, key, body, queue=queue, expiration=expiration)
        except TimeoutError:
            raise MessagingTimeout(f"Timed out sending to {key or exchange.name}: no message broker at {self._broker.where}") from None

    async def _reply(self, reply: Reply, queue: str | None) -> None:
        """A caller whose queue is not there may still be connecting again."""
        with seam.reply(reply, queue or ""):
            due = self._clock.time() + MISSING_CALLER_LIMIT
            while queue and self._clock.time() < due:
                try:
                    await self._broker.publish(DIRECT, queue, reply.encode(), mandatory=True)
                except Unroutable:
                    await self._clock.sleep(MISSING_CALLER_PAUSE)
                else:
                    return
            log.error("nobody takes the answer %s: there is no queue %s", reply.msg_id, queue)


class ReplyQueue:
    """Where the answers to one caller's calls arrive."""

    def __init__(self, name: str, calls: Calls, durable: bool) -> None:
        self.name, self._calls, self._durable = name, calls, durable

    async def attach(self, channel: AbstractChannel) -> None:
        queue = await channel.declare_queue(self.name, durable=self._durable, arguments={"x-expires": REPLY_TTL})
        await queue.consume(self._take)

    async def _take(self, delivery: AbstractIncomingMessage) -> None:
        await _acknowledge(delivery)
        reply = Reply.decode(delivery.body)
        if reply.ending:
            self._calls.answer(reply.msg_id, delivery.body)


@dataclass(slots=True)
class Handling:
    """A message at work. It may come again, when the connection was lost meanwhile: the latest delivery is the one to acknowledge."""

    delivery: AbstractIncomingMessage
    task: asyncio.Task[None] | None = None


class Consumer:
    """Runs each message in a task of its own, at most `prefetch` of a queue at once (0: no limit), and acknowledges it at the end."""

    def __init__(self, bus: AmqpBus, topic: str, server: str, station: seam.Station, prefetch: int) -> None:
        self._bus, self._topic, self._server, self._station, self._prefetch = bus, topic, server, station, prefetch
        self._handling: dict[str, Handling] = {}
        self._done: OrderedDict[str, None] = OrderedDict()  # messages that may come again because their acknowledgement was lost
        self._killed = False

    async def attach(self, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=self._prefetch)
        exchange = await declare(channel, Exchange(EXCHANGES.get(self._topic, EXCHANGE)))
        for key in (self._topic, f"{self._topic}.{self._server}"):
            queue = await channel.declare_queue(key, durable=self._bus._durable)
            await queue.bind(exchange, key)
            await queue.consume(self._take)
        heard_by_all = await channel.declare_queue(f"{self._topic}_fanout_{new_message_id()}", auto_delete=True)
        await heard_by_all.bind(await declare(channel, fanout_of(self._topic)), self._topic)
        await heard_by_all.consume(self._take)

    async def kill(self) -> None:
        """What is unfinished goes back when its channel closes."""
        self._killed = True
        self._bus._serving.discard(self)
        tasks = [handling.task for handling in self._handling.values() if handling.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._bus._broker.remove(self)

    async def _take(self, delivery: AbstractIncomingMessage) -> None:
        if self._killed:
            return
        try:
            message = Message.decode(delivery.body)
        except (ValueError, KeyError, TypeError) as error:
            log.error("%s on %s got what is no message: %s", self._station.service, self._station.host, type(error).__name__)
            await delivery.reject()
            return
        unique_id = message.unique_id or new_message_id()
        if (again := self._handling.get(unique_id)) is not None:
            again.delivery = delivery
        elif unique_id in self._done:
            await _acknowledge(delivery)
        else:
            handling = self._handling[unique_id] = Handling(delivery)
            handling.task = asyncio.get_running_loop().create_task(self._run(unique_id, message, handling))

    async def _run(self, unique_id: str, message: Message, handling: Handling) -> None:
        try:
            async with _signs_of_life(self._bus, message):
                published = self._bus._published.get(unique_id)
                await self._station.handle(
                    message, bool(handling.delivery.redelivered), published, lambda reply: self._bus._reply(reply, message.reply_q)
                )
        finally:
            del self._handling[unique_id]
        self._done[unique_id] = None
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        await _acknowledge(handling.delivery)


@contextlib.asynccontextmanager
async def _signs_of_life(bus: AmqpBus, message: Message) -> AsyncIterator[None]:
    """A caller that set call_monitor_timeout gives up when it hears nothing for so long."""
    if not message.timeout or not message.msg_id:
        yield
        return

    async def beat(pause: float) -> None:
        while True:
            await bus._clock.sleep(pause)
            await bus._reply(Reply(message.msg_id or "", ending=False), message.reply_q)

    beating = asyncio.get_running_loop().create_task(beat(message.timeout / 2))
    try:
        yield
    finally:
        beating.cancel()


async def _acknowledge(delivery: AbstractIncomingMessage) -> None:
    """Over a lost connection it cannot be: the message comes again, and is known."""
    with if_it_still_can_be():
        await delivery.ack()
