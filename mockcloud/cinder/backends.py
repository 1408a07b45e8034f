"""Where volumes live: a small interface, and a backend that keeps nothing but their names."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from mockcloud import qcow2

Volume = Mapping[str, Any]  # a row of the volumes table
Snapshot = Mapping[str, Any]
BLOCK = 64 * 1024
GIB = 1024**3


class BackendError(Exception):
    """The storage cannot do what is asked of it."""


class Backend(Protocol):
    """What the volume manager needs of storage. Every method may raise BackendError."""

    async def create_volume(self, volume: Volume, source: Volume | Snapshot | None) -> None:
        """Makes the volume, empty or as a copy of `source`."""

    async def delete_volume(self, volume: Volume) -> None:
        """Absence is success."""

    async def extend_volume(self, volume: Volume, new_size: int) -> None:
        """`new_size` is in GiB."""

    async def create_snapshot(self, snapshot: Snapshot) -> None: ...

    async def delete_snapshot(self, snapshot: Snapshot) -> None:
        """Absence is success."""

    async def connect(self, volume: Volume, connector: Mapping[str, Any]) -> dict[str, Any]:
        """How the host that `connector` describes reaches the volume: `driver_volume_type` and `data`."""

    async def write(self, volume: Volume, data: AsyncIterator[bytes]) -> None:
        """Fills the volume from its start."""

    def read(self, volume: Volume, disk_format: str) -> AsyncIterator[bytes]:
        """The volume's data as an image: qcow2, or as they are."""


class MetadataBackend:
    """Keeps no data: reads what it is given to the end, and answers with a block that tells volumes apart."""

    def __init__(self, target_ip: str = "127.0.0.1") -> None:
        self._target = f"{target_ip}:3260"

    async def create_volume(self, volume: Volume, source: Volume | Snapshot | None) -> None:
        return None

    async def delete_volume(self, volume: Volume) -> None:
        return None

    async def extend_volume(self, volume: Volume, new_size: int) -> None:
        return None

    async def create_snapshot(self, snapshot: Snapshot) -> None:
        return None

    async def delete_snapshot(self, snapshot: Snapshot) -> None:
        return None

    async def connect(self, volume: Volume, connector: Mapping[str, Any]) -> dict[str, Any]:
        data = {
            "target_discovered": False,
            "target_portal": self._target,
            "target_iqn": f"iqn.2010-10.org.openstack:volume-{volume['id']}",
            "target_lun": 0,
            "volume_id": volume["id"],
            "auth_method": "CHAP",
            "auth_username": hashlib.sha256(f"user {volume['id']}".encode()).hexdigest()[:20],
            "auth_password": hashlib.sha256(f"password {volume['id']}".encode()).hexdigest()[:16],
            "encrypted": False,
            "qos_specs": None,
            "discard": False,
        }
        return {"driver_volume_type": "iscsi", "data": data}

    async def write(self, volume: Volume, data: AsyncIterator[bytes]) -> None:
        async for _ in data:
            pass

    async def read(self, volume: Volume, disk_format: str) -> AsyncIterator[bytes]:
        if disk_format == "qcow2":  # of the formats that glance would recognise the one that can be made: a disk without data
            yield qcow2.empty(volume["size"] * GIB)
            return
        yield f"volume {volume['id']} of {volume['size']} GiB\n".encode().ljust(BLOCK, b"\0")
