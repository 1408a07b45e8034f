"""A backend whose volumes are raw files on this machine, sparse, for guests that run on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from mockcloud import qcow2
from mockcloud.cinder.backends import BackendError, Snapshot, Volume

GIB = 1024**3
BLOCK = 1024 * 1024
HEAD = 104  # bytes of a qcow2 header
SECONDS = 600.0  # that copying or converting a volume may take
LIMITED = ("prlimit", f"--as={1 << 30}")  # bytes, for qemu-img, which reads what users have uploaded


class FileBackend:
    """`folder` empty: a temporary one, gone at `close`."""

    def __init__(self, folder: str = "") -> None:
        self._folder = Path(folder or tempfile.mkdtemp(prefix="mockcloud-volumes-")).resolve()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove: Callable[[], object] | None = None
        if not folder:
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def close(self) -> None:
        if self._remove is not None:
            self._remove()

    async def create_volume(self, volume: Volume, source: Volume | Snapshot | None) -> None:
        path = self._volume(volume)
        if source is not None:
            origin = self._snapshot(source) if "volume_id" in source else self._volume(source)
            await _run("cp", "--sparse=always", "--reflink=auto", str(origin), str(path))
        else:
            path.touch(mode=0o600)
        os.truncate(path, volume["size"] * GIB)

    async def delete_volume(self, volume: Volume) -> None:
        self._volume(volume).unlink(missing_ok=True)

    async def extend_volume(self, volume: Volume, new_size: int) -> None:
        os.truncate(self._existing(volume), new_size * GIB)

    async def create_snapshot(self, snapshot: Snapshot) -> None:
        origin = self._folder / f"volume-{snapshot['volume_id']}"
        await _run("cp", "--sparse=always", "--reflink=auto", str(origin), str(self._snapshot(snapshot)))

    async def delete_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot(snapshot).unlink(missing_ok=True)

    async def connect(self, volume: Volume, connector: Mapping[str, Any]) -> dict[str, Any]:
        data = {
            "device_path": str(self._existing(volume)),
            "volume_id": volume["id"],
            "encrypted": False,
            "qos_specs": None,
            "discard": False,
        }
        return {"driver_volume_type": "local", "data": data}

    async def write(self, volume: Volume, data: AsyncIterator[bytes]) -> None:
        """qcow2 becomes raw, unless it would make QEMU open another file."""
        path, size = self._existing(volume), volume["size"] * GIB
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="write-") as file:
            async for chunk in data:
                file.write(chunk)
            file.seek(0)
            head = file.read(HEAD)
            if not qcow2.is_qcow2(head):
                await _run("cp", "--sparse=always", file.name, str(path))
            elif qcow2.names_another_file(head) or qcow2.has_data_file(head):
                raise BackendError("The image builds on another file.")
            else:
                await _run(*LIMITED, "qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", file.name, str(path))
        if path.stat().st_size > size:
            raise BackendError(f"The image has {path.stat().st_size} bytes, the volume {size}.")
        os.truncate(path, size)

    async def read(self, volume: Volume, disk_format: str) -> AsyncIterator[bytes]:
        path = self._existing(volume)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="read-") as copy:
            if disk_format == "qcow2":
                await _run("qemu-img", "convert", "-q", "-U", "-f", "raw", "-O", "qcow2", str(path), copy.name)
                path = Path(copy.name)
            with await asyncio.to_thread(path.open, "rb") as file:
                while chunk := file.read(BLOCK):
                    yield chunk

    def _volume(self, volume: Volume) -> Path:
        return self._folder / f"volume-{volume['id']}"

    def _snapshot(self, snapshot: Snapshot) -> Path:
        return self._folder / f"snapshot-{snapshot['id']}"

    def _existing(self, volume: Volume) -> Path:
        path = self._volume(volume)
        if not path.exists():
            raise BackendError(f"There is no file of volume {volume['id']}.")
        return path


async def _run(*command: str) -> None:
    """Raises BackendError with the program's own words."""
    try:
        done = await asyncio.to_thread(subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(str(error)) from error
    if done.returncode:
        raise BackendError(done.stderr.decode(errors="replace").strip())
