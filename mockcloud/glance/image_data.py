"""Image data: upload and download. Record and file never part: a failed upload leaves a queued image and no file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping

from mockcloud.glance.access import find_for, is_admin
from mockcloud.glance.notices import sending, tell
from mockcloud.glance.states import activate, leave_queue, take_back, unsupported
from mockcloud.glance.store import Store, TooBig
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden, RangeNotSatisfiable, TooLarge
from mockcloud.http.reply import Query, Reply

RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")
STREAM = "application/octet-stream"


async def upload_image(ctx: Context, image_id: str, headers: Mapping[str, str], stream: AsyncIterator[bytes]) -> None:
    _check_headers(headers)
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "upload_image", image_id)
        leave_queue(ctx, tx, row, "saving")
    await tell(ctx, "prepare", row | {"status": "saving"})
    with _undone_on_failure(ctx, image_id, "saving", image_id):
        active = activate(ctx, row, await ctx.part(Store).write(image_id, stream))
    await tell(ctx, "upload", active)
    await tell(ctx, "activate", active)


async def stage_image(ctx: Context, image_id: str, headers: Mapping[str, str], stream: AsyncIterator[bytes]) -> None:
    """Data that wait for their import."""
    _check_headers(headers)
    with ctx.db.transaction() as tx:
        leave_queue(ctx, tx, find_for(ctx, tx, "modify_image", image_id), "uploading")
    with _undone_on_failure(ctx, image_id, "uploading", f"{image_id}.staged"):
        await ctx.part(Store).write(f"{image_id}.staged", stream)


@contextlib.contextmanager
def _undone_on_failure(ctx: Context, image_id: str, status: str, file: str) -> Iterator[None]:
    """A client that goes away, or a cloud that stops, is a failure too."""
    try:
        yield
    except BaseException as error:
        ctx.part(Store).delete(file)
        take_back(ctx, image_id, status)
        if isinstance(error, TooBig):
            raise TooLarge(f"The incoming image is too large: {error}") from error
        raise


def _check_headers(headers: Mapping[str, str]) -> None:
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != STREAM:
        raise unsupported(media, f"Invalid content type {media or None}")
    if not headers.get("x-openstack-image-size", "0").strip().isdecimal():
        raise BadRequest("Invalid or missing image size in request headers.")


async def download_image(ctx: Context, image_id: str, query: Query, headers: Mapping[str, str]) -> Reply:
    with ctx.db.transaction() as tx:
        row = find_for(ctx, tx, "get_image", image_id)
        if row["status"] == "deactivated" and not is_admin(ctx):
            raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
        find_for(ctx, tx, "download_image", image_id)
    if query.get("prefer"):
        raise BadRequest("Store selection for download is not available when multiple backends are not enabled.")
    if row["size"] is None or row["status"] not in ("active", "deactivated"):
        return Reply(status=204)
    asked, size = headers.get("range"), row["size"]
    start, stop = (0, size) if asked is None else read_range(asked, size)
    sent = {"Content-Length": str(stop - start), "Content-MD5": row["checksum"]}
    if asked is not None:
        sent["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    data = sending(ctx, row, ctx.part(Store).read(image_id, start, stop), stop - start)
    return Reply(stream=data, status=200 if asked is None else 206, headers=sent, media=STREAM)


def read_range(asked: str, size: int) -> tuple[int, int]:
    """The first byte and the one behind the last."""
    if "," in asked:
        raise BadRequest("Requests with multiple ranges are not supported in Glance. You may make multiple single-range requests instead.")
    match = RANGE.match(asked.strip())
    if not match or match[1] == match[2] == "" or (match[1] and match[2] and int(match[1]) > int(match[2])):
        raise RangeNotSatisfiable(detail="Invalid Range header.")
    if not match[1]:
        return max(0, size - int(match[2])), size
    if int(match[1]) >= size:
        raise RangeNotSatisfiable(f"Invalid start position in Range header. Start position MUST be in the inclusive range [0, {size - 1}].")
    return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
