"""Images as a compute sees them: asked of glance in the user's name, their data kept on the host."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mockcloud.clients import Clients, EndpointDown, Response, Rest
from mockcloud.clock import Clock
from mockcloud.compute.drivers.base import Image
from mockcloud.compute.errors import (
    FlavorDiskSmallerThanImage,
    FlavorDiskSmallerThanMinDisk,
    FlavorMemoryTooSmall,
    ImageCorrupt,
    ImageNotActive,
    ImageUnavailable,
)
from mockcloud.context import RequestContext

NUM_RETRIES = 3  # nova's [glance] num_retries, a second apart
GIB = 1024**3
Json = dict[str, Any]


class Images:
    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients, self._clock = clients, clock
        self.folder = Path()  # of the hypervisor

    async def show(self, ctx: RequestContext, image_id: str) -> Json:
        """glance's body of the image."""
        body: Json = (await self._get(ctx, f"/v2/images/{image_id}")).json()
        return body

    async def fetch(self, ctx: RequestContext, body: Json) -> Image:
        """The image as a file, and those of its kernel and its ramdisk if it names some."""
        image = await self._file(ctx, body)
        kernel_id, ramdisk_id = body.get("kernel_id"), body.get("ramdisk_id")
        if not kernel_id:
            return image
        kernel = await self._file(ctx, await self.show(ctx, kernel_id))
        ramdisk = await self._file(ctx, await self.show(ctx, ramdisk_id)) if ramdisk_id else None
        return replace(image, kernel=kernel, ramdisk=ramdisk)

    async def _file(self, ctx: RequestContext, body: Json) -> Image:
        """The one that the host has, else its data from glance, with the checksum that glance knows."""
        if body["status"] != "active":
            raise ImageNotActive(body["id"])
        path = self._path(body)
        if not path.exists():
            answer = await self._get(ctx, f"/v2/images/{body['id']}/file", stream=True)
            if answer.stream is None:
                raise ImageUnavailable(f"glance sent no data of image {body['id']}.")
            await self._keep(body, answer.stream, path)
        return Image(body, path)

    async def upload(self, ctx: RequestContext, image_id: str, data: AsyncIterator[bytes]) -> None:
        """Fills a queued image, which is raw unless somebody said otherwise."""
        rest, path = self._clients.user(ctx), f"/v2/images/{image_id}"
        body = await self.show(ctx, image_id)
        formats = {"disk_format": "raw", "container_format": "bare"}
        unsaid = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in formats.items() if body.get(name) is None]
        if unsaid:
            patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            _check(await rest.patch("image", path, json=unsaid, headers=patch), image_id)
        octets = {"Content-Type": "application/octet-stream"}
        _check(await rest.put("image", f"{path}/file", content=data, headers=octets), image_id)

    async def delete(self, ctx: RequestContext, image_id: str) -> None:
        """Absence is success."""
        await self._clients.user(ctx).delete("image", f"/v2/images/{image_id}")

    async def _get(self, ctx: RequestContext, path: str, stream: bool = False) -> Response:
        """A glance that is away or overloaded is asked again."""
        for attempt in range(NUM_RETRIES + 1):
            try:
                answer = await self._reader(ctx).get("image", path, stream=stream)
            except EndpointDown as error:
                why = str(error)
            else:
                if answer.ok:
                    return answer
                why = f"{answer.status} {answer.message()}"
                if answer.status != 503:
                    break
            if attempt < NUM_RETRIES:
                await self._clock.sleep(1)
        raise ImageUnavailable(f"Image at {path} could not be had from glance: {why}")

    def _reader(self, ctx: RequestContext) -> Rest:
        """The user; nova itself where no user asks, as after a restart."""
        return self._clients.user(ctx) if ctx.token else self._clients.own(ctx)

    def _path(self, body: Mapping[str, Any]) -> Path:
        return self.folder / f"{body['id']}-{body.get('checksum') or 'empty'}"

    def _partial(self, body: Mapping[str, Any]) -> Path:
        """Two launches may fetch one image at the same time."""
        return self.folder / f"{body['id']}-{uuid.uuid4().hex}.part"

    async def _keep(self, body: Mapping[str, Any], data: AsyncIterator[bytes], path: Path) -> None:
        partial = self._partial(body)
        md5, strong = hashlib.md5(usedforsecurity=False), hashlib.new(body.get("os_hash_algo") or "sha512")
        try:
            with partial.open("wb") as file:
                async for chunk in data:
                    md5.update(chunk)
                    strong.update(chunk)
                    file.write(chunk)
            for known, found in ((body.get("checksum"), md5.hexdigest()), (body.get("os_hash_value"), strong.hexdigest())):
                if known and known != found:
                    raise ImageCorrupt(f"The data of image {body['id']} has the checksum {found}, not {known}.")
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)


def _check(answer: Response, image_id: str) -> None:
    if not answer.ok:
        raise ImageUnavailable(f"Image {image_id} could not be written: {answer.status} {answer.message()}")


def check_fits(image: Mapping[str, Any], flavor: Mapping[str, Any]) -> None:
    """Raises what nova raises when the flavor is too small for the image. A flavor without a root disk takes any."""
    if (image.get("min_ram") or 0) > flavor["memory_mb"]:
        raise FlavorMemoryTooSmall
    disk = flavor["root_gb"] * GIB
    if not disk:
        return
    if (image.get("size") or 0) > disk:
        raise FlavorDiskSmallerThanImage(disk, image["size"])
    if (image.get("min_disk") or 0) * GIB > disk:
        raise FlavorDiskSmallerThanMinDisk(disk, image["min_disk"] * GIB)
