"""Where image data is kept: one file an image."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from mockcloud.glance.formats import HEAD

CHUNK = 64 * 1024


class TooBig(Exception):
    """More data than the cap allows."""


@dataclass(frozen=True, slots=True)
class Written:
    size: int
    checksum: str  # MD5, hex
    os_hash_value: str  # SHA-512, hex
    head: bytes  # the first bytes, for a look at the format


class _Gauge:
    """Measures data as it passes."""

    def __init__(self) -> None:
        self._md5, self._sha = hashlib.md5(usedforsecurity=False), hashlib.sha512()
        self.size, self._head = 0, bytearray()

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        self._md5.update(chunk)
        self._sha.update(chunk)

    def read(self) -> Written:
        return Written(self.size, self._md5.hexdigest(), self._sha.hexdigest(), bytes(self._head))


class Store:
    """`folder` empty: a temporary one, gone at `close`. Neither way do the data pass through memory as a whole."""

    def __init__(self, folder: str = "", cap: int = 2**40) -> None:
        self._folder = Path(folder or tempfile.mkdtemp(prefix="mockcloud-images-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove: Callable[[], object] | None = None
        if not folder:  # goes with the store, also where nobody closes it
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._cap = cap

    def close(self) -> None:
        if self._remove is not None:
            self._remove()

    def tidy(self) -> None:
        """Drops what an upload left behind when the process was killed."""
        for partial in self._folder.glob("*.part"):
            partial.unlink()

    def path(self, name: str) -> Path:
        return self._folder / name

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    async def write(self, name: str, data: AsyncIterator[bytes]) -> Written:
        """Keeps all of it or nothing."""
        gauge, partial = _Gauge(), self.path(name + ".part")
        try:
            with partial.open("wb") as file:
                async for chunk in data:
                    gauge.add(chunk)
                    if gauge.size > self._cap:
                        raise TooBig(f"{gauge.size} bytes")
                    file.write(chunk)
            partial.rename(self.path(name))
        finally:
            partial.unlink(missing_ok=True)
        return gauge.read()

    def measure(self, name: str) -> Written:
        """Reads all of it: for a thread, where it is long."""
        gauge = _Gauge()
        with self.path(name).open("rb") as file:
            while chunk := file.read(CHUNK):
                gauge.add(chunk)
        return gauge.read()

    def corrupt(self, name: str) -> None:
        """Another first byte, as a disk that goes bad would give. Raises FileNotFoundError."""
        with self.path(name).open("r+b") as file:
            first = file.read(1) or b"\0"
            file.seek(0)
            file.write(bytes([first[0] ^ 0xFF]))

    def rename(self, old: str, new: str) -> None:
        self.path(old).rename(self.path(new))

    def delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `stop`, the last one excluded."""
        with self.path(name).open("rb") as file:
            file.seek(start)
            left = stop - start
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
