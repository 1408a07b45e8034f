"""What glance tells of images on the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.context import Context

SAME = ("id", "name", "status", "min_disk", "min_ram", "protected", "checksum", "owner", "disk_format", "container_format", "size",
        "virtual_size", "visibility", "properties", "tags")  # fmt: skip


async def tell(ctx: Context, event: str, row: Row, **more: Any) -> None:
    """`event` is e.g. create; where the data lie is not told."""
    payload = {
        **{name: row[name] for name in SAME},
        **{name: f"{row[name].isoformat(timespec='seconds')}Z" for name in ("created_at", "updated_at")},
        "is_public": row["visibility"] == "public",
        "deleted": False,
        "deleted_at": None,
    }
    await ctx.notify(f"image.{event}", payload | more)


async def sending(ctx: Context, row: Row, chunks: AsyncIterator[bytes], expected: int) -> AsyncIterator[bytes]:
    """The chunks; at their end it is told who has got how many bytes."""
    sent = 0
    async for chunk in chunks:
        yield chunk
        sent += len(chunk)
    payload = {
        "bytes_sent": sent,
        "image_id": row["id"],
        "owner_id": row["owner"],
        "receiver_tenant_id": ctx.project_id,
        "receiver_user_id": ctx.user_id,
    }
    await ctx.notify("image.send", payload, priority="INFO" if sent == expected else "ERROR")
