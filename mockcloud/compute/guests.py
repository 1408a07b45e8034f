"""Guests made again from what is written down of a server: after a rebuild, a move, or a loss."""

from __future__ import annotations

from typing import Any

from mockcloud.compute import devices
from mockcloud.compute.drivers.base import Guest, Image
from mockcloud.compute.host import Host
from mockcloud.compute.hypervisor import instance_name
from mockcloud.context import RequestContext

Json = dict[str, Any]


async def describe(host: Host, ctx: RequestContext, server: Json, image: Image | None = None, admin_password: str | None = None) -> Guest:
    """The server as the driver is told of it, with its ports and disks as they are now."""
    mappings = devices.named(await host.conductor.block_devices(ctx, server["uuid"]), not server["image_ref"])
    return Guest(
        server["uuid"],
        instance_name(server),
        server,
        image,
        vifs=devices.vifs(server["network_info"]),
        disks=devices.disks(mappings),
        admin_password=admin_password,
    )


async def fetch_image(host: Host, ctx: RequestContext, image_ref: str | None) -> Image | None:
    if not image_ref:
        return None
    return await host.images.fetch(ctx, await host.images.show(ctx, image_ref))


async def remake(host: Host, ctx: RequestContext, server: Json) -> None:
    """A guest that should be here and is not, from its image."""
    host.lost.discard(server["uuid"])
    image = await fetch_image(host, ctx, server["image_ref"])
    await host.hypervisor.spawn(await describe(host, ctx, server, image))
