"""The compute's only way to nova's database (docs/rpc.md, topic `conductor`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockcloud.bus.base import Bus
from mockcloud.context import RequestContext

Json = dict[str, Any]
VERSION = "1.38"
UNSAID: Any = object()


class Conductor:
    """Every method is one `rpc.call`; what the conductor raises arrives as RemoteError."""

    def __init__(self, bus: Bus, host: str) -> None:
        self._bus, self._host = bus, host

    async def _call(self, ctx: RequestContext, method: str, **args: Any) -> Any:
        return await self._bus.call(ctx, "conductor", method, version=VERSION, args=args)

    async def instance(self, ctx: RequestContext, instance_uuid: str) -> Json | None:
        """None only when a fault made the answer disappear."""
        found: Json | None = await self._call(ctx, "instance_get_by_uuid", instance_uuid=instance_uuid)
        return found

    async def instances_here(self, ctx: RequestContext) -> list[Json]:
        found: list[Json] = await self._call(ctx, "instance_get_all_by_host", host=self._host)
        return found

    async def save(
        self,
        ctx: RequestContext,
        instance_uuid: str,
        updates: Json,
        expected_task_state: str | Sequence[str | None] | None = UNSAID,
        expected_vm_state: str | Sequence[str | None] | None = UNSAID,
    ) -> Json:
        """Compare and set; the instance as it is then."""
        said = {"expected_task_state": expected_task_state, "expected_vm_state": expected_vm_state}
        expected = {name: value for name, value in said.items() if value is not UNSAID}
        saved: Json = await self._call(ctx, "instance_update", instance_uuid=instance_uuid, updates=updates, **expected)
        return saved

    async def destroy(self, ctx: RequestContext, instance_uuid: str) -> None:
        await self._call(ctx, "instance_destroy", instance_uuid=instance_uuid)

    async def save_network_info(self, ctx: RequestContext, instance_uuid: str, network_info: list[Json]) -> None:
        await self._call(ctx, "instance_info_cache_update", instance_uuid=instance_uuid, network_info=network_info)

    async def record_fault(self, ctx: RequestContext, instance_uuid: str, message: str, details: str, code: int = 500) -> None:
        fault = {"code": code, "message": message, "details": details}
        await self._call(ctx, "instance_fault_create", instance_uuid=instance_uuid, **fault)

    async def group(self, ctx: RequestContext, group_uuid: str) -> Json | None:
        """A server group's policy, rules and hosts of its members; None when there is no such group any more."""
        found: Json | None = await self._call(ctx, "instance_group_get", group_uuid=group_uuid)
        return found

    async def start_event(self, ctx: RequestContext, instance_uuid: str, event: str) -> None:
        await self._call(ctx, "action_event_start", instance_uuid=instance_uuid, event=event, host=self._host)

    async def finish_event(
        self, ctx: RequestContext, instance_uuid: str, event: str, exc: str | None = None, traceback: str | None = None
    ) -> None:
        result = {"exc": exc, "traceback": traceback}
        await self._call(ctx, "action_event_finish", instance_uuid=instance_uuid, event=event, host=self._host, **result)

    async def block_devices(self, ctx: RequestContext, instance_uuid: str) -> list[Json]:
        rows: list[Json] = await self._call(ctx, "block_device_mapping_get_all_by_instance", instance_uuid=instance_uuid)
        return rows

    async def update_block_device(self, ctx: RequestContext, bdm_id: int, **values: Any) -> None:
        await self._call(ctx, "block_device_mapping_update", bdm_id=bdm_id, values=values)

    async def destroy_block_device(self, ctx: RequestContext, bdm_id: int) -> None:
        await self._call(ctx, "block_device_mapping_destroy", bdm_id=bdm_id)

    async def create_migration(self, ctx: RequestContext, **values: Any) -> Json:
        row: Json = await self._call(ctx, "migration_create", values=values)
        return row

    async def update_migration(self, ctx: RequestContext, migration_id: int, **values: Any) -> Json:
        row: Json = await self._call(ctx, "migration_update", migration_id=migration_id, values=values)
        return row

    async def open_migration(self, ctx: RequestContext, instance_uuid: str) -> Json | None:
        """The latest resize that is neither confirmed nor reverted; a failed one is that too."""
        row: Json | None = await self._call(ctx, "migration_get_open", instance_uuid=instance_uuid)
        return row

    async def save_node(self, ctx: RequestContext, node: str, values: Json) -> Json:
        row: Json = await self._call(ctx, "compute_node_update", host=self._host, node=node, values=values)
        return row

    async def beat(self, ctx: RequestContext) -> Json:
        """A sign of life; the service's row says whether it is disabled."""
        row: Json = await self._call(ctx, "service_update", host=self._host, binary="nova-compute", topic="compute")
        return row
