"""Disks that a launch asks for, by nova's rules: what the two forms of request mean, and which combinations can be booted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mockcloud.http.errors import BadRequest

BUSES = ("fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml")
MAX_LOCAL = 3  # nova's max_local_block_devices
ROOT = "vda"  # where the root disk is when nobody says it
INVALID = "Block Device Mapping is Invalid: "


@dataclass(slots=True)
class Device:
    """One disk; the fields are the columns of block_device_mapping. `volume_size` is in GiB, of a swap disk in MiB."""

    source_type: str
    destination_type: str
    boot_index: int | None = None
    device_name: str | None = None
    guest_format: str | None = None
    disk_bus: str | None = None
    device_type: str | None = None
    volume_id: str | None = None
    snapshot_id: str | None = None
    image_id: str | None = None
    volume_size: int | None = None
    volume_type: str | None = None
    delete_on_termination: bool = False
    tag: str | None = None
    attachment_id: str | None = None  # of a volume that is reserved already

    @property
    def is_swap(self) -> bool:
        return self._is_blank_local and self.guest_format == "swap"

    @property
    def is_ephemeral(self) -> bool:
        return self._is_blank_local and self.guest_format != "swap"

    @property
    def _is_blank_local(self) -> bool:
        return self.source_type == "blank" and self.destination_type == "local"

    def columns(self) -> dict[str, Any]:
        return asdict(self)


def read_devices(server: Mapping[str, Any]) -> list[Device]:
    """As asked for; with one of the two forms at most."""
    old, new = server.get("block_device_mapping") or [], server.get("block_device_mapping_v2") or []
    if old and new:
        raise BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    made = [_old(entry) for entry in old] + [_new(entry, bool(server.get("imageRef"))) for entry in new]
    return [device for device in made if device is not None]


def _new(entry: Mapping[str, Any], has_image: bool) -> Device | None:
    if entry.get("no_device"):
        return None
    source, id, destination = entry.get("source_type"), entry.get("uuid"), entry.get("destination_type")
    boot_index = _boot_index(entry)
    if source == "blank" and id:
        raise _invalid("Invalid device UUID.")
    if source != "blank" and not id:
        raise _invalid("Missing device UUID.")
    if source is None:
        raise _invalid("Some required fields are missing")
    if source == "image" and destination == "local" and not (has_image and boot_index == 0):
        raise _invalid("Mapping image to local is not supported.")
    if destination == "local" and entry.get("volume_type"):
        raise _invalid("Specifying a volume_type with destination_type=local is not supported.")
    if source == "volume" and entry.get("volume_type"):
        raise _invalid("Specifying volume type to existing volume is not supported.")
    to_local = source == "blank" or (source == "image" and has_image and boot_index == 0)
    device = Device(source, destination or ("local" if to_local else "volume"), boot_index, **_shared(entry))
    for name in ("guest_format", "disk_bus", "device_type", "volume_type", "tag"):
        setattr(device, name, entry.get(name))
    if source != "blank":
        setattr(device, f"{source}_id", id)
    return device


def _boot_index(entry: Mapping[str, Any]) -> int | None:
    return None if entry.get("boot_index") is None else int(entry["boot_index"])


def _old(entry: Mapping[str, Any]) -> Device | None:
    virtual = entry.get("virtual_name") or ""
    if virtual == "swap" or re.fullmatch(r"ephemeral\d+", virtual):
        blank = Device("blank", "local", -1, **_shared(entry) | {"delete_on_termination": True})
        blank.guest_format = "swap" if virtual == "swap" else None
        return blank
    for source in ("snapshot", "volume"):
        if id := entry.get(f"{source}_id"):
            device = Device(source, "volume", -1, **_shared(entry))
            setattr(device, f"{source}_id", id)
            return device
    if entry.get("no_device"):
        return None
    raise _invalid("Unrecognized legacy format.")


def _shared(entry: Mapping[str, Any]) -> dict[str, Any]:
    name, size = entry.get("device_name"), entry.get("volume_size")
    return {
        "device_name": f"/dev/{strip(name)}" if name else None,
        "volume_size": int(size) if size is not None else None,
        "delete_on_termination": str(entry.get("delete_on_termination", False)).lower() in ("true", "1", "on", "yes"),
    }


def strip(device_name: str | None) -> str:
    return (device_name or "").removeprefix("/dev/")


def complete(devices: Sequence[Device], image_id: str, flavor: Mapping[str, Any], is_old_form: bool) -> list[Device]:
    """With what was not said: the image's root disk, the flavor's swap and ephemeral disks."""
    made = list(devices)
    if image_id and any(d.destination_type == "volume" and strip(d.device_name) == ROOT for d in made):
        raise BadRequest(f"The volume cannot be assigned the same device name as the root device {ROOT}")
    if is_old_form:
        for device in made:
            if device.source_type != "blank" and strip(device.device_name) == ROOT:
                device.boot_index = 0
        if image_id and not any(device.boot_index == 0 for device in made):
            root = Device("image", "local", 0, image_id=image_id, device_type="disk", delete_on_termination=True)
            made.insert(0, root)
    if flavor["ephemeral_gb"] and not any(device.is_ephemeral for device in made):
        made.append(_blank(flavor["ephemeral_gb"]))
    if flavor["swap"] and not any(device.is_swap for device in made):
        made.append(_blank(flavor["swap"], "swap"))
    return made


def _blank(size: int, guest_format: str | None = None) -> Device:
    made = Device("blank", "local", -1, guest_format=guest_format, volume_size=size, delete_on_termination=True)
    made.device_type = "disk"
    return made


def root_of(devices: Sequence[Device]) -> Device | None:
    return next((device for device in devices if device.boot_index == 0), None)


def asked_root(devices: Sequence[Device], is_old_form: bool) -> Device | None:
    """Where a server without an image boots from."""
    if is_old_form:
        return next((d for d in devices if re.sub(r"^(x?v|s|h)d|\d", "", strip(d.device_name)) == "a"), None)
    return root_of(devices)


def check_devices(devices: Sequence[Device], flavor: Mapping[str, Any]) -> None:
    """What can be told from the request and the flavor alone."""
    order = sorted(device.boot_index for device in devices if device.boot_index is not None and device.boot_index >= 0)
    if not order or order != list(range(len(order))):
        raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
    for device in devices:
        if device.destination_type == "volume" and not device.volume_size:
            if device.source_type == "image":
                raise BadRequest("Images with destination_type 'volume' need to have a non-zero size specified")
            if device.source_type == "blank":
                raise BadRequest("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
        if device.disk_bus and device.disk_bus not in BUSES:
            raise BadRequest("Block Device Mapping is Invalid.")
    _check_local(devices, flavor)


def _check_local(devices: Sequence[Device], flavor: Mapping[str, Any]) -> None:
    if sum(device.volume_size or flavor["ephemeral_gb"] for device in devices if device.is_ephemeral) > flavor["ephemeral_gb"]:
        raise BadRequest(
            "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping,"
            " flavor ephemeral size will be used."
        )
    swaps = [device for device in devices if device.is_swap]
    if len(swaps) > 1:
        raise _invalid("More than one swap drive requested.")
    if swaps and (swaps[0].volume_size or 0) > flavor["swap"]:
        raise BadRequest("Swap drive requested is larger than instance type allows.")
    if sum(device.destination_type == "local" for device in devices) > MAX_LOCAL:
        raise _invalid("You specified more local devices than the limit allows")


def check_several(devices: Sequence[Device]) -> None:
    if any(device.source_type == "volume" for device in devices):
        raise BadRequest("Cannot attach one or more volumes to multiple instances")


def _invalid(details: str) -> BadRequest:
    return BadRequest(INVALID + details)
