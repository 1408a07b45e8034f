"""The end of a server: everything it had is given back, whatever of it is left."""

from __future__ import annotations

import logging
from typing import Any

from mockcloud.compute.errors import VolumeFailed, is_overtaken
from mockcloud.compute.host import Host
from mockcloud.compute.operation import operation
from mockcloud.context import RequestContext

LOG = logging.getLogger(__name__)
Json = dict[str, Any]
EVENT = "compute_terminate_instance"


class Terminations:
    def __init__(self, host: Host) -> None:
        self._host, self._conductor = host, host.conductor

    async def terminate_instance(self, ctx: RequestContext, instance: Json) -> None:
        """A launch in progress ends first: it sees at its next save that the server is being deleted. Again is fine."""
        async with operation(self._host, ctx, instance, EVENT, fatal=True, deletes=True):
            server = await self._now(ctx, instance)
            await self._host.notifier.acted(ctx, "shutdown.start", server)
            await self.give_everything_back(ctx, server)
            await self._host.notifier.acted(ctx, "shutdown.end", server | {"network_info": []})
            await self._conductor.destroy(ctx, instance["uuid"])

    async def give_everything_back(self, ctx: RequestContext, server: Json) -> None:
        """The volumes come last: a cinder that is away keeps no server alive."""
        uuid, host = server["uuid"], self._host
        await host.hypervisor.destroy(uuid)
        await self._leave_source(ctx, server)
        await host.networks.deallocate(ctx, uuid, [vif["id"] for vif in server["network_info"] if vif["preserve_on_delete"]])
        for bdm in await self._conductor.block_devices(ctx, uuid):
            await self._give_volume_back(ctx, bdm)
        await host.placement.release(ctx, uuid)
        await host.forget(ctx, uuid)

    async def _now(self, ctx: RequestContext, instance: Json) -> Json:
        """The row as it is now; of a server that is deleted already, what the message says."""
        try:
            return await self._conductor.instance(ctx, instance["uuid"]) or instance
        except Exception as error:
            if is_overtaken(error):
                return instance
            raise

    async def _leave_source(self, ctx: RequestContext, server: Json) -> None:
        """A server whose resize was neither confirmed nor reverted, or failed, has a guest set aside on its old host."""
        moved = server["vm_state"] in ("resized", "error")
        migration = await self._conductor.open_migration(ctx, server["uuid"]) if moved else None
        if migration is None:
            return
        if migration["source_compute"] != self._host.name:
            args = {"instance": server, "migration": migration}
            await self._host.bus.cast(ctx, "compute", "drop_resize", server=migration["source_compute"], args=args)
        else:
            await self.drop_resize(ctx, server, migration)

    async def drop_resize(self, ctx: RequestContext, instance: Json, migration: Json) -> None:
        """On the source: the server is deleted, its old guest as well."""
        await self._host.hypervisor.drop_aside(instance["uuid"])
        self._host.usage.moving.pop(instance["uuid"], None)
        await self._host.report_usage(ctx)

    async def _give_volume_back(self, ctx: RequestContext, bdm: Json) -> None:
        if not bdm["volume_id"]:
            return
        try:
            await self._host.volumes.give_back(ctx, bdm["volume_id"], bdm["instance_uuid"], bdm["attachment_id"])
            if bdm["delete_on_termination"]:
                await self._host.volumes.delete(ctx, bdm["volume_id"])
        except VolumeFailed as error:
            LOG.warning("volume %s of the deleted server %s: %s", bdm["volume_id"], bdm["instance_uuid"], error)
