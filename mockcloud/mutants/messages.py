"""Faulty messages: what is sent over the bus, to whom, how often, and in whose name."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select

from mockcloud.bus import seam
from mockcloud.bus.memory import Consumer, Delivery, MemoryBus
from mockcloud.conductor import cells
from mockcloud.conductor.task import ComputeTask
from mockcloud.context import RequestContext
from mockcloud.mutants import Patch, mutant
from mockcloud.notifications.scheduling import SchedulingNotifier
from mockcloud.nova import server_launch, servers
from mockcloud.nova.api_tables import build_requests
from mockcloud.nova.records import to_message
from mockcloud.objects import DATA
from mockcloud.trace import current_scope

LAUNCHES = ("run_instance", "build_and_run_instance")
CELLS = ("cells_v2",)


class _Straight:
    """Stands for a message that was never sent: keeps what would have been the reply."""

    redelivered = False

    def __init__(self) -> None:
        self.value: Any = None

    async def reply(self, value: Any) -> None:
        self.value = value


@mutant("M33", 8, "the scheduler is not asked over the bus: the host is fixed", ["S08.C1", "S10.C2", "S10.C3"], "Q")
def scheduler_skipped(patch: Patch) -> None:
    clouds: list[Any] = []
    patch.when_built(clouds.append)

    def around(call: Any) -> Any:
        async def called(self: MemoryBus, ctx: RequestContext, topic: str, method: str, **options: Any) -> Any:
            if method not in ("run_instance", "select_destinations"):
                return await call(self, ctx, topic, method, **options)
            host, args, straight = clouds[-1].settings.hosts[0].name, options["args"], _Straight()
            if method == "run_instance":
                args["filter_properties"]["force_hosts"] = [host]
            else:
                args["spec_obj"][DATA]["force_hosts"] = [host]
            await getattr(clouds[-1].workers["scheduler"].endpoint, method)(ctx, straight, **args)
            return straight.value

        return called

    patch.wrap(MemoryBus, "call", around)


@mutant("M34", 8, "the message that is to be a call is a cast, or the reverse", ["S08.C2", "S12.C1"], "Q")
def call_and_cast_exchanged(patch: Patch) -> None:
    def cast_instead(call: Any) -> Any:
        async def called(self: MemoryBus, ctx: RequestContext, topic: str, method: str, **options: Any) -> Any:
            if (topic, method) != ("scheduler", "run_instance"):
                return await call(self, ctx, topic, method, **options)
            await self.cast(ctx, topic, method, **options)
            return []

        return called

    def call_instead(cast: Any) -> Any:
        async def sent(self: MemoryBus, ctx: RequestContext, topic: str, method: str, **options: Any) -> None:
            if method != "schedule_and_build_instances":
                return await cast(self, ctx, topic, method, **options)  # type: ignore[no-any-return]
            await self.call(ctx, topic, method, **options)
            return None

        return sent

    patch.wrap(MemoryBus, "call", cast_instead)
    patch.wrap(MemoryBus, "cast", call_instead)


@mutant("M35", 8, "the scheduler is asked once for each server of a request", ["S08.C5"], "Q")
def one_request_each(patch: Patch) -> None:
    def in_classic(call: Any) -> Any:
        async def called(ctx: Any, launch: Any, rows: list[Any]) -> Any:
            return [await call(ctx, launch, [row]) for row in rows]

        return called

    def in_cells(call: Any) -> Any:
        async def called(self: ComputeTask, ctx: RequestContext, spec: Any, uuids: list[str]) -> Any:
            return [(await call(self, ctx, spec, [uuid]))[0] for uuid in uuids]

        return called

    patch.wrap(server_launch, "_call_scheduler", in_classic)
    patch.wrap(ComputeTask, "_call_scheduler", in_cells)


@mutant("M36", 8, "messages carry the identity of nova's own user", ["S08.C1", "S14.C4"], "Q")
def service_users_context(patch: Patch) -> None:
    own = {"user_id": "5e7" * 10 + "ce", "project_id": "5e7" * 10 + "00"}

    def around(publish: Any) -> Any:
        def published(self: MemoryBus, message: Any, *args: Any) -> None:
            message.context = message.context | own
            publish(self, message, *args)

        return published

    patch.wrap(MemoryBus, "_publish", around)


@mutant("M37", 8, "a scheduler that does not answer leaves the server in BUILD for ever", ["S08.C4"], "H")
def nobody_gives_up(patch: Patch) -> None:
    async def nothing(*args: Any) -> None:
        """Nobody writes that it failed."""

    patch.replace(server_launch, "fail_entries", lambda *args: [])
    patch.replace(ComputeTask, "_give_up", nothing)


@mutant("M38", 9, "two schedulers take the same request", ["S09.C1"], "F")
def taken_twice(patch: Patch) -> None:
    def around(publish: Any) -> Any:
        def published(self: MemoryBus, message: Any, exchange: str, key: str, queues: list[str]) -> None:
            publish(self, message, exchange, key, queues * 2 if key == "scheduler" else queues)

        return published

    patch.wrap(MemoryBus, "_publish", around)


@mutant("M40", 9, "the scheduler does not say that it begins", ["S09.C2"], "Q")
def start_untold(patch: Patch) -> None:
    def around(choosing: Any) -> Any:
        async def told(self: SchedulingNotifier, ctx: RequestContext, what: str, *args: Any, **more: Any) -> None:
            if not what.endswith(".start"):
                await choosing(self, ctx, what, *args, **more)

        return told

    patch.wrap(SchedulingNotifier, "choosing", around)


@mutant("M150", 9, "the scheduler's request stays in its queue, and comes again", ["S09.C3"], "Q")
def delivered_again(patch: Patch) -> None:
    def around(done: Any) -> Any:
        def finished(self: Consumer, task: Any) -> None:
            queue, delivery = self._handling[task]
            if self._station.service == "nova-scheduler" and not delivery.redelivered:
                queue.put(Delivery(delivery.data, delivery.parent, redelivered=True))
            done(self, task)

        return finished

    patch.wrap(Consumer, "_done", around)


@mutant("M55", 12, "the launch is sent before the scheduler's answer", ["S12.C3", "S11.C1"], "F")
def answer_comes_late(patch: Patch) -> None:
    """Who asked learns the answer by another way, and the bus carries it later."""

    def around(reply: Any) -> Any:
        async def replied(self: MemoryBus, answer: Any, queue: str | None) -> None:
            scope = current_scope()
            if scope is None or scope.service != "nova-scheduler":
                return await reply(self, answer, queue)  # type: ignore[no-any-return]

            async def later() -> None:
                await asyncio.sleep(0.1)
                with seam.reply(answer, queue or ""):
                    pass

            self._calls.answer(answer.msg_id, answer.encode())
            late.append(asyncio.get_running_loop().create_task(later()))
            return None

        return replied

    late: list[asyncio.Task[None]] = []
    patch.wrap(MemoryBus, "_reply", around)


@mutant("M57", 12, "the compute is called: the sender waits until the server runs", ["S12.C1", "S03.C2"], "Q")
def compute_is_called(patch: Patch) -> None:
    def around(cast: Any) -> Any:
        async def sent(self: MemoryBus, ctx: RequestContext, topic: str, method: str, **options: Any) -> None:
            if topic == "compute" and method in LAUNCHES:
                await self.call(ctx, topic, method, **options)
            else:
                await cast(self, ctx, topic, method, **options)

        return sent

    patch.wrap(MemoryBus, "cast", around)


@mutant("M58", 12, "deleting a server that is being scheduled does not stop its launch", ["S12.C5"], "B")
def deletion_ignored(patch: Patch) -> None:
    def around(destroy: Any) -> Any:
        async def destroyed(ctx: Any, server: Any) -> None:
            if server["task_state"] != "scheduling":
                await destroy(ctx, server)

        return destroyed

    patch.wrap(servers, "destroy", around)


@mutant("M59", 12, "what is sent to a compute that is away is lost", ["S12.C2"], "H")
def dropped_message(patch: Patch) -> None:
    def around(publish: Any) -> Any:
        def published(self: MemoryBus, message: Any, exchange: str, key: str, queues: list[str]) -> None:
            alive = {f"compute.{consumer._station.host}" for consumer in self._serving}
            publish(self, message, exchange, key, [queue for queue in queues if not queue.startswith("compute.") or queue in alive])

        return published

    patch.wrap(MemoryBus, "_publish", around)


@mutant("M60", 12, "the cell's rows are written after the compute was told", ["S12.C4"], "P", CELLS)
def rows_come_late(patch: Patch) -> None:
    async def build(self: ComputeTask, ctx: RequestContext, uuid: str, hosts: list[Any], build: Any) -> None:
        with self._db.transaction() as tx:
            server = tx.one(select(build_requests).where(build_requests.c.uuid == uuid))
        if server is not None:
            await self._launch(ctx, {k: v for k, v in to_message(server).items() if k != "block_device_mappings"}, hosts, build)
            with self._db.transaction() as tx:
                cells.move_in(tx, self._clock.now(), ctx, uuid)

    patch.replace(ComputeTask, "_build", build)
