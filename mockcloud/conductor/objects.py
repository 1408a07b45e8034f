"""What computes of the dialect cells_v2 call: methods of objects, each of which means one of the conductor's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.bus.base import Incoming, RemoteError
from mockcloud.conductor.errors import RequestLost
from mockcloud.context import RequestContext
from mockcloud.objects import BY_OBJECT, NAME, data_of
from mockcloud.trace import step

Json = dict[str, Any]
BEGINS = ["scheduling", None]  # the task states that the first save of a build expects


class Objects:
    """`manager` has the methods that REMOTABLES (mockcloud.objects) names."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def object_class_action_versions(
        self, ctx: RequestContext, objname: str, objmethod: str, object_versions: Json, args: list[Any], kwargs: Json
    ) -> Any:
        return await self._perform(ctx, objname, objmethod, {}, kwargs)

    async def object_action(
        self, ctx: RequestContext, incoming: Incoming, objinst: Json, objmethod: str, args: list[Any], kwargs: Json
    ) -> Any:
        """What the object has become, and what the method returned."""
        if kwargs.get("expected_task_state") == BEGINS:
            return await self._begin_build(ctx, incoming, objinst, objmethod, kwargs)
        return [await self._perform(ctx, objinst[NAME], objmethod, data_of(objinst), kwargs), None]

    async def _perform(self, ctx: RequestContext, name: str, act: str, fields: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        remotable = BY_OBJECT.get((name, act))
        if remotable is None:
            raise RemoteError("UnsupportedObjectError", f"Unsupported object type {name} or method {act}")
        return await getattr(self._manager, remotable.performs or remotable.method)(ctx, **remotable.arguments(fields, options))

    # steps 15 to 17, the first time

    async def _begin_build(self, ctx: RequestContext, incoming: Incoming, objinst: Json, objmethod: str, kwargs: Json) -> None:
        wanted = await self._take_request(ctx, objinst)
        if wanted is None:  # a fault has lost the request
            return
        row = await self._save(ctx, wanted, objmethod, kwargs)
        if row is None:
            raise RequestLost(f"The request for server {data_of(wanted)['uuid']} was lost on its way to the database.")
        await self._return(ctx, incoming, row)

    @step(15)
    async def _take_request(self, ctx: RequestContext, objinst: Json) -> Json | None:
        """nova-conductor picks the request from the queue."""
        return objinst

    @step(16)
    async def _save(self, ctx: RequestContext, objinst: Json, objmethod: str, kwargs: Json) -> Json:
        """It writes to the cell's database, if the server is in the expected state."""
        row: Json = await self._perform(ctx, objinst[NAME], objmethod, data_of(objinst), kwargs)
        return row

    @step(17)
    async def _return(self, ctx: RequestContext, incoming: Incoming, row: Json) -> None:
        """It returns what the object has become."""
        await incoming.reply([row, None])
