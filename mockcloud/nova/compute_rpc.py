"""What nova-api tells the computes (docs/rpc.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.bus.base import RemoteError
from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError
from mockcloud.notifications.servers import ServerNotifier
from mockcloud.nova.records import to_message

VERSIONS = {"classic": "2.37", "cells_v2": "6.0"}  # of the computes' methods, by dialect


async def cast(ctx: Context, server: Row, method: str, *, host: str = "", **args: Any) -> None:
    """To the compute of the server's host (or of `host`). The task that its row has been given is told of first."""
    arguments = {"instance": to_message(server), **args}
    if server["task_state"] is not None:
        await notifier(ctx).updated(ctx.request, None, arguments["instance"])
    where = {"server": host or server["host"], "version": VERSIONS[ctx.settings.dialect]}
    await ctx.bus.cast(ctx.request, "compute", method, **where, args=arguments)


def notifier(ctx: Context, service: str = "compute") -> ServerNotifier:
    """nova-api tells of what it saves as computes do, and of new servers as `api`."""
    return ServerNotifier(ctx.bus, ctx.clock, ctx.settings, service)


async def call(ctx: Context, server: Row, method: str, **args: Any) -> Any:
    """Raises RemoteError for what the compute raised, MessagingTimeout when it does not answer."""
    arguments = {"instance": to_message(server), **args}
    return await ctx.bus.call(ctx.request, "compute", method, server=server["host"], version=VERSIONS[ctx.settings.dialect], args=arguments)


async def ask(ctx: Context, server: Row, method: str, refusals: Mapping[str, type[ApiError]], **args: Any) -> Any:
    """A call whose expected errors, by class name, are answers; any other is a fault of ours."""
    try:
        return await call(ctx, server, method, **args)
    except RemoteError as error:
        if error.type in refusals:
            raise refusals[error.type](error.message) from None
        raise
