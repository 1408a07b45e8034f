"""A server's block devices: names, volumes on their way, what the driver is told of them. Pure."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Any

from mockcloud.compute.drivers.base import Disk, Vif
from mockcloud.compute.volume import Attachment

Json = dict[str, Any]


def next_device(taken: Iterable[str | None], prefix: str = "/dev/vd") -> str:
    used = {name.removeprefix("/dev/")[-1] for name in taken if name}
    return prefix + next(letter for letter in string.ascii_lowercase if letter not in used)


def named(mappings: list[Json], boots_from_volume: bool) -> list[Json]:
    """The mappings with a device name each, in the order of booting; the first letter is the root disk's."""
    order = sorted(mappings, key=lambda bdm: (bdm["boot_index"] is None or bdm["boot_index"] < 0, bdm["boot_index"] or 0, bdm["id"]))
    taken: list[str | None] = [bdm["device_name"] for bdm in order]
    if not boots_from_volume:
        taken.append("/dev/vda")
    result = []
    for bdm in order:
        root = bdm["boot_index"] == 0
        name = bdm["device_name"] or ("/dev/vda" if root else next_device(taken))
        taken.append(name)
        result.append({**bdm, "device_name": name})
    return result


def is_volume(bdm: Mapping[str, Any]) -> bool:
    return bool(bdm["destination_type"] == "volume")


def is_image_root(bdm: Mapping[str, Any]) -> bool:
    """The root disk made of the server's image, which the driver makes without being told."""
    return bool(bdm["source_type"] == "image" and bdm["destination_type"] == "local")


def disk(bdm: Json, attachment: Attachment | None = None) -> Disk:
    """With its connection of now, else the one that is written down."""
    return Disk(
        device_name=bdm["device_name"],
        boot_index=bdm["boot_index"],
        volume_id=attachment.volume_id if attachment else bdm["volume_id"],
        connection_info=attachment.connection_info if attachment else bdm["connection_info"],
        size_gb=bdm["volume_size"],
        guest_format=bdm["guest_format"],
        disk_bus=bdm["disk_bus"],
        device_type=bdm["device_type"],
        tag=bdm["tag"],
    )


def disks(mappings: list[Json]) -> tuple[Disk, ...]:
    return tuple(disk(bdm) for bdm in mappings if not is_image_root(bdm))


def vifs(network_info: list[Json]) -> tuple[Vif, ...]:
    return tuple(Vif(info) for info in network_info)
