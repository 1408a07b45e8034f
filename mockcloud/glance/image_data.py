"""Image data: upload, download, import. Record and file never part: a failed upload leaves a queued image and no file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

from sqlalchemy import update

from mockcloud.db.engine import Row, Transaction
from mockcloud.glance.access import find_for
from mockcloud.glance.formats import virtual_size
from mockcloud.glance.store import Store, TooBig
from mockcloud.glance.tables import images
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, Gone, RangeNotSatisfiable, TooLarge, UnsupportedMediaType
from mockcloud.http.reply import Json, Reply

RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
STREAM = "application/octet-stream"


async def upload_image(ctx: Context, image_id: str, headers: Mapping[str, str], stream: AsyncIterator[bytes]) -> None:
    _need_octets(headers)
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "upload_image", image_id)
        _start(ctx, tx, row, "saving")
    await _keep(ctx, row, stream)


async def stage_image(ctx: Context, image_id: str, headers: Mapping[str, str], stream: AsyncIterator[bytes]) -> None:
    _need_octets(headers)
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id)
        _start(ctx, tx, row, "uploading")
    try:
        await ctx.part(Store).write(f"{image_id}.staged", stream)
    except BaseException as error:
        _back(ctx, image_id)
        if isinstance(error, TooBig):
            raise TooLarge("The size of the data exceeds the limit of an image.") from error
        raise


async def import_image(ctx: Context, image_id: str, body: Json) -> None:
    method = body["method"]["name"]
    if method != "glance-direct":
        raise BadRequest(f"Unknown import method name '{method}'.")
    store = ctx.part(Store)
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "modify_image", image_id)
    if row["status"] != "uploading" or not store.path(f"{image_id}.staged").exists():
        raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
    size = store.path(f"{image_id}.staged").stat().st_size
    await _keep(ctx, row, store.read(f"{image_id}.staged", 0, size))
    store.delete(f"{image_id}.staged")


def _need_octets(headers: Mapping[str, str]) -> None:
    media = headers.get("content-type", "").partition(";")[0]
    if media != STREAM:
        raise UnsupportedMediaType(f"The request must be of type {STREAM}.")


def _start(ctx: Context, tx: Transaction, row: Row, status: str) -> None:
    """queued -> saving or uploading, compare and set."""
    if row["container_format"] is None or row["disk_format"] is None:
        missing = [name for name in ("disk_format", "container_format") if row[name] is None]
        raise BadRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")
    queued = update(images).where(images.c.id == row["id"], images.c.status == "queued")
    if not tx.execute(queued.values(status=status, updated_at=ctx.now())):
        raise Conflict(f"Image status transition from {row['status']} to {status} is not allowed")


def _back(ctx: Context, image_id: str) -> None:
    with ctx.db.transaction() as tx:
        tx.execute(update(images).where(images.c.id == image_id).values(status="queued", updated_at=ctx.now()))


async def _keep(ctx: Context, row: Row, stream: AsyncIterator[bytes]) -> None:
    store, image_id = ctx.part(Store), row["id"]
    try:
        written = await store.write(image_id, stream)
    except BaseException as error:
        _back(ctx, image_id)
        if isinstance(error, TooBig):
            raise TooLarge("The size of the data exceeds the limit of an image.") from error
        raise
    values = {
        "status": "active", "size": written.size, "checksum": written.checksum, "os_hash_algo": "sha512",
        "os_hash_value": written.os_hash_value, "updated_at": ctx.now(),
        "virtual_size": virtual_size(row["disk_format"], written.size, written.head),
    }  # fmt: skip
    with ctx.db.transaction() as tx:
        there = tx.execute(update(images).where(images.c.id == image_id).values(**values))
    if not there:  # deleted while the data came
        store.delete(image_id)
        raise Gone(f"Image {image_id} could not be found after upload. The image may have been deleted during the upload.")


async def download_image(ctx: Context, image_id: str, headers: Mapping[str, str]) -> Reply:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "download_image", image_id)
    if row["status"] == "deactivated" and not ctx.can("context_is_admin"):
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if row["size"] is None or row["status"] not in ("active", "deactivated"):
        return Reply(status=204)
    start, stop, status = _range(headers.get("range", ""), row["size"])
    sent = {"Content-Length": str(stop - start)}
    if status == 206:
        sent["Content-Range"] = f"bytes {start}-{stop - 1}/{row['size']}"
    elif row["checksum"]:
        sent["Content-MD5"] = row["checksum"]
    return Reply(stream=ctx.part(Store).read(image_id, start, stop), status=status, headers=sent, media=STREAM)


def _range(asked: str, size: int) -> tuple[int, int, int]:
    """(start, stop, status) of a Range header."""
    if not asked:
        return 0, size, 200
    match = RANGE.match(asked)
    if not match or match[1] == match[2] == "":
        raise RangeNotSatisfiable(f"The byte range passed in the 'Range' header is not valid: {asked}")
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    stop = min(int(match[2]) + 1, size) if match[1] and match[2] else size
    if start >= stop:
        raise RangeNotSatisfiable(f"The byte range passed in the 'Range' header did not match any available byte range: {asked}")
    return start, stop, 206
