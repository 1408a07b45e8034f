"""Faulty computes: the launch is lost, nobody counts it, nobody says that it begins."""

from __future__ import annotations

from typing import Any

from mockcloud.bus.memory import MemoryBus
from mockcloud.compute.build import Builds
from mockcloud.compute.errors import BuildAbortException, ComputeResourcesUnavailable
from mockcloud.compute.usage import Tracker
from mockcloud.conductor import manager, other_rows
from mockcloud.mutants import Patch, mutant
from mockcloud.mutants.messages import LAUNCHES
from mockcloud.notifications.servers import ServerNotifier
from mockcloud.nova import views


@mutant("M62", 13, "the message to the compute is lost: BUILD without a trace", ["S13.C1", "S28.C1"], "B")
def message_lost(patch: Patch) -> None:
    def around(publish: Any) -> Any:
        def published(self: MemoryBus, message: Any, exchange: str, key: str, queues: list[str]) -> None:
            lost = message.method in LAUNCHES and key.startswith("compute.")
            publish(self, message, exchange, key, [] if lost else queues)

        return published

    patch.wrap(MemoryBus, "_publish", around)


@mutant("M63", 13, "a compute builds any number of servers at once", ["S13.C4"], "A", ("cells_v2",))
def no_limit(patch: Patch) -> None:
    patch.settings(max_concurrent_builds=0)


@mutant("M156", 13, "what a compute tells is told in another host's name", ["S13.C3"], "Q")
def told_elsewhere(patch: Patch) -> None:
    def around(tell: Any) -> Any:
        async def told(self: ServerNotifier, *args: Any, **more: Any) -> None:
            notifier = self._notifier
            if notifier.service == "compute":
                notifier.host = "elsewhere"
            await tell(self, *args, **more)

        return told

    patch.wrap(ServerNotifier, "_tell", around)


@mutant("M158", 13, "the build is begun twice in the server's actions", ["S13.C2"], "B")
def event_twice(patch: Patch) -> None:
    def around(start: Any) -> Any:
        def started(tx: Any, now: Any, request_id: str, uuid: str, event: str, host: str) -> Any:
            if (first := start(tx, now, request_id, uuid, event, host)) is not None:
                other_rows.close_event(tx, now, request_id, uuid, event, None, None)
            return first and start(tx, now, request_id, uuid, event, host)

        return started

    patch.wrap(manager, "start_event", around)


@mutant("M159", 13, "the compute gets the launch twice", ["S13.C2"], "F")
def launch_twice(patch: Patch) -> None:
    def around(publish: Any) -> Any:
        def published(self: MemoryBus, message: Any, exchange: str, key: str, queues: list[str]) -> None:
            publish(self, message, exchange, key, queues * 2 if message.method in LAUNCHES and key.startswith("compute.") else queues)

        return published

    patch.wrap(MemoryBus, "_publish", around)


@mutant("M157", 11, "hostId tells the host's name to whoever guesses it: the project is not in it", ["S11.C2"], "A")
def bare_host_id(patch: Patch) -> None:
    patch.wrap(views, "host_id", lambda made: lambda project_id, host: made("", host))


@mutant("M74", 18, "what a server takes of its host is not counted", ["S18.C4"], "A")
def not_counted(patch: Patch) -> None:
    patch.replace(Tracker, "claim", lambda self, server_id, wanted: None)


@mutant("M75", 18, "a claim that is refused is the end: the server is not built elsewhere", ["S18.C2"], "A")
def no_second_attempt(patch: Patch) -> None:
    def around(take_room: Any) -> Any:
        def taken(self: Builds, ctx: Any, launch: Any, undo: Any) -> None:
            try:
                take_room(self, ctx, launch, undo)
            except ComputeResourcesUnavailable as error:
                raise BuildAbortException(launch.uuid, str(error)) from error

        return taken

    patch.wrap(Builds, "_take_room", around)


@mutant("M76", 18, "the host is not known before the server is ACTIVE", ["S18.C1", "S11.C2"], "A")
def host_comes_late(patch: Patch) -> None:
    def around(show: Any) -> Any:
        def shown(ctx: Any, row: Any, *more: Any) -> Any:
            return show(ctx, row if row["vm_state"] != "building" else {**row, "host": None, "node": None}, *more)

        return shown

    patch.wrap(views, "show_server_row", around)


@mutant("M77", 18, "the compute says twice that it begins", ["S18.C3", "S28.C6"], "Q")
def begins_twice(patch: Patch) -> None:
    def around(acted: Any) -> Any:
        async def told(self: ServerNotifier, ctx: Any, action: str, *args: Any, **more: Any) -> None:
            for _ in range(2 if action == "create.start" else 1):
                await acted(self, ctx, action, *args, **more)

        return told

    patch.wrap(ServerNotifier, "acted", around)
