"""A cloud on real ports."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn

from mockcloud.cloud import MOUNTS, PORTS, Cloud
from mockcloud.settings import Settings

KEEP_ALIVE = 75  # seconds that a connection may rest, as behind many a proxy: uvicorn closes it after 5, perhaps under a request


class PortTaken(OSError):
    """A port that somebody else listens on: its message is for the user."""


class _Server(uvicorn.Server):
    """Leaves the process's signals alone: several of them share it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only where TCP is said
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def _sockets(settings: Settings) -> dict[str, socket.socket]:
    """One listener for everything (under the name keystone), or one per service. Port 0 takes a free one."""
    wanted = PORTS if settings.ports == "classic" else {"keystone": settings.port}
    if settings.ports == "classic" and settings.port == 0:
        wanted = dict.fromkeys(PORTS, 0)
    made: dict[str, socket.socket] = {}
    try:
        for name, port in wanted.items():
            made[name] = _listen(settings.host, port)
    except PortTaken:
        for listener in made.values():
            listener.close()
        raise
    return made


def _urls(settings: Settings, sockets: dict[str, socket.socket]) -> dict[str, str]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if settings.host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    port = {name: listener.getsockname()[1] for name, listener in sockets.items()}
    if len(sockets) == 1:
        return {name: f"http://{host}:{port['keystone']}{mount}" for name, mount in MOUNTS.items()}
    return {name: f"http://{host}:{port[name]}" for name in MOUNTS}


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Cloud]:
    """A running cloud behind real sockets, for as long as the block lasts. Raises PortTaken and SettingsError."""
    sockets = _sockets(settings)
    try:
        cloud = Cloud(settings, urls=_urls(settings, sockets))
        await cloud.start()
    except BaseException:
        for listener in sockets.values():
            listener.close()
        raise
    servers = []
    for name, listener in sockets.items():
        app: Any = cloud.app if name == "keystone" else cloud.app_of(name)
        config = uvicorn.Config(
            app, interface="asgi3", lifespan="off", log_config=None, access_log=False, server_header=False, timeout_keep_alive=KEEP_ALIVE
        )
        servers.append((_Server(config), listener))
    running = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in servers]
    try:
        while not all(server.started or task.done() for (server, _), task in zip(servers, running, strict=True)):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.001)
        yield cloud
    finally:
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*running, return_exceptions=True)
        await cloud.stop()


async def serve(settings: Settings, ready: Callable[[Cloud], None]) -> None:
    """Serves until SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with serving(settings) as cloud:
        ready(cloud)
        await stopping.wait()
