"""The bus in this process: queues, at-least-once delivery, and a fact for every message that passes."""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from mockcloud.bus import seam
from mockcloud.bus.base import EXCHANGE, EXCHANGES, Message, Notification, Reply, new_message_id
from mockcloud.bus.calls import Calls
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.trace import FaultTable, Recorder, current_scope


@dataclass(slots=True)
class Delivery:
    data: bytes
    parent: int | None = None  # the fact of its publication
    redelivered: bool = False


class Queue:
    """Keeps messages until a consumer takes them, also when there is none yet."""

    def __init__(self) -> None:
        self.waiting: deque[Delivery] = deque()
        self.arrived = asyncio.Event()

    def put(self, delivery: Delivery, first: bool = False) -> None:
        (self.waiting.appendleft if first else self.waiting.append)(delivery)
        self.arrived.set()

    async def take(self) -> Delivery:
        while not self.waiting:
            self.arrived.clear()
            await self.arrived.wait()
        return self.waiting.popleft()


class MemoryBus:
    """`timeout` is how long a call waits, in seconds of the cloud's clock."""

    def __init__(self, clock: Clock, recorder: Recorder, faults: FaultTable, timeout: float = 60.0) -> None:
        self._clock, self._recorder, self._faults, self._timeout = clock, recorder, faults, timeout
        self._queues: defaultdict[str, Queue] = defaultdict(Queue)
        self._calls = Calls()
        self._serving: set[Consumer] = set()
        self._servers: defaultdict[str, set[str]] = defaultdict(set)

    async def ready(self) -> None:
        """It always is."""

    async def depth(self, queue: str) -> int:
        return len(self._queues[queue].waiting) if queue in self._queues else 0

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
        message.msg_id = new_message_id()
        scope = current_scope()
        message.reply_q = f"reply_{scope.service}.{scope.host}" if scope else "reply"
        return await self._calls.result(message, limit, functools.partial(self._send, topic, server, message))

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
        self._publish(message, f"{topic}_fanout", "", [f"{topic}.{server}" for server in self._servers[topic]])

    async def notify(self, ctx: RequestContext, exchange: str, topic: str, event: Notification) -> None:
        """Nobody in this process listens: what a tap would see is all there is of it."""
        with seam.notification(event, exchange, topic):
            pass

    def serve(self, topic: str, server: str, endpoint: object, *, service: str = "", prefetch: int = 0) -> Consumer:
        self._servers[topic].add(server)
        queues = [self._queues[topic], self._queues[f"{topic}.{server}"]]
        station = seam.Station(endpoint, service or topic, server, self._recorder, self._faults)
        consumer = Consumer(self, queues, station, prefetch)
        self._serving.add(consumer)
        return consumer

    async def close(self, keep: bool = False) -> None:
        """Nothing is kept: it ends with the process."""
        for consumer in list(self._serving):
            await consumer.kill()

    async def _send(self, topic: str, server: str | None, message: Message) -> None:
        key = f"{topic}.{server}" if server else topic
        self._publish(message, EXCHANGES.get(topic, EXCHANGE), key, [key])

    def _publish(self, message: Message, exchange: str, key: str, queues: list[str]) -> None:
        with seam.publication(message, exchange, key) as fact:
            for queue in queues:
                self._queues[queue].put(Delivery(message.encode(), fact.id if fact else None))

    async def _reply(self, reply: Reply, queue: str | None) -> None:
        with seam.reply(reply, queue or ""):
            self._calls.answer(reply.msg_id, reply.encode())


class Consumer:
    """Takes messages from its queues and runs each in a task of its own, at most `prefetch` at once (0: no limit)."""

    def __init__(self, bus: MemoryBus, queues: list[Queue], station: seam.Station, prefetch: int) -> None:
        self._bus, self._station = bus, station
        self._room = asyncio.Semaphore(prefetch) if prefetch else None
        self._handling: dict[asyncio.Task[None], tuple[Queue, Delivery]] = {}
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._consume(queue)) for queue in queues]

    async def kill(self) -> None:
        for task in self._loops:
            task.cancel()
        handling = dict(self._handling)
        for task in handling:
            task.cancel()
        await asyncio.gather(*self._loops, *handling, return_exceptions=True)
        for task, (queue, delivery) in reversed(handling.items()):
            if task.cancelled():
                queue.put(Delivery(delivery.data, delivery.parent, redelivered=True), first=True)
        self._bus._serving.discard(self)

    async def _consume(self, queue: Queue) -> None:
        while True:
            delivery = await queue.take()
            if self._room:
                try:
                    await self._room.acquire()
                except asyncio.CancelledError:
                    queue.put(delivery, first=True)
                    raise
            task = asyncio.get_running_loop().create_task(self._handle(delivery))
            self._handling[task] = (queue, delivery)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._handling.pop(task, None)
        if self._room:
            self._room.release()

    async def _handle(self, delivery: Delivery) -> None:
        message = Message.decode(delivery.data)
        await self._station.handle(message, delivery.redelivered, delivery.parent, lambda reply: self._bus._reply(reply, message.reply_q))
