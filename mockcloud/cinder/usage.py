"""What cinder tells of volumes and snapshots on the bus, as they are when it tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from mockcloud.cinder.lookup import attachments_of
from mockcloud.cinder.tables import snapshots, volumes
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row
from mockcloud.db.prepared import Prepared
from mockcloud.notifications.notifier import Notifier

_VOLUME = Prepared(select(volumes).where(volumes.c.id == bindparam("id")))
Json = dict[str, Any]
ATTACHMENT = ("id", "volume_id", "instance_uuid", "attached_host", "mountpoint", "attach_time", "detach_time", "attach_status",
              "attach_mode", "created_at", "updated_at")  # fmt: skip


class UsageNotifier:
    """How a host is reached is not told: it may hold secrets."""

    def __init__(self, notifier: Notifier, db: Database) -> None:
        self._notifier, self._db = notifier, db

    async def volume(self, ctx: RequestContext, event: str, volume_id: str, gone: Row | None = None) -> None:
        """`event` is e.g. create.start; `gone` is the row of a volume that has just been deleted."""
        if not self._notifier.topics:
            return
        with self._db.transaction() as tx:
            row = gone or tx.one(_VOLUME, id=volume_id)
            attachments = attachments_of(tx, volume_id)
        if row is not None:
            await self._notifier.tell(ctx, f"volume.{event}", self._volume_usage(row, attachments))

    async def snapshot(self, ctx: RequestContext, event: str, snapshot: Row) -> None:
        """As it was, when it is gone."""
        if not self._notifier.topics:
            return
        row = self._db.one(select(snapshots).where(snapshots.c.id == snapshot["id"])) or snapshot
        zone = self._db.scalar(select(volumes.c.availability_zone).where(volumes.c.id == row["volume_id"]))
        payload = {
            "tenant_id": row["project_id"],
            "user_id": row["user_id"],
            "availability_zone": zone,
            **{name: row[name] for name in ("volume_id", "volume_size", "display_name", "status")},
            "snapshot_id": row["id"],
            "created_at": _iso(row["created_at"]),
            "deleted": "",
            "metadata": str(row["metadata"]),
        }
        await self._notifier.tell(ctx, f"snapshot.{event}", payload)

    def _volume_usage(self, row: Row, attachments: list[Row]) -> Json:
        noted = [{"volume_id": row["id"], "key": key, "value": value} for key, value in row["glance_metadata"].items()]
        metadata = [{"volume_id": row["id"], "key": key, "value": value} for key, value in row["metadata"].items()]
        return {
            "tenant_id": row["project_id"],
            "volume_id": row["id"],
            "volume_type": row["volume_type_id"],
            **{name: row[name] for name in ("host", "user_id", "availability_zone", "display_name", "status", "snapshot_id", "size")},
            "launched_at": _iso(row["launched_at"]) or self._notifier.now(),
            "created_at": _iso(row["created_at"]),
            **dict.fromkeys(("replication_status", "replication_extended_status", "replication_driver_data")),
            "metadata": metadata,
            "volume_attachment": [{name: _plain(attachment[name]) for name in ATTACHMENT} for attachment in attachments],
        } | ({"glance_metadata": noted} if noted else {})


def _iso(time: datetime | None) -> str | None:
    return None if time is None else f"{time.isoformat()}+00:00"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
