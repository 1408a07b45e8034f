"""Guests in memory: every ability, no guest inside. They outlive the compute's process as real ones do."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mockcloud.clock import Clock
from mockcloud.compute.drivers.base import Capacity, Device, Disk, Guest, InstanceNotFound, Power, PowerState, Vif
from mockcloud.settings import HostSeed, Settings

Json = dict[str, Any]
BLOCK = 64 * 1024
TRAITS = (
    "COMPUTE_DEVICE_TAGGING", "COMPUTE_IMAGE_TYPE_AKI", "COMPUTE_IMAGE_TYPE_AMI", "COMPUTE_IMAGE_TYPE_ARI", "COMPUTE_IMAGE_TYPE_ISO",
    "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG",
    "COMPUTE_NODE", "COMPUTE_RESCUE_BFV", "COMPUTE_TRUSTED_CERTS", "COMPUTE_VOLUME_ATTACH_WITH_TAG", "COMPUTE_VOLUME_EXTEND",
    "COMPUTE_VOLUME_MULTI_ATTACH", "HW_CPU_X86_SSE", "HW_CPU_X86_SSE2",
)  # fmt: skip

AFTER = {  # action: the power state that it leads to
    Power.ON: PowerState.RUNNING,
    Power.OFF: PowerState.SHUTDOWN,
    Power.SOFT_REBOOT: PowerState.RUNNING,
    Power.HARD_REBOOT: PowerState.RUNNING,
    Power.PAUSE: PowerState.PAUSED,
    Power.UNPAUSE: PowerState.RUNNING,
    Power.SUSPEND: PowerState.SUSPENDED,
    Power.RESUME: PowerState.RUNNING,
}


@dataclass(slots=True)
class FakeGuest:
    """`disk` is the root disk's origin on the host; a moved guest takes it along."""

    guest: Guest
    power: PowerState
    since: float
    disk: Path | None = None
    console: list[str] = field(default_factory=list)

    def boots(self) -> None:
        name = self.guest.server.get("hostname") or self.guest.name
        self.console += ["[    0.000000] Linux version 6.6.0 (mockcloud)", f"{name} login: "]


class FakeDriver:
    """`settings.spawn_seconds` of the cloud's clock pass until a guest runs."""

    def __init__(self, host: HostSeed, settings: Settings, clock: Clock) -> None:
        self._host, self._settings, self._clock = host, settings, clock
        self._guests: dict[str, FakeGuest] = {}
        self._aside: dict[str, FakeGuest] = {}
        self._folder = self._make_folder()

    async def capacity(self) -> Capacity:
        host = self._host
        return Capacity(
            node=host.name,
            vcpus=host.vcpus,
            memory_mb=host.memory_mb,
            local_gb=host.local_gb,
            hypervisor_type="QEMU",
            hypervisor_version=8_002_002,
            host_ip="127.0.0.1",
            cpu_info={"arch": "x86_64", "model": "Nehalem", "vendor": "Intel", "features": ["pge", "clflush"]},
            supported_instances=[["x86_64", "qemu", "hvm"], ["i686", "qemu", "hvm"]],
            traits=TRAITS,
            initiator=f"iqn.2024-01.org.mockcloud:{host.name}",
            image_folder=self._folder,
        )

    async def guests(self) -> Mapping[str, PowerState]:
        return {guest_id: guest.power for guest_id, guest in self._guests.items()}

    async def spawn(self, guest: Guest) -> None:
        await self._start(guest, guest.image.path if guest.image else None)

    async def destroy(self, guest_id: str) -> None:
        self._guests.pop(guest_id, None)

    async def power(self, guest_id: str, action: Power) -> None:
        guest = self._guest(guest_id)
        if AFTER[action] is PowerState.RUNNING and guest.power is not PowerState.PAUSED and action is not Power.RESUME:
            guest.boots()
            guest.since = self._clock.time()
        guest.power = AFTER[action]

    async def attach(self, guest_id: str, device: Device) -> None:
        found = self._guest(guest_id)
        guest = _without(found.guest, device.id)
        if isinstance(device, Disk):
            found.guest = replace(guest, disks=(*guest.disks, device))
        else:
            found.guest = replace(guest, vifs=(*guest.vifs, device))

    async def detach(self, guest_id: str, device_id: str) -> None:
        found = self._guest(guest_id)
        found.guest = _without(found.guest, device_id)

    async def console_output(self, guest_id: str) -> str:
        return "\n".join(self._guest(guest_id).console) + "\n"

    # abilities

    async def disk_data(self, guest_id: str) -> AsyncIterator[bytes]:
        found = self._guest(guest_id)
        return _read(found.disk, f"root disk of {guest_id}\n".encode())

    async def diagnostics(self, guest_id: str) -> Json:
        found = self._guest(guest_id)
        guest, up = found.guest, int(self._clock.time() - found.since)
        traffic = dict.fromkeys([f"{way}_{what}" for way in ("rx", "tx") for what in ("octets", "errors", "drop", "packets", "rate")], 0)
        disk = {"read_bytes": 0, "read_requests": 0, "write_bytes": 0, "write_requests": 0, "errors_count": 0}
        vcpus, memory = guest.flavor["vcpus"], guest.flavor["memory_mb"]
        return {
            "state": found.power.name.lower(),
            "driver": "libvirt",
            "hypervisor": "kvm",
            "hypervisor_os": "linux",
            "uptime": up,
            "config_drive": bool(guest.server.get("config_drive")),
            "num_cpus": vcpus,
            "num_nics": len(guest.vifs),
            "num_disks": len(guest.disks) + bool(found.disk),
            "cpu_details": [{"id": n, "time": up * 1_000_000_000, "utilisation": 0} for n in range(vcpus)],
            "nic_details": [{"mac_address": vif.info["address"], **traffic} for vif in guest.vifs],
            "disk_details": [disk for _ in range(len(guest.disks) + bool(found.disk))],
            "memory_details": {"maximum": memory, "used": memory // 2},
        }

    async def set_admin_password(self, guest_id: str, password: str) -> None:
        found = self._guest(guest_id)
        found.guest = replace(found.guest, admin_password=password)

    async def rescue(self, guest: Guest) -> None:
        found = self._guest(guest.id)
        found.power = PowerState.RUNNING
        found.boots()

    async def unrescue(self, guest_id: str) -> None:
        found = self._guest(guest_id)
        found.power = PowerState.RUNNING
        found.boots()

    async def set_aside(self, guest_id: str) -> Json:
        if guest_id not in self._aside:
            found = self._guest(guest_id)
            found.power = PowerState.SHUTDOWN
            self._aside[guest_id] = self._guests.pop(guest_id)
        return {"path": str(self._aside[guest_id].disk or "")}

    async def move_in(self, guest: Guest, disk: Mapping[str, Any]) -> None:
        await self._start(guest, Path(disk["path"]) if disk.get("path") else None)

    async def drop_aside(self, guest_id: str) -> None:
        self._aside.pop(guest_id, None)

    async def take_back(self, guest_id: str) -> None:
        if guest_id not in self._aside:
            raise InstanceNotFound(guest_id)
        self._guests[guest_id] = self._aside.pop(guest_id)

    # inside

    def _make_folder(self) -> Path:
        if self._settings.state_dir:
            folder = Path(self._settings.state_dir) / "instances" / self._host.name / "_base"
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        folder = Path(tempfile.mkdtemp(prefix=f"mockcloud-{self._host.name}-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _guest(self, guest_id: str) -> FakeGuest:
        try:
            return self._guests[guest_id]
        except KeyError:
            raise InstanceNotFound(guest_id) from None

    async def _start(self, guest: Guest, disk: Path | None) -> None:
        await self._clock.sleep(self._settings.spawn_seconds)
        made = FakeGuest(guest, PowerState.RUNNING, self._clock.time(), disk)
        made.boots()
        self._guests[guest.id] = made


def _without(guest: Guest, device_id: str) -> Guest:
    disks = tuple(disk for disk in guest.disks if disk.id != device_id)
    vifs: tuple[Vif, ...] = tuple(vif for vif in guest.vifs if vif.id != device_id)
    return replace(guest, disks=disks, vifs=vifs)


async def _read(path: Path | None, otherwise: bytes) -> AsyncIterator[bytes]:
    """A file's data; of a guest without one (it boots from a volume, or its image left the cache), a block that tells guests apart."""
    try:
        file = path.open("rb") if path else None
    except FileNotFoundError:
        file = None
    if file is None:
        yield otherwise.ljust(BLOCK, b"\0")
        return
    with file:
        while chunk := file.read(BLOCK):
            yield chunk
