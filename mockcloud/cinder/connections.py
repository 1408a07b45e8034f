"""The half of cinder-volume that knows who has which volume."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from mockcloud.cinder.backends import Backend
from mockcloud.cinder.lookup import attachments_of
from mockcloud.cinder.states import NOT_MIGRATING, after_attachments
from mockcloud.cinder.tables import volume_attachment, volumes
from mockcloud.cinder.usage import UsageNotifier
from mockcloud.component import Component
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.notifications.notifier import Notifier

_VOLUME = Prepared(select(volumes).where(volumes.c.id == bindparam("id")))


class VolumeNotFound(Exception):
    """No such volume any more."""


class VolumeAttachmentNotFound(Exception):
    """No such attachment any more."""


class InvalidVolume(Exception):
    """The volume's state does not allow it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid volume: {reason}")


class InvalidInput(Exception):
    """A connector that the backend cannot use."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid input received: {reason}")


class InvalidVolumeAttachMode(Exception):
    """A read-only volume asked for writing."""


class Connections:
    """RPC methods: each attachment's life, and how hosts reach volumes."""

    def __init__(self, component: Component, db: Database, backend: Backend) -> None:
        self._component, self._db, self._backend = component, db, backend
        about = (component.bus, component.clock, component.settings.notifications)
        self._usage = UsageNotifier(Notifier(*about, "openstack", "volume", component.host), db)

    def _now(self) -> datetime:
        return self._component.clock.now()

    async def attach_volume(
        self, ctx: RequestContext, volume_id: str, instance_uuid: str | None, host_name: str | None, mountpoint: str, mode: str
    ) -> dict[str, Any]:
        """os-attach: one transaction, so that of two servers exactly one gets the volume."""
        await self._usage.volume(ctx, "attach.start", volume_id)
        attachment_id = self._attach(volume_id, instance_uuid, host_name, mountpoint, mode)
        await self._usage.volume(ctx, "attach.end", volume_id)
        return {"id": attachment_id}

    def _attach(self, volume_id: str, instance_uuid: str | None, host_name: str | None, mountpoint: str, mode: str) -> str:
        now = self._now()
        with self._db.transaction() as tx:
            volume = _volume(tx, volume_id)
            known = _attachment_to(tx, volume_id, instance_uuid, host_name)
            if known is not None:
                tx.execute(update(volumes).where(volumes.c.id == volume_id).values(status="in-use", updated_at=now))
                return str(known["id"])
            _check_attachable(volume, mode)
            attachment_id: str = tx.insert(
                volume_attachment,
                id=str(uuid.uuid4()),
                created_at=now,
                volume_id=volume_id,
                instance_uuid=instance_uuid,
                attached_host=host_name,
                mountpoint=mountpoint,
                attach_status="attached",
                attach_mode=mode,
                attach_time=now,
            )
            noted = {**volume["admin_metadata"], "attached_mode": mode}
            values = {"status": "in-use", "attach_status": "attached", "admin_metadata": noted, "updated_at": now}
            tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**values))
            return attachment_id

    async def detach_volume(self, ctx: RequestContext, volume_id: str, attachment_id: str | None = None) -> None:
        await self._usage.volume(ctx, "detach.start", volume_id)
        self._detach(volume_id, attachment_id)
        await self._usage.volume(ctx, "detach.end", volume_id)

    def _detach(self, volume_id: str, attachment_id: str | None) -> None:
        with self._db.transaction() as tx:
            volume = _volume(tx, volume_id)
            attachments = attachments_of(tx, volume_id)
            if attachment_id is None and len(attachments) > 1:
                raise InvalidVolume("Detach volume failed: More than one attachment, but no attachment_id provided.")
            if attachment_id is None and attachments:
                attachment_id = attachments[0]["id"]
            finish_detach(tx, volume, attachment_id, self._now())

    async def initialize_connection(self, ctx: RequestContext, volume_id: str, connector: Any) -> dict[str, Any]:
        with self._db.transaction() as tx:
            volume = _volume(tx, volume_id)
        return await self._connect(volume, connector)

    async def terminate_connection(self, ctx: RequestContext, volume_id: str, connector: Any = None) -> None:
        """What the attachments to the connector's host know of the connection is forgotten."""
        host = connector.get("host") if isinstance(connector, dict) else None
        forget = update(volume_attachment).where(volume_attachment.c.volume_id == volume_id)
        if host is not None:
            forget = forget.where(volume_attachment.c.attached_host == host)
        with self._db.transaction() as tx:
            _volume(tx, volume_id)
            tx.execute(forget.values(connection_info=None, updated_at=self._now()))

    async def attachment_update(self, ctx: RequestContext, volume_id: str, connector: dict[str, Any], attachment_id: str) -> dict[str, Any]:
        """Connects a reserved attachment to a host; its connection info is one flat dict."""
        with self._db.transaction() as tx:
            volume, attachment = _volume(tx, volume_id), _attachment(tx, attachment_id)
        await self._usage.volume(ctx, "attach.start", volume_id)
        chosen = attachment["attach_mode"]
        mode = connector.get("mode") or "rw" if chosen in (None, "null") else chosen
        made = await self._connect(volume, {**connector, "mode": mode})
        info = {**made["data"], **{name: value for name, value in made.items() if name != "data"}}
        info |= {"attachment_id": attachment_id, "access_mode": mode, "enforce_multipath": connector.get("enforce_multipath", False)}
        self._note_connection(attachment, connector, mode, info)
        return info

    def _note_connection(self, attachment: Row, connector: dict[str, Any], mode: str, info: dict[str, Any]) -> None:
        now = self._now()
        noted = {
            "attach_status": "attaching",
            "attach_time": now,
            "updated_at": now,
            "attached_host": connector.get("host", ""),
            "mountpoint": connector.get("mountpoint", "na"),
            "attach_mode": mode,
            "connector": {**connector, "mode": mode},
            "connection_info": info,
        }
        with self._db.transaction() as tx:
            if not tx.execute(update(volume_attachment).where(volume_attachment.c.id == attachment["id"]).values(**noted)):
                raise VolumeAttachmentNotFound(attachment["id"])
            attaching = {"status": "attaching", "attach_status": "attaching", "updated_at": now}
            tx.execute(update(volumes).where(volumes.c.id == attachment["volume_id"]).values(**attaching))

    async def attachment_delete(self, ctx: RequestContext, attachment_id: str, volume_id: str) -> None:
        """Disconnects the host; the record itself is the API's to delete, and the end of it the API's to tell."""
        await self._usage.volume(ctx, "detach.start", volume_id)
        forgotten = {"connector": None, "connection_info": None, "updated_at": self._now()}
        with self._db.transaction() as tx:
            tx.execute(update(volume_attachment).where(volume_attachment.c.id == attachment_id).values(**forgotten))

    async def _connect(self, volume: Row, connector: Any) -> dict[str, Any]:
        """The block device information that the compute receives."""
        if not isinstance(connector, dict) or not connector.get("initiator"):
            raise InvalidInput("Connector doesn't have required information: initiator")
        made = await self._backend.connect(volume, connector)
        noted = volume["admin_metadata"]
        default = "ro" if noted.get("readonly") == "True" else "rw"
        made["data"] |= {
            "access_mode": noted.get("attached_mode", default),
            "cacheable": False,
            "enforce_multipath": connector.get("enforce_multipath", False),
        }
        return made


def finish_detach(tx: Transaction, volume: Row, attachment_id: str | None, now: datetime) -> None:
    """Deletes the record, and says of the volume what the remaining ones mean. Absence is success."""
    tx.execute(delete(volume_attachment).where(volume_attachment.c.id == attachment_id, volume_attachment.c.volume_id == volume["id"]))
    status, attach_status = after_attachments(row["attach_status"] for row in attachments_of(tx, volume["id"]))
    noted = {name: value for name, value in volume["admin_metadata"].items() if name != "attached_mode"}
    values = {"attach_status": attach_status, "admin_metadata": noted, "updated_at": now}
    busy = volume["status"] == "uploading" or volume["migration_status"] not in NOT_MIGRATING
    if attach_status != "detached" or not busy:
        values["status"] = status
    tx.execute(update(volumes).where(volumes.c.id == volume["id"]).values(**values))


def _volume(tx: Transaction, volume_id: str) -> Row:
    row = tx.one(_VOLUME, id=volume_id)
    if row is None:
        raise VolumeNotFound(f"Volume {volume_id} could not be found.")
    return row


def _attachment(tx: Transaction, attachment_id: str) -> Row:
    row = tx.one(select(volume_attachment).where(volume_attachment.c.id == attachment_id))
    if row is None:
        raise VolumeAttachmentNotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.")
    return row


def _attachment_to(tx: Transaction, volume_id: str, instance_uuid: str | None, host_name: str | None) -> Row | None:
    stmt = select(volume_attachment).where(volume_attachment.c.volume_id == volume_id)
    if instance_uuid:
        return tx.one(stmt.where(volume_attachment.c.instance_uuid == instance_uuid))
    return tx.one(stmt.where(volume_attachment.c.attached_host == host_name))


def _check_attachable(volume: Mapping[str, Any], mode: str) -> None:
    noted = volume["admin_metadata"]
    if volume["status"] == "attaching" and noted.get("attached_mode", mode) != mode:
        raise InvalidVolume("being attached by different mode")
    if volume["status"] == "in-use" and not volume["multiattach"]:
        raise InvalidVolume("volume is already attached and multiple attachments are not enabled")
    if noted.get("readonly") == "True" and mode != "ro":
        raise InvalidVolumeAttachMode(f"Invalid attaching mode '{mode}' for volume {volume['id']}.")
