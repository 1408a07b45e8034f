"""Volumes as files: what a guest writes is there for the next one, and an image in a volume is a disk."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mockcloud import qcow2
from mockcloud.cinder.backends import BackendError
from mockcloud.cinder.files import GIB, FileBackend
from tests import hypervisor

VOLUME: dict[str, Any] = {"id": "one", "size": 1}


@pytest.fixture
def backend(tmp_path: Path) -> FileBackend:
    return FileBackend(str(tmp_path / "volumes"))


async def path_of(backend: FileBackend, volume: dict[str, Any]) -> Path:
    info = await backend.connect(volume, {})
    assert info["driver_volume_type"] == "local"
    return Path(info["data"]["device_path"])


async def sent(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def write(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


def start(path: Path, length: int = 4) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def qemu_img(*arguments: str) -> None:
    subprocess.run(["qemu-img", *arguments], check=True)


async def test_a_volume_has_its_size_and_takes_no_room(backend: FileBackend) -> None:
    await backend.create_volume(VOLUME, None)
    found = (await path_of(backend, VOLUME)).stat()
    assert found.st_size == GIB and found.st_blocks * 512 < 1024**2 and found.st_mode & 0o077 == 0


async def test_a_copy_has_the_data_and_its_own_size(backend: FileBackend) -> None:
    await backend.create_volume(VOLUME, None)
    write(await path_of(backend, VOLUME), b"data")
    await backend.create_volume(copy := {"id": "two", "size": 2}, VOLUME)
    path = await path_of(backend, copy)
    assert start(path) == b"data" and path.stat().st_size == 2 * GIB


async def test_a_snapshot_keeps_what_was_there(backend: FileBackend) -> None:
    snapshot = {"id": "a-snapshot", "volume_id": "one"}
    await backend.create_volume(VOLUME, None)
    write(await path_of(backend, VOLUME), b"old!")
    await backend.create_snapshot(snapshot)
    write(await path_of(backend, VOLUME), b"new!")
    await backend.create_volume(VOLUME, snapshot)
    assert start(await path_of(backend, VOLUME)) == b"old!"
    await backend.delete_snapshot(snapshot)
    await backend.delete_snapshot(snapshot)


async def test_a_volume_grows_and_goes(backend: FileBackend) -> None:
    await backend.create_volume(VOLUME, None)
    path = await path_of(backend, VOLUME)
    await backend.extend_volume(VOLUME, 3)
    assert path.stat().st_size == 3 * GIB
    for _ in range(2):
        await backend.delete_volume(VOLUME)
    assert not path.exists()


async def test_a_volume_whose_file_is_gone_is_not_connected(backend: FileBackend) -> None:
    with pytest.raises(BackendError, match="no file of volume one"):
        await backend.connect(VOLUME, {})


async def test_a_raw_image_fills_a_volume_from_its_start(backend: FileBackend) -> None:
    await backend.create_volume(VOLUME, None)
    await backend.write(VOLUME, sent(b"da", b"ta"))
    path = await path_of(backend, VOLUME)
    assert start(path, 5) == b"data\0" and path.stat().st_size == GIB


async def test_a_volume_becomes_an_image_and_a_volume_again(backend: FileBackend) -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    await backend.create_volume(VOLUME, None)
    write(await path_of(backend, VOLUME), b"data")
    image = [chunk async for chunk in backend.read(VOLUME, "qcow2")]
    assert qcow2.is_qcow2(image[0]) and qcow2.virtual_bytes(image[0]) == GIB
    await backend.create_volume(other := {"id": "two", "size": 1}, None)
    await backend.write(other, sent(*image))
    assert start(await path_of(backend, other)) == b"data"


@pytest.mark.parametrize("options", [["-b", "SECRET", "-F", "raw"], ["-o", "data_file=SECRET"]])
async def test_an_image_that_names_another_file_fills_nothing(backend: FileBackend, tmp_path: Path, options: list[str]) -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    image, secret = tmp_path / "image", tmp_path / "secret"
    secret.write_bytes(b"secret".ljust(1 << 20, b"\0"))
    command = [option.replace("SECRET", str(secret)) for option in options]
    qemu_img("create", "-q", "-f", "qcow2", *command, str(image), "1M")
    await backend.create_volume(VOLUME, None)
    with pytest.raises(BackendError, match="builds on another file"):
        await backend.write(VOLUME, sent(image.read_bytes()))
    assert start(await path_of(backend, VOLUME)) == b"\0\0\0\0"


async def test_an_image_larger_than_the_volume_is_refused(backend: FileBackend) -> None:
    await backend.create_volume(VOLUME, None)
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    with pytest.raises(BackendError, match="the volume 1073741824"):
        await backend.write(VOLUME, sent(qcow2.empty(2 * GIB)))


def test_a_temporary_folder_goes_at_the_end() -> None:
    backend = FileBackend()
    folder = backend._folder
    backend.close()
    assert not folder.exists()
