"""What a hypervisor's driver is asked for: eight methods every driver has, and abilities some have besides."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Json = dict[str, Any]


class PowerState(enum.IntEnum):
    """nova's numbers, as the API shows them."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


class Power(enum.StrEnum):
    """What can be done to a guest's power."""

    ON = "power_on"
    OFF = "power_off"
    SOFT_REBOOT = "soft_reboot"
    HARD_REBOOT = "hard_reboot"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SUSPEND = "suspend"
    RESUME = "resume"


class InstanceNotFound(LookupError):
    """No such guest on this host. Its message is nova's."""

    def __init__(self, guest_id: str) -> None:
        super().__init__(f"Instance {guest_id} could not be found.")


@dataclass(frozen=True, slots=True)
class Image:
    """What a root disk is made of: glance's body, and the data as a file on this host; a kernel that boots it, and its ramdisk."""

    body: Mapping[str, Any]
    path: Path
    kernel: Image | None = None
    ramdisk: Image | None = None

    @property
    def id(self) -> str:
        return str(self.body["id"])


@dataclass(frozen=True, slots=True)
class Disk:
    """One block device: a volume when it has `connection_info`, else local (an empty disk, swap)."""

    device_name: str
    boot_index: int | None = None
    volume_id: str | None = None
    connection_info: Mapping[str, Any] | None = None
    size_gb: int | None = None
    guest_format: str | None = None
    disk_bus: str | None = None
    device_type: str | None = None
    tag: str | None = None

    @property
    def id(self) -> str:
        return self.volume_id or self.device_name


@dataclass(frozen=True, slots=True)
class Vif:
    """One network interface: an entry of `network_info` (docs/rpc.md)."""

    info: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.info["id"])


@dataclass(frozen=True, slots=True)
class Guest:
    """All that a driver needs to make a server. `image` is None when the root disk is a volume."""

    id: str
    name: str  # instance-0000001a: the hypervisor's own name for it
    server: Mapping[str, Any] = field(repr=False)  # the instance: flavor, metadata, user_data, key_data, config_drive, ...
    image: Image | None = None
    vifs: tuple[Vif, ...] = ()
    disks: tuple[Disk, ...] = ()
    admin_password: str | None = field(default=None, repr=False)
    injected_files: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def flavor(self) -> Mapping[str, Any]:
        flavor: Mapping[str, Any] = self.server["flavor"]
        return flavor

    @property
    def kernel(self) -> Image | None:
        return self.image.kernel if self.image else None

    @property
    def ramdisk(self) -> Image | None:
        return self.image.ramdisk if self.image else None


@dataclass(frozen=True, slots=True)
class Capacity:
    """The host as its hypervisor sees it."""

    node: str  # hypervisor_hostname
    vcpus: int
    memory_mb: int
    local_gb: int
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    cpu_info: Json
    supported_instances: list[list[str]]
    traits: tuple[str, ...]
    initiator: str  # how volumes are reached: the connector's iSCSI name
    image_folder: Path  # where the host keeps image data; it exists


Device = Disk | Vif


class Driver(Protocol):
    """Every method but `console_output` and `power` takes what is already so for success; these raise InstanceNotFound."""

    async def capacity(self) -> Capacity: ...

    async def guests(self) -> Mapping[str, PowerState]:
        """All guests of this host, by server id."""

    async def spawn(self, guest: Guest) -> None:
        """Makes the guest with its disks and starts it. A guest of that id that is there already is replaced."""

    async def destroy(self, guest_id: str) -> None:
        """Stops and forgets the guest with its local disks; volumes are only let go."""

    async def power(self, guest_id: str, action: Power) -> None: ...

    async def attach(self, guest_id: str, device: Device) -> None: ...

    async def detach(self, guest_id: str, device_id: str) -> None:
        """A volume or a port, by its id."""

    async def console_output(self, guest_id: str) -> str: ...


@runtime_checkable
class Snapshots(Protocol):
    async def disk_data(self, guest_id: str) -> AsyncIterator[bytes]:
        """The root disk as an image's data."""


@runtime_checkable
class Diagnoses(Protocol):
    async def diagnostics(self, guest_id: str) -> Json:
        """nova's standard fields (microversion 2.48)."""


@runtime_checkable
class Passwords(Protocol):
    async def set_admin_password(self, guest_id: str, password: str) -> None: ...


@runtime_checkable
class Rescues(Protocol):
    async def rescue(self, guest: Guest) -> None:
        """Boots from the guest's image, its own root disk beside it."""

    async def unrescue(self, guest_id: str) -> None: ...


@runtime_checkable
class Moves(Protocol):
    """A guest changes its size or its host: the old one is set aside until somebody has looked at the new one."""

    async def set_aside(self, guest_id: str) -> Json:
        """Stops the guest and keeps it out of sight; what the new host needs to have its disk. Doing so twice is fine."""

    async def move_in(self, guest: Guest, disk: Mapping[str, Any]) -> None:
        """Makes the guest with a disk from elsewhere, and starts it."""

    async def drop_aside(self, guest_id: str) -> None:
        """The new one is good. Absence is success."""

    async def take_back(self, guest_id: str) -> None:
        """The old one is back, stopped. It is an error if there is none."""


@runtime_checkable
class Events(Protocol):
    async def changed(self) -> set[str]:
        """Waits until the power of guests may have changed, whoever did it; their ids."""


@runtime_checkable
class Closes(Protocol):
    async def close(self, keep: bool) -> None:
        """The cloud ends. `keep`: its guests do not."""
