"""A guest's disk files, made by qemu-img. An image is looked at before anything else opens it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from mockcloud import qcow2
from mockcloud.compute.drivers.base import Image
from mockcloud.compute.errors import FlavorDiskSmallerThanImage, ImageUnacceptable

FORMATS = {"raw": "raw", "ami": "raw", "iso": "raw", "qcow2": "qcow2"}  # glance's: QEMU's
LIMITED = ("prlimit", f"--as={1 << 30}", "--cpu=30")  # bytes and seconds, as nova limits it
SECONDS = 60.0  # for one call, whatever it waits for
GIB = 1024**3
HEAD = 104  # bytes of a qcow2 header


class DiskFailed(Exception):
    """qemu-img's own words."""


async def make_root(image: Image, flavor_gb: int, path: Path) -> None:
    """An overlay over the image, as large as the flavor says; as the image where it says nothing.

    Raises ImageUnacceptable and FlavorDiskSmallerThanImage.
    """
    format = accept(image)
    size = int((await _info(image, format))["virtual-size"])
    wanted = flavor_gb * GIB
    if wanted and size > wanted:
        raise FlavorDiskSmallerThanImage(wanted, size)
    await _qemu_img("create", "-q", "-f", "qcow2", "-F", format, "-b", str(image.path.resolve()), str(path), str(wanted or size))


async def make_empty(path: Path, size: int) -> None:
    """`size` is in bytes."""
    await _qemu_img("create", "-q", "-f", "qcow2", str(path), str(size))


def accept(image: Image) -> str:
    """QEMU's name of the image's format. Raises ImageUnacceptable for an image that would make QEMU open another file."""
    said = str(image.body.get("disk_format"))
    if said not in FORMATS:
        raise ImageUnacceptable(image.id, f"disks of the format {said} are not booted here; raw and qcow2 are")
    if FORMATS[said] == "qcow2":
        with image.path.open("rb") as file:
            head = file.read(HEAD)
        if not qcow2.is_qcow2(head):
            raise ImageUnacceptable(image.id, "its data is not qcow2")
        if qcow2.names_another_file(head):
            raise ImageUnacceptable(image.id, "fmt=qcow2 has a backing file")
        if qcow2.has_data_file(head):
            raise ImageUnacceptable(image.id, "fmt=qcow2 has a data file")
    return FORMATS[said]


async def _info(image: Image, format: str) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json.loads(await _qemu_img("info", "--output=json", "-f", format, str(image.path)))
    except DiskFailed as error:
        raise ImageUnacceptable(image.id, str(error)) from error
    if info.get("backing-filename"):
        raise ImageUnacceptable(image.id, "fmt=qcow2 has a backing file")
    return info


async def _qemu_img(*arguments: str) -> bytes:
    return await asyncio.to_thread(_run, [*LIMITED, "qemu-img", *arguments])


def _run(command: list[str]) -> bytes:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DiskFailed(f"qemu-img took more than {SECONDS:.0f} seconds") from error
    except OSError as error:
        raise DiskFailed(f"qemu-img cannot be run: {error}") from error
    if done.returncode:
        raise DiskFailed(done.stderr.decode(errors="replace").strip() or f"qemu-img ended with {done.returncode}")
    return done.stdout
