"""A server with another root disk: rebuilt for good, rescued for a while, or copied to an image."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from mockcloud.compute import devices, guests
from mockcloud.compute.drivers.base import Power
from mockcloud.compute.errors import InstanceNotRescuable, InstancePasswordSetFailed
from mockcloud.compute.host import Host
from mockcloud.compute.image import check_fits
from mockcloud.compute.operation import operation
from mockcloud.compute.undo import undo_on_failure
from mockcloud.compute.volume import Attachment
from mockcloud.context import RequestContext

Json = dict[str, Any]


class Rebuilding:
    def __init__(self, host: Host) -> None:
        self._host, self._conductor = host, host.conductor

    async def rebuild_instance(
        self,
        ctx: RequestContext,
        instance: Json,
        image: Mapping[str, Any] | None = None,
        admin_password: str | None = None,
        reimage_boot_volume: bool = False,
    ) -> None:
        """Ports, addresses and volumes stay, a root volume with another image in it if so wished; a stopped server is stopped again."""
        uuid, hypervisor = instance["uuid"], self._host.hypervisor
        async with operation(self._host, ctx, instance, "compute_rebuild_instance", fatal=True):
            server = await self._conductor.save(ctx, uuid, {"task_state": "rebuilding"}, "rebuilding")
            body = await self._host.images.show(ctx, image["id"]) if image and image.get("id") else None
            if body and server["image_ref"]:  # on a volume it is cinder who says whether it fits
                check_fits(body, server["flavor"])
            new = await self._host.images.fetch(ctx, body) if body and server["image_ref"] else None
            await hypervisor.destroy(uuid)
            await self._conductor.save(ctx, uuid, {"task_state": "rebuild_block_device_mapping"}, "rebuilding")
            if reimage_boot_volume and body:
                await self._reimage_root(ctx, uuid, body["id"])
            server = await self._conductor.save(ctx, uuid, {"task_state": "rebuild_spawning"}, "rebuild_block_device_mapping")
            await hypervisor.spawn(await guests.describe(self._host, ctx, server, new, admin_password))
            stopped = server["vm_state"] == "stopped"
            if stopped:
                await hypervisor.power(uuid, Power.OFF)
            state = await hypervisor.power_state(uuid)
            done = {"vm_state": "stopped" if stopped else "active", "task_state": None, "power_state": int(state)}
            await self._conductor.save(ctx, uuid, {**done, "launched_at": self._host.now()}, "rebuild_spawning")

    async def _reimage_root(self, ctx: RequestContext, uuid: str, image_id: str) -> None:
        rows = await self._conductor.block_devices(ctx, uuid)
        root = next(row for row in rows if row["boot_index"] == 0 and devices.is_volume(row))
        attachment = Attachment(uuid, root, root["device_name"], root["volume_id"], attachment_id=root["attachment_id"])
        try:
            await self._host.volumes.reimage(ctx, attachment, image_id)
        finally:
            known: Json = {"attachment_id": attachment.attachment_id}
            known |= {"connection_info": attachment.connection_info} if attachment.connection_info else {}
            await self._conductor.update_block_device(ctx, root["id"], **known)

    async def rescue_instance(
        self, ctx: RequestContext, instance: Json, rescue_image_ref: str | None = None, admin_password: str | None = None
    ) -> None:
        uuid, hypervisor = instance["uuid"], self._host.hypervisor
        async with operation(self._host, ctx, instance, "compute_rescue_instance", fatal=True):
            server = await self._conductor.save(ctx, uuid, {}, "rescuing")
            try:
                image = await guests.fetch_image(self._host, ctx, rescue_image_ref or server["image_ref"])
                password = admin_password or secrets.token_urlsafe(9)
                await hypervisor.rescue(await guests.describe(self._host, ctx, server, image, password))
            except Exception as error:
                raise InstanceNotRescuable(uuid, f"Driver Error: {error}") from error
            await self._rests(ctx, uuid, "rescued", "rescuing")

    async def unrescue_instance(self, ctx: RequestContext, instance: Json) -> None:
        async with operation(self._host, ctx, instance, "compute_unrescue_instance", fatal=True):
            await self._conductor.save(ctx, instance["uuid"], {}, "unrescuing")
            await self._host.hypervisor.unrescue(instance["uuid"])
            await self._rests(ctx, instance["uuid"], "active", "unrescuing")

    async def _rests(self, ctx: RequestContext, uuid: str, vm_state: str, expected: str) -> None:
        state = await self._host.hypervisor.power_state(uuid)
        await self._conductor.save(ctx, uuid, {"vm_state": vm_state, "task_state": None, "power_state": int(state)}, expected)

    async def snapshot_instance(self, ctx: RequestContext, instance: Json, image_id: str) -> None:
        """Fills the queued image; when it fails there is no image."""
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_snapshot_instance"), undo_on_failure() as undo:
            undo.push(self._host.images.delete, ctx, image_id)
            await self._conductor.save(ctx, uuid, {"task_state": "image_snapshot"}, ["image_snapshot_pending", "image_snapshot"])
            await self._conductor.save(ctx, uuid, {"task_state": "image_pending_upload"}, "image_snapshot")
            data = await self._host.hypervisor.disk_data(uuid)
            await self._conductor.save(ctx, uuid, {"task_state": "image_uploading"}, "image_pending_upload")
            await self._host.images.upload(ctx, image_id, data)
            await self._conductor.save(ctx, uuid, {"task_state": None}, "image_uploading")

    async def set_admin_password(self, ctx: RequestContext, instance: Json, new_pass: str | None = None) -> None:
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_set_admin_password"):
            await self._conductor.save(ctx, uuid, {}, "updating_password")
            if not (await self._host.hypervisor.power_state(uuid)) == 1:
                raise InstancePasswordSetFailed(uuid, "instance is not running")
            await self._host.hypervisor.set_admin_password(uuid, new_pass or secrets.token_urlsafe(9))
            await self._conductor.save(ctx, uuid, {"task_state": None}, "updating_password")

    async def get_console_output(self, ctx: RequestContext, instance: Json, tail_length: int | None = None) -> Json:
        """All of it, or its last lines."""
        text = await self._host.hypervisor.console_output(instance["uuid"])
        if tail_length is None:
            return {"output": text}
        lines = text.splitlines(keepends=True)
        return {"output": "".join(lines[-int(tail_length) :] if int(tail_length) > 0 else [])}

    async def get_diagnostics(self, ctx: RequestContext, instance: Json) -> Json:
        return await self._host.hypervisor.diagnostics(instance["uuid"])
