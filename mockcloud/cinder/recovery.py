"""What a restart of the whole cloud makes of work that was under way: its messages are gone with the bus.

As cinder-volume cleans up when it starts: what was being made has failed, what was being deleted goes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from mockcloud.cinder.lookup import attachments_of
from mockcloud.cinder.states import after_attachments
from mockcloud.cinder.tables import snapshots, volume_attachment, volumes
from mockcloud.db.engine import Database, Row, Transaction

FAILED = {"creating": "error", "downloading": "error", "extending": "error_extending", "reverting": "error"}
UNHURT = ("uploading", "retyping")


def recover(db: Database, now: datetime) -> None:
    with db.transaction() as tx:
        for snapshot in tx.all(select(snapshots).where(snapshots.c.status.in_(("creating", "deleting")))):
            _recover_snapshot(tx, snapshot, now)
        for volume in tx.all(select(volumes).where(volumes.c.status.in_((*FAILED, *UNHURT, "deleting")))):
            _recover_volume(tx, volume, now)


def _recover_snapshot(tx: Transaction, snapshot: Row, now: datetime) -> None:
    mine = snapshots.c.id == snapshot["id"]
    if snapshot["status"] == "deleting":
        tx.execute(delete(snapshots).where(mine))
    else:
        tx.execute(update(snapshots).where(mine).values(status="error", updated_at=now))


def _recover_volume(tx: Transaction, volume: Row, now: datetime) -> None:
    mine = volumes.c.id == volume["id"]
    if volume["status"] == "deleting":
        tx.execute(delete(volume_attachment).where(volume_attachment.c.volume_id == volume["id"]))
        tx.execute(delete(snapshots).where(snapshots.c.volume_id == volume["id"]))
        tx.execute(delete(volumes).where(mine))
        return
    status = FAILED.get(volume["status"])
    if status is None:
        status, _ = after_attachments(row["attach_status"] for row in attachments_of(tx, volume["id"]))
    tx.execute(update(volumes).where(mine).values(status=status, previous_status=None, new_size=None, updated_at=now))
