"""Images looked at before QEMU is: what must not be booted is refused, and by which words."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from mockcloud import qcow2
from mockcloud.compute.drivers import disks
from mockcloud.compute.drivers.base import Image
from mockcloud.compute.errors import FlavorDiskSmallerThanImage, ImageUnacceptable
from tests import hypervisor

GIB = 1024**3


@pytest.fixture(autouse=True)
def qemu_img() -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)


def image(path: Path, disk_format: str = "qcow2") -> Image:
    return Image({"id": "an-image", "disk_format": disk_format}, path)


def made(path: Path, *options: str, size: str = "10M") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size], check=True)
    return path


def info(path: Path) -> dict[str, object]:
    shown = subprocess.run(["qemu-img", "info", "--output=json", str(path)], check=True, capture_output=True)
    found: dict[str, object] = json.loads(shown.stdout)
    return found


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
async def test_a_root_disk_is_an_overlay_as_large_as_the_flavor_says(tmp_path: Path, disk_format: str) -> None:
    source = made(tmp_path / "image")
    if disk_format == "raw":
        source.write_bytes(b"raw".ljust(1 << 20, b"\0"))
    await disks.make_root(image(source, disk_format), 1, tmp_path / "disk")
    found = info(tmp_path / "disk")
    assert (found["virtual-size"], found["backing-filename"], found["backing-filename-format"]) == (GIB, str(source), disk_format)


async def test_a_flavor_without_a_disk_takes_the_images_size(tmp_path: Path) -> None:
    await disks.make_root(image(made(tmp_path / "image")), 0, tmp_path / "disk")
    assert info(tmp_path / "disk")["virtual-size"] == 10 * 1024**2


async def test_an_image_larger_inside_than_the_flavor_is_refused_in_novas_words(tmp_path: Path) -> None:
    source = made(tmp_path / "image", size="2G")
    with pytest.raises(FlavorDiskSmallerThanImage, match=f"Flavor disk is {GIB} bytes, image is {2 * GIB} bytes"):
        await disks.make_root(image(source), 1, tmp_path / "disk")
    assert not (tmp_path / "disk").exists()


async def test_an_image_that_builds_on_another_file_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "secret")
    source = made(tmp_path / "image", "-b", str(tmp_path / "secret"), "-F", "qcow2")
    with pytest.raises(ImageUnacceptable, match="Image an-image is unacceptable: fmt=qcow2 has a backing file"):
        await disks.make_root(image(source), 1, tmp_path / "disk")


async def test_an_image_whose_data_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    source = made(tmp_path / "image", "-o", f"data_file={tmp_path / 'secret'}")
    with pytest.raises(ImageUnacceptable, match="fmt=qcow2 has a data file"):
        await disks.make_root(image(source), 1, tmp_path / "disk")


def test_other_files_are_refused_by_the_header_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """qemu-img would open what the header names."""
    monkeypatch.setenv("PATH", "")
    header = bytearray(qcow2.empty(1 << 20)[:104])
    header[8:16] = struct.pack(">Q", 96)
    (tmp_path / "image").write_bytes(bytes(header))
    with pytest.raises(ImageUnacceptable, match="backing file"):
        disks.accept(image(tmp_path / "image"))


@pytest.mark.parametrize("data", [b"", b"not a disk at all", qcow2.MAGIC, qcow2.MAGIC + b"\xff" * 200])
async def test_what_is_no_disk_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "image").write_bytes(data)
    with pytest.raises(ImageUnacceptable):
        await disks.make_root(image(tmp_path / "image"), 1, tmp_path / "disk")


@pytest.mark.parametrize("disk_format", ["vmdk", "vhd", "vdi", "ploop", "aki", "None"])
async def test_formats_that_are_not_booted_are_refused(tmp_path: Path, disk_format: str) -> None:
    with pytest.raises(ImageUnacceptable, match=f"disks of the format {disk_format} are not booted here"):
        await disks.make_root(image(made(tmp_path / "image"), disk_format), 1, tmp_path / "disk")


async def test_raw_data_that_look_like_another_format_stay_raw(tmp_path: Path) -> None:
    made(tmp_path / "secret")
    source = made(tmp_path / "image", "-b", str(tmp_path / "secret"), "-F", "qcow2")
    await disks.make_root(image(source, "raw"), 1, tmp_path / "disk")
    assert info(tmp_path / "disk")["backing-filename-format"] == "raw"


async def test_the_seeds_own_image_is_a_disk(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(qcow2.empty(117_440_512))
    await disks.make_root(image(tmp_path / "image"), 1, tmp_path / "disk")
    assert info(tmp_path / "disk")["virtual-size"] == GIB


async def test_what_qemu_img_says_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(disks.DiskFailed, match="No such file"):
        await disks.make_empty(tmp_path / "nowhere" / "disk", GIB)
