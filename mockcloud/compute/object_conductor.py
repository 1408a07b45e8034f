"""The same way to the database in the dialect cells_v2: objects' methods, performed by the conductor."""

from __future__ import annotations

from typing import Any

from mockcloud.compute.conductor import Conductor
from mockcloud.context import RequestContext
from mockcloud.objects import BY_METHOD, VERSIONS, primitive

VERSION = "3.0"


class ObjectConductor(Conductor):
    async def _call(self, ctx: RequestContext, method: str, **args: Any) -> Any:
        remotable = BY_METHOD[method]
        options = {name: value for name, value in args.items() if remotable.of_class or name in remotable.options}
        what = {"objmethod": remotable.act, "args": [], "kwargs": options}
        if remotable.of_class:
            what |= {"objname": remotable.object, "object_versions": {remotable.object: VERSIONS[remotable.object]}}
            return await self._bus.call(ctx, "conductor", "object_class_action_versions", version=VERSION, args=what)
        fields = remotable.fields(args)
        what["objinst"] = primitive(remotable.object, fields, sorted(fields))
        became = await self._bus.call(ctx, "conductor", "object_action", version=VERSION, args=what)
        return became[0] if became else None  # nothing: a fault made the answer disappear
