"""cinder-volume: does what the API has accepted. Every method stands a second delivery: the status says what is left to do."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any

from sqlalchemy import delete, select, update

from mockcloud.cinder.backends import Backend, BackendError
from mockcloud.cinder.connections import Connections
from mockcloud.cinder.images import ImageTransferFailed, check_convertible, fetch_image, open_image, upload_image, volume_image_metadata
from mockcloud.cinder.lookup import attachments_of
from mockcloud.cinder.registry import Registration
from mockcloud.cinder.states import after_attachments
from mockcloud.cinder.tables import snapshots, volume_attachment, volumes
from mockcloud.cinder.user_messages import record_message
from mockcloud.clients import EndpointDown
from mockcloud.component import Component
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row
from mockcloud.http.errors import ApiError

log = logging.getLogger(__name__)

FAILURES = (BackendError, ImageTransferFailed, EndpointDown, ApiError)


class VolumeManager(Connections):
    """The endpoint of the topic cinder-volume."""

    def __init__(self, component: Component, db: Database, backend: Backend) -> None:
        super().__init__(component, db, backend)
        self._registration = Registration(component, db)
        self.tasks = [self._registration.heartbeat]

    async def init_host(self) -> None:
        self._registration.report()

    async def create_volume(self, ctx: RequestContext, volume_id: str, image_id: str | None = None) -> None:
        volume = self._get(volume_id, "creating", "downloading", "reserved")
        if volume is None or volume["launched_at"] is not None:
            return
        await self._usage.volume(ctx, "create.start", volume_id)
        try:
            filled = await self._fill(ctx, volume, image_id)
            await self._work()
        except FAILURES as error:
            action = "copy image to volume" if image_id else "create volume from backend storage"
            detail = "Driver failed to create the volume." if isinstance(error, BackendError) else "An unknown error occurred."
            self._fail_volume(ctx, volume, "error", action, detail, error)
            return
        self._save(volume_id, launched_at=self._now(), **filled)
        self._leave(volume, "creating", "downloading", to="available")
        await self._usage.volume(ctx, "create.end", volume_id)

    async def _fill(self, ctx: RequestContext, volume: Row, image_id: str | None) -> dict[str, Any]:
        """Makes the volume with its content; what is to be noted of where that came from."""
        if image_id is not None:
            await self._backend.create_volume(volume, None)
            self._leave(volume, "creating", to="downloading")
            return await self._write_image(ctx, volume, image_id)
        source = self._source(volume)
        await self._backend.create_volume(volume, source)
        if source is None:
            return {}
        return {"glance_metadata": source["glance_metadata"], "bootable": bool(source["glance_metadata"]) or bool(source.get("bootable"))}

    async def _write_image(self, ctx: RequestContext, volume: Row, image_id: str) -> dict[str, Any]:
        rest = self._component.clients.user(ctx)
        image = await fetch_image(rest, image_id)
        await self._backend.write(volume, await open_image(rest, image_id))
        return {"glance_metadata": volume_image_metadata(image), "bootable": True}

    def _source(self, volume: Row) -> Row | None:
        if volume["snapshot_id"]:
            return self._db.one(select(snapshots).where(snapshots.c.id == volume["snapshot_id"]))
        if volume["source_volid"]:
            return self._db.one(select(volumes).where(volumes.c.id == volume["source_volid"]))
        return None

    async def delete_volume(self, ctx: RequestContext, volume_id: str, cascade: bool = False) -> None:
        volume = self._get(volume_id, "deleting")
        if volume is None:
            return
        await self._usage.volume(ctx, "delete.start", volume_id)
        try:
            await self._work()
            await self._backend.delete_volume(volume)
        except FAILURES as error:
            log.warning("volume %s was not deleted: %s", volume_id, error)
            self._save(volume_id, status="error_deleting")
            return
        with self._db.transaction() as tx:
            tx.execute(delete(volume_attachment).where(volume_attachment.c.volume_id == volume_id))
            if cascade:
                tx.execute(delete(snapshots).where(snapshots.c.volume_id == volume_id))
            tx.execute(delete(volumes).where(volumes.c.id == volume_id))
        await self._usage.volume(ctx, "delete.end", volume_id, volume)

    async def extend_volume(self, ctx: RequestContext, volume_id: str, new_size: int) -> None:
        volume = self._get(volume_id, "extending")
        if volume is None:
            return
        await self._usage.volume(ctx, "resize.start", volume_id)
        try:
            await self._work()
            await self._backend.extend_volume(volume, new_size)
        except FAILURES as error:
            self._fail_volume(ctx, volume, "error_extending", "extend volume", "Volume Driver failed to extend volume.", error)
            return
        with self._db.transaction() as tx:
            attachments = attachments_of(tx, volume_id)
            grown = {"size": new_size, "new_size": None, "status": "in-use" if attachments else "available", "updated_at": self._now()}
            tx.execute(update(volumes).where(volumes.c.id == volume_id, volumes.c.status == "extending").values(**grown))
        await self._usage.volume(ctx, "resize.end", volume_id)
        await self._tell_servers(ctx, volume_id, [row["instance_uuid"] for row in attachments if row["instance_uuid"]])

    async def _tell_servers(self, ctx: RequestContext, volume_id: str, server_ids: list[str]) -> None:
        """nova asks the hypervisor to see the new size."""
        events = [{"name": "volume-extended", "server_uuid": server_id, "tag": volume_id} for server_id in server_ids]
        if not events:
            return
        try:
            nova = self._component.clients.own(ctx)
            await nova.post("compute", "/v2.1/os-server-external-events", json={"events": events}, version="2.51")
        except EndpointDown as error:
            log.warning("nova was not told that volume %s has grown: %s", volume_id, error)

    async def retype(self, ctx: RequestContext, volume_id: str, new_type_id: str, multiattach: bool) -> None:
        volume = self._get(volume_id, "retyping")
        if volume is None:
            return
        await self._work()
        self._save(volume_id, volume_type_id=new_type_id, multiattach=multiattach)
        self._leave(volume, "retyping", to=volume["previous_status"])
        await self._usage.volume(ctx, "retype", volume_id)

    async def revert_to_snapshot(self, ctx: RequestContext, volume_id: str, snapshot_id: str) -> None:
        volume = self._get(volume_id, "reverting")
        if volume is None:
            return
        snapshot = self._db.one(select(snapshots).where(snapshots.c.id == snapshot_id))
        try:
            await self._backend.create_volume(volume, snapshot)
            await self._work()
        except FAILURES as error:
            log.warning("volume %s was not reverted: %s", volume_id, error)
            self._save(volume_id, status="error")
        else:
            self._leave(volume, "reverting", to="available")
        self._save_snapshot(snapshot_id, status="available")

    async def create_snapshot(self, ctx: RequestContext, snapshot_id: str) -> None:
        snapshot = self._get_snapshot(snapshot_id, "creating")
        if snapshot is None:
            return
        await self._usage.snapshot(ctx, "create.start", snapshot)
        try:
            await self._work()
            await self._backend.create_snapshot(snapshot)
        except FAILURES as error:
            self._fail_snapshot(ctx, snapshot, "error", "create snapshot", "Snapshot failed to create.", error)
            return
        self._save_snapshot(snapshot_id, "creating", status="available", progress="100%")
        await self._usage.snapshot(ctx, "create.end", snapshot)

    async def delete_snapshot(self, ctx: RequestContext, snapshot_id: str) -> None:
        snapshot = self._get_snapshot(snapshot_id, "deleting")
        if snapshot is None:
            return
        await self._usage.snapshot(ctx, "delete.start", snapshot)
        try:
            await self._work()
            await self._backend.delete_snapshot(snapshot)
        except FAILURES as error:
            self._fail_snapshot(ctx, snapshot, "error_deleting", "delete snapshot", "Snapshot failed to delete.", error)
            return
        with self._db.transaction() as tx:
            tx.execute(delete(snapshots).where(snapshots.c.id == snapshot_id))
        await self._usage.snapshot(ctx, "delete.end", snapshot)

    async def copy_volume_to_image(self, ctx: RequestContext, volume_id: str, image_id: str) -> None:
        volume = self._get(volume_id, "uploading")
        if volume is None:
            return
        rest = self._component.clients.user(ctx)
        try:
            await self._work()
            image = await fetch_image(rest, image_id)
            check_convertible(image["disk_format"])
            await upload_image(rest, image_id, self._backend.read(volume, image["disk_format"]))
        except FAILURES as error:
            detail = "Failed to upload volume to image at backend."
            self._fail_volume(ctx, volume, volume["previous_status"], "copy volume to image", detail, error)
            await _ignore(rest.delete("image", f"/v2/images/{image_id}"))
            return
        with self._db.transaction() as tx:
            status, _ = after_attachments(row["attach_status"] for row in attachments_of(tx, volume_id))
        self._leave(volume, "uploading", to=status)

    async def reimage(self, ctx: RequestContext, volume_id: str, image_id: str) -> None:
        volume = self._get(volume_id, "downloading")
        if volume is None:
            return
        try:
            written = await self._write_image(ctx, volume, image_id)
            await self._work()
        except FAILURES as error:
            self._fail_volume(ctx, volume, "error", "reimage volume", "An unknown error occurred.", error)
            return
        self._save(volume_id, **written)
        was = volume["previous_status"]
        self._leave(volume, "downloading", to="available" if was == "error" else was)

    async def _work(self) -> None:
        await self._component.clock.sleep(self._component.settings.volume_seconds)

    def _get(self, volume_id: str, *statuses: str) -> Row | None:
        """The volume while it still waits for this work."""
        return self._db.one(select(volumes).where(volumes.c.id == volume_id, volumes.c.status.in_(statuses)))

    def _get_snapshot(self, snapshot_id: str, status: str) -> Row | None:
        return self._db.one(select(snapshots).where(snapshots.c.id == snapshot_id, snapshots.c.status == status))

    def _save(self, volume_id: str, **values: Any) -> None:
        with self._db.transaction() as tx:
            tx.execute(update(volumes).where(volumes.c.id == volume_id).values(updated_at=self._now(), **values))

    def _leave(self, volume: Row, *statuses: str, to: str) -> None:
        """Changes the status, unless somebody else has meanwhile."""
        left = update(volumes).where(volumes.c.id == volume["id"], volumes.c.status.in_(statuses))
        with self._db.transaction() as tx:
            tx.execute(left.values(status=to, previous_status=None, updated_at=self._now()))

    def _save_snapshot(self, snapshot_id: str, expected: str | None = None, **values: Any) -> None:
        changed = update(snapshots).where(snapshots.c.id == snapshot_id)
        if expected is not None:
            changed = changed.where(snapshots.c.status == expected)
        with self._db.transaction() as tx:
            tx.execute(changed.values(updated_at=self._now(), **values))

    def _fail_volume(self, ctx: RequestContext, volume: Row, status: str, action: str, detail: str, error: Exception) -> None:
        """The status says that it failed, a message why; what an extension had reserved is given back."""
        log.warning("%s of volume %s failed: %s", action, volume["id"], error)
        failed = {"status": status, "previous_status": None, "new_size": None, "updated_at": self._now()}
        with self._db.transaction() as tx:
            tx.execute(update(volumes).where(volumes.c.id == volume["id"]).values(**failed))
            record_message(tx, ctx, self._now(), action, detail, volume["id"], volume["project_id"])

    def _fail_snapshot(self, ctx: RequestContext, snapshot: Row, status: str, action: str, detail: str, error: Exception) -> None:
        log.warning("%s %s failed: %s", action, snapshot["id"], error)
        with self._db.transaction() as tx:
            tx.execute(update(snapshots).where(snapshots.c.id == snapshot["id"]).values(status=status, updated_at=self._now()))
            kind = "VOLUME_SNAPSHOT"
            record_message(tx, ctx, self._now(), action, detail, snapshot["id"], snapshot["project_id"], kind)


async def _ignore(work: Awaitable[Any]) -> None:
    try:
        await work
    except EndpointDown as error:
        log.warning("an image may be left behind: %s", error)
