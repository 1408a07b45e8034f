"""Who does the work behind the API, and how it is told."""

from __future__ import annotations

from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.context import Context

SCHEDULER_TOPIC = "cinder-scheduler"
VOLUME_TOPIC = "cinder-volume"
VERSION = "3.0"
HOST = "controller"
BACKEND = "lvmdriver-1"
ZONE = "nova"


def server_of(volume: Row) -> str:
    """host@backend of a volume's host@backend#pool."""
    return str(volume["host"]).partition("#")[0]


async def cast_scheduler(ctx: Context, method: str, **args: Any) -> None:
    await ctx.bus.cast(ctx.request, SCHEDULER_TOPIC, method, version=VERSION, args=args)


async def cast_manager(ctx: Context, volume: Row, method: str, **args: Any) -> None:
    await ctx.bus.cast(ctx.request, VOLUME_TOPIC, method, server=server_of(volume), version=VERSION, args=args)


async def call_manager(ctx: Context, volume: Row, method: str, **args: Any) -> Any:
    return await ctx.bus.call(ctx.request, VOLUME_TOPIC, method, server=server_of(volume), version=VERSION, args=args)


async def call_scheduler(ctx: Context, method: str, **args: Any) -> Any:
    return await ctx.bus.call(ctx.request, SCHEDULER_TOPIC, method, version=VERSION, args=args)
