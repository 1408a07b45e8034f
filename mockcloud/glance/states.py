"""How an image's status moves while data come."""

from __future__ import annotations

from sqlalchemy import update

from mockcloud.db.engine import Row, Transaction
from mockcloud.glance.formats import FormatMismatch, check_format, virtual_size
from mockcloud.glance.store import Written
from mockcloud.glance.tables import images
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict, Gone, UnsupportedMediaType
from mockcloud.http.service import Service


def leave_queue(ctx: Context, tx: Transaction, row: Row, status: str) -> None:
    """queued -> saving or uploading, compare and set."""
    missing = [name for name in ("disk_format", "container_format") if not row[name]]
    if row["status"] == "queued" and status == "saving" and missing:
        raise BadRequest(f"{'Property' if len(missing) == 1 else 'Properties'} {', '.join(missing)} must be set prior to saving data.")
    if not move(ctx, tx, row["id"], "queued", status):
        raise Conflict(f"Image status transition from {row['status']} to {status} is not allowed")


def move(ctx: Context, tx: Transaction, image_id: str, old: str, new: str) -> bool:
    mine = update(images).where(images.c.id == image_id, images.c.status == old)
    return bool(tx.execute(mine.values(status=new, updated_at=ctx.now())))


def take_back(ctx: Context, image_id: str, status: str) -> None:
    """As if the data had never begun to come."""
    with ctx.db.transaction() as tx:
        move(ctx, tx, image_id, status, "queued")


def activate(ctx: Context, row: Row, written: Written) -> Row:
    """The record learns what the data are; 415 when they are not what it says, 410 when it was deleted meanwhile."""
    try:
        check_format(row["disk_format"], row["container_format"], written.head)
    except FormatMismatch as error:
        raise unsupported("application/octet-stream", str(error)) from error
    values = {
        "status": "active", "size": written.size, "checksum": written.checksum, "os_hash_algo": "sha512",
        "os_hash_value": written.os_hash_value, "updated_at": ctx.now(),
        "virtual_size": virtual_size(row["disk_format"], row["container_format"], written.size, written.head),
    }  # fmt: skip
    with ctx.db.transaction() as tx:
        there = tx.execute(update(images).where(images.c.id == row["id"]).values(**values))
    if not there:
        raise Gone(
            f"Image {row['id']} could not be found after upload. The image may have been deleted during the upload, "
            "cleaning up the chunks uploaded."
        )
    return row | values


def unsupported(media: str, why: str) -> ApiError:
    return UnsupportedMediaType(f"The request media type {media} is not supported by this server.", detail=why)


def recover(service: Service) -> None:
    """After a restart: uploads that were under way are as if they had never begun, imports wait to be asked for again."""
    with service.db.transaction() as tx:
        for old, new in (("saving", "queued"), ("importing", "uploading")):
            tx.execute(update(images).where(images.c.status == old).values(status=new))
