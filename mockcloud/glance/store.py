"""Where image data is kept: one file an image."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 64 * 1024


class TooBig(Exception):
    """More data than the cap allows."""


@dataclass(frozen=True, slots=True)
class Written:
    size: int
    checksum: str  # MD5, hex
    os_hash_value: str  # SHA-512, hex
    head: bytes  # the first bytes, for a look at the format


class Store:
    """`folder` empty: a temporary one that goes with the cloud."""

    def __init__(self, folder: str = "", cap: int = 2**40) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="mockcloud-images-")
        self._folder = Path(folder or (self._temporary.name if self._temporary else ""))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._cap = cap

    def path(self, name: str) -> Path:
        return self._folder / name

    async def write(self, name: str, data: AsyncIterator[bytes]) -> Written:
        """Keeps all of it or nothing; hashes while it passes."""
        md5, sha, size, head = hashlib.md5(usedforsecurity=False), hashlib.sha512(), 0, b""
        partial = self.path(name + ".part")
        try:
            with partial.open("wb") as file:
                async for chunk in data:
                    size += len(chunk)
                    if size > self._cap:
                        raise TooBig(f"{size} bytes")
                    head = (head + chunk)[:512] if len(head) < 512 else head
                    md5.update(chunk)
                    sha.update(chunk)
                    file.write(chunk)
            partial.rename(self.path(name))
        finally:
            partial.unlink(missing_ok=True)
        return Written(size, md5.hexdigest(), sha.hexdigest(), head)

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
