"""Resize and cold migration, between a source and a destination that may be one host.

Destination: prep. Source: set the guest aside, hand over. Destination: finish. Then confirm at the source, or revert: first at
the destination, then at the source. Meanwhile the server's room is claimed twice (mockcloud.scheduler.resize says how).
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from mockcloud.compute import devices, guests
from mockcloud.compute.drivers.base import InstanceNotFound, Power, PowerState
from mockcloud.compute.errors import UnableToMigrateToSelf
from mockcloud.compute.host import UNREACHABLE, Host
from mockcloud.compute.operation import operation
from mockcloud.compute.undo import undo_on_failure
from mockcloud.compute.usage import resources, share
from mockcloud.context import RequestContext

LOG = logging.getLogger(__name__)
Json = dict[str, Any]


class Resizes:
    def __init__(self, host: Host) -> None:
        self._host, self._conductor = host, host.conductor

    # on the destination

    async def prep_resize(
        self,
        ctx: RequestContext,
        instance: Json,
        instance_type: Json,
        image: Json | None = None,
        request_spec: Json | None = None,
        filter_properties: Json | None = None,
        node: str | None = None,
    ) -> None:
        """Claims room here and asks the source for the guest. A host without room sends the server on."""
        uuid = instance["uuid"]
        message = {"instance": instance, "image": image, "instance_type": instance_type, "request_spec": request_spec or {}}
        properties = filter_properties or {}
        async with operation(self._host, ctx, instance, "compute_prep_resize"):
            before = {"old_vm_state": instance["vm_state"], "new_flavor": instance_type}
            server = await self._conductor.save(ctx, uuid, before, "resize_prep")
            try:
                async with undo_on_failure() as undo:
                    undo.push(self._drop_claim, ctx, uuid)
                    self._claim(server, instance_type)
                    await self._host.report_usage(ctx)
                    migration = await self._record_migration(ctx, server, instance_type)
            except Exception as error:
                if not properties.get("retry"):
                    await self._keep_old_room(ctx, server, server["host"] == self._host.name)
                    raise
                await self._try_elsewhere(ctx, message, properties, error)
                return
            args = {"instance": server, "migration": migration, "image": image, "instance_type": instance_type}
            await self._host.bus.cast(ctx, "compute", "resize_instance", server=server["host"], version="2.16", args=args)

    def _claim(self, server: Json, flavor: Json) -> None:
        if server["host"] == self._host.name and flavor.get("flavorid") == server["flavor"].get("flavorid"):
            raise UnableToMigrateToSelf(server["uuid"], self._host.name)
        self._host.usage.claim_beside(server["uuid"], share(flavor, not server["image_ref"]))

    async def _drop_claim(self, ctx: RequestContext, uuid: str) -> None:
        self._host.usage.moving.pop(uuid, None)
        await self._host.report_usage(ctx)

    async def _record_migration(self, ctx: RequestContext, server: Json, flavor: Json) -> Json:
        moves = flavor.get("flavorid") == server["flavor"].get("flavorid")
        return await self._conductor.create_migration(
            ctx,
            instance_uuid=server["uuid"],
            user_id=server["user_id"],
            project_id=server["project_id"],
            source_compute=server["host"],
            source_node=server["node"],
            dest_compute=self._host.name,
            dest_node=self._host.node,
            dest_host=self._host.usage.capacity.host_ip,
            status="pre-migrating",
            migration_type="migration" if moves else "resize",
            old_flavor=server["flavor"],
            new_flavor=flavor,
        )

    async def _try_elsewhere(self, ctx: RequestContext, message: Json, properties: Json, error: Exception) -> None:
        LOG.info("the resize of %s to %s is re-scheduled: %s", message["instance"]["uuid"], self._host.name, error)
        retry = {**properties["retry"], "exc": traceback.format_exception(error), "exc_reason": str(error)}
        args = {**message, "filter_properties": {**properties, "retry": retry}}
        await self._host.bus.cast(ctx, "scheduler", "prep_resize", version="2.9", args=args)

    async def finish_resize(
        self, ctx: RequestContext, instance: Json, migration: Json, instance_type: Json, image: Json | None = None, disk_info: Any = None
    ) -> None:
        """The guest with its new flavor runs here."""
        uuid, hypervisor = instance["uuid"], self._host.hypervisor
        async with operation(self._host, ctx, instance, "compute_finish_resize", fatal=True):
            sizes = {name: instance_type[name] for name in ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap")}
            flavors = {"flavor": instance_type, "old_flavor": migration["old_flavor"]}
            await self._conductor.save(ctx, uuid, {"task_state": "resize_finish", **sizes, **flavors}, "resize_migrated")
            self._host.usage.arrive(uuid)
            await self._host.report_usage(ctx)
            try:
                server = await self._come_here(ctx, uuid)
                await hypervisor.move_in(await guests.describe(self._host, ctx, server), disk_info or {})
                if server["old_vm_state"] == "stopped":
                    await hypervisor.power(uuid, Power.OFF)
            except Exception:
                await self._conductor.update_migration(ctx, migration["id"], status="error")
                await self._keep_new_room(ctx, instance, instance_type)
                raise
            await self._conductor.update_migration(ctx, migration["id"], status="finished")
            state = await hypervisor.power_state(uuid)
            done = {"vm_state": "resized", "task_state": None, "power_state": int(state), "launched_at": self._host.now()}
            await self._conductor.save(ctx, uuid, done, "resize_finish")

    async def revert_resize(self, ctx: RequestContext, instance: Json, migration: Json) -> None:
        """The new guest goes, the source takes over again."""
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_revert_resize", fatal=True):
            await self._conductor.save(ctx, uuid, {}, "resize_reverting")
            await self._host.hypervisor.destroy(uuid)
            await self._let_volumes_go(ctx, uuid)
            if migration["source_compute"] != self._host.name:
                await self._host.forget(ctx, uuid)
            back = {"host": migration["source_compute"], "node": migration["source_node"]}
            server = await self._conductor.save(ctx, uuid, back, "resize_reverting")
        args = {"instance": server, "migration": migration}
        await self._host.bus.cast(ctx, "compute", "finish_revert_resize", server=back["host"], version="2.13", args=args)

    # on the source

    async def resize_instance(
        self, ctx: RequestContext, instance: Json, migration: Json, instance_type: Json, image: Json | None = None
    ) -> None:
        """Stops the guest, sets it aside, and hands over."""
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_resize_instance", fatal=True):
            await self._conductor.save(ctx, uuid, {"task_state": "resize_migrating"}, ["resize_prep", "resize_migrating"])
            try:
                await self._conductor.update_migration(ctx, migration["id"], status="migrating")
                disk_info = await self._host.hypervisor.set_aside(uuid)
                await self._let_volumes_go(ctx, uuid)
            except Exception:
                await self._conductor.update_migration(ctx, migration["id"], status="error")
                await self._keep_old_room(ctx, instance, here=True)
                raise
            if migration["dest_compute"] != self._host.name:
                self._host.usage.leave(uuid)
            moved = {"host": migration["dest_compute"], "node": migration["dest_node"], "task_state": "resize_migrated"}
            server = await self._conductor.save(ctx, uuid, moved, "resize_migrating")
            migration = await self._conductor.update_migration(ctx, migration["id"], status="post-migrating")
            args = {"instance": server, "migration": migration, "image": image, "instance_type": instance_type, "disk_info": disk_info}
            await self._host.bus.cast(ctx, "compute", "finish_resize", server=moved["host"], version="2.16", args=args)

    async def confirm_resize(self, ctx: RequestContext, instance: Json, migration: Json) -> None:
        """The old guest goes, with its room."""
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_confirm_resize", fatal=True):
            server = await self._conductor.instance(ctx, uuid)
            if server is None or server["vm_state"] != "resized":
                return
            await self._host.hypervisor.drop_aside(uuid)
            self._host.usage.moving.pop(uuid, None)
            await self._host.report_usage(ctx)
            await self._host.placement.leave(ctx, server, self._host.provider, resources(server["flavor"], not server["image_ref"]))
            await self._conductor.update_migration(ctx, migration["id"], status="confirmed")
            off = server["power_state"] == PowerState.SHUTDOWN
            done = {"vm_state": "stopped" if off else "active", "task_state": None, "old_flavor": None, "new_flavor": None}
            await self._conductor.save(ctx, uuid, {**done, "old_vm_state": None}, [None, "deleting", "soft-deleting"])

    async def finish_revert_resize(self, ctx: RequestContext, instance: Json, migration: Json) -> None:
        """The old guest with the old flavor is back."""
        uuid, hypervisor, old = instance["uuid"], self._host.hypervisor, migration["old_flavor"]
        async with operation(self._host, ctx, instance, "compute_finish_revert_resize", fatal=True):
            sizes = {name: old[name] for name in ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap")}
            forgotten = {"old_flavor": None, "new_flavor": None}
            await self._conductor.save(ctx, uuid, {"flavor": old, **sizes, **forgotten}, "resize_reverting")
            server = await self._come_here(ctx, uuid)
            try:
                await hypervisor.take_back(uuid)
            except InstanceNotFound:  # lost with its hypervisor
                await guests.remake(self._host, ctx, server)
            vm_state = "stopped" if server["old_vm_state"] == "stopped" else "active"
            if vm_state == "active":
                await hypervisor.power(uuid, Power.ON)
            self._host.usage.come_back(uuid, share(old, not server["image_ref"]))
            await self._host.report_usage(ctx)
            await self._keep_old_room(ctx, server, here=True)
            await self._conductor.update_migration(ctx, migration["id"], status="reverted")
            state = await hypervisor.power_state(uuid)
            done = {"vm_state": vm_state, "task_state": None, "power_state": int(state), "launched_at": self._host.now()}
            await self._conductor.save(ctx, uuid, {**done, "old_vm_state": None}, "resize_reverting")

    # both

    async def _come_here(self, ctx: RequestContext, uuid: str) -> Json:
        """Ports and volumes are connected to this host; the server as it is then."""
        server = await self._conductor.instance(ctx, uuid)
        assert server is not None
        for vif in server["network_info"]:
            await self._host.networks.bind(ctx, vif["id"], server)
        for bdm in await self._conductor.block_devices(ctx, uuid):
            if devices.is_volume(bdm) and bdm["volume_id"]:
                info = await self._host.volumes.connect(ctx, bdm["volume_id"])
                await self._conductor.update_block_device(ctx, bdm["id"], connection_info=info)
        return server

    async def _let_volumes_go(self, ctx: RequestContext, uuid: str) -> None:
        for bdm in await self._conductor.block_devices(ctx, uuid):
            if devices.is_volume(bdm) and bdm["volume_id"]:
                await self._host.volumes.disconnect(ctx, bdm["volume_id"])

    async def _keep_new_room(self, ctx: RequestContext, server: Json, flavor: Json) -> None:
        """The row names this host already: what a failure leaves is here."""
        try:
            room = resources(flavor, not server["image_ref"])
            await self._host.placement.set_allocations(ctx, server, self._host.provider, room)
        except UNREACHABLE:
            LOG.exception("the room of server %s may be claimed twice", server["uuid"])

    async def _keep_old_room(self, ctx: RequestContext, server: Json, here: bool) -> None:
        """Only what the server had before the move stays claimed: on this host, or on the one that is not this one."""
        old = resources(server["flavor"], not server["image_ref"])
        try:
            if here:
                await self._host.placement.set_allocations(ctx, server, self._host.provider, old)
            else:
                await self._host.placement.leave(ctx, server, self._host.provider, old)
        except UNREACHABLE:
            LOG.exception("the room of server %s may be claimed twice", server["uuid"])
