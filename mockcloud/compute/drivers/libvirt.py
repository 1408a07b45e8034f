"""Guests under QEMU, by libvirt. libvirt itself is in a process of its own for each host (`libvirt_process`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mockcloud.clock import Clock
from mockcloud.compute.drivers import acceleration, config_drive, disks, domain_xml
from mockcloud.compute.drivers.base import Capacity, Device, Disk, Guest, InstanceNotFound, Power, PowerState
from mockcloud.compute.drivers.domain_xml import Files
from mockcloud.compute.drivers.libvirt_link import NO_DOMAIN, LibvirtFailed, Link
from mockcloud.compute.errors import DeviceDetachFailed
from mockcloud.settings import HostSeed, Settings, SettingsError

EMBEDDED = "qemu:///embed"
STATES = {  # libvirt's: nova's
    0: PowerState.NOSTATE, 1: PowerState.RUNNING, 2: PowerState.RUNNING, 3: PowerState.PAUSED, 4: PowerState.SHUTDOWN,
    5: PowerState.SHUTDOWN, 6: PowerState.CRASHED, 7: PowerState.SUSPENDED,
}  # fmt: skip
TRAITS = (
    "COMPUTE_IMAGE_TYPE_AKI", "COMPUTE_IMAGE_TYPE_AMI", "COMPUTE_IMAGE_TYPE_ARI", "COMPUTE_IMAGE_TYPE_ISO", "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_NODE", "HW_CPU_X86_SSE", "HW_CPU_X86_SSE2",
)  # fmt: skip
CONSOLE_BYTES = 100 * 1024  # of the end, as nova shows them
LOOK = 0.2  # seconds between two looks at a guest that is to stop
DETACH_LIMIT = 20.0  # seconds that a guest has to let go of a device
LONGEST_ROOT = 60  # characters: QEMU's monitor is a socket some folders below, and a socket's path has 107 at most
MIB, GIB = 1024**2, 1024**3


class LibvirtDriver:
    """Each guest has a folder: its disks, its console's log. That folder makes a domain a guest of this host."""

    def __init__(self, host: HostSeed, settings: Settings, clock: Clock) -> None:
        if find_spec("libvirt") is None:
            raise SettingsError("the driver libvirt needs libvirt-python: pip install 'mockcloud[libvirt]' (mockcloud doctor says more)")
        self._host, self._settings, self._clock = host, settings, clock
        self._root = self._make_root()
        self._guests, self._images = self._root / "guests", self._root / "_base"
        for folder in (self._guests, self._images):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._changes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._link = Link(self._uri(), self._guests, bool(settings.state_dir), self._hear)
        self._virt_type = ""

    async def capacity(self) -> Capacity:
        """What the seed says and the machine has, which hosts on one machine share."""
        host, sharers = self._host, len(self._settings.hosts)
        kind, version = await self._kind(), await self._call("", "version")
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
        return Capacity(
            node=host.name,
            vcpus=min(host.vcpus, os.cpu_count() or 1),
            memory_mb=min(host.memory_mb, memory // sharers),
            local_gb=min(host.local_gb, max(1, shutil.disk_usage(self._root).total // GIB // sharers)),
            hypervisor_type="QEMU",
            hypervisor_version=version,
            host_ip="127.0.0.1",
            cpu_info={"arch": "x86_64", "model": "qemu64", "vendor": "AMD", "features": []},
            supported_instances=[["x86_64", kind, "hvm"]],
            traits=TRAITS,
            initiator=f"iqn.2024-01.org.mockcloud:{host.name}",
            image_folder=self._images,
        )

    async def guests(self) -> Mapping[str, PowerState]:
        return {guest_id: PowerState.SUSPENDED if saved else STATES[state] for guest_id, state, saved in await self._call("", "states")}

    async def spawn(self, guest: Guest) -> None:
        await self.destroy(guest.id)
        files = self._files(guest.id)
        xml = domain_xml.domain(guest, files, await self._kind())
        files.folder.mkdir(mode=0o700)
        try:
            await self._make_files(guest, files)
            await self._call(guest.id, "spawn", xml)
        except BaseException:
            shutil.rmtree(files.folder, ignore_errors=True)
            raise

    async def destroy(self, guest_id: str) -> None:
        with contextlib.suppress(InstanceNotFound):
            await self._call(guest_id, "remove", guest_id)
        await asyncio.to_thread(shutil.rmtree, self._files(guest_id).folder, ignore_errors=True)

    async def power(self, guest_id: str, action: Power) -> None:
        state = await self._state(guest_id)
        if action in (Power.OFF, Power.SOFT_REBOOT):
            await self._stop_gently(guest_id, state)
        elif action is Power.HARD_REBOOT:
            await self._call(guest_id, "stop", guest_id)
        elif action is Power.PAUSE and state is PowerState.RUNNING:
            await self._call(guest_id, "pause", guest_id)
        elif action is Power.UNPAUSE and state is PowerState.PAUSED:
            await self._call(guest_id, "unpause", guest_id)
        elif action is Power.SUSPEND:
            await self._call(guest_id, "save", guest_id)
        if action in (Power.ON, Power.SOFT_REBOOT, Power.HARD_REBOOT, Power.RESUME):
            await self._call(guest_id, "start", guest_id)

    async def attach(self, guest_id: str, device: Device) -> None:
        if await self._find(guest_id, device.id) is None:
            await self._call(guest_id, "attach", guest_id, domain_xml.device(device, self._files(guest_id)))

    async def detach(self, guest_id: str, device_id: str) -> None:
        """Raises DeviceDetachFailed when the guest does not let go of it."""
        device = await self._find(guest_id, device_id)
        if device is None:
            return
        await self._call(guest_id, "detach", guest_id, device)
        until = self._clock.time() + DETACH_LIMIT
        while await self._find(guest_id, device_id) is not None:
            if self._clock.time() > until:
                raise DeviceDetachFailed(device_id, "the guest does not let go of it")
            await self._clock.sleep(LOOK)
            with contextlib.suppress(LibvirtFailed):  # it is being let go already
                await self._call(guest_id, "detach_running", guest_id, device)

    async def console_output(self, guest_id: str) -> str:
        await self._state(guest_id)
        try:
            with self._files(guest_id).console.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - CONSOLE_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:  # it has not said anything yet
            return ""

    # abilities

    async def changed(self) -> set[str]:
        self._listener = asyncio.get_running_loop(), asyncio.Event()
        if self._changes.empty():
            await self._listener[1].wait()
        found = set()
        with contextlib.suppress(queue.Empty):
            while True:
                found.add(self._changes.get_nowait())
        return found

    async def close(self, keep: bool) -> None:
        if not keep and self._link.running:
            for guest_id in await self.guests():
                await self.destroy(guest_id)
        await asyncio.to_thread(self._link.close)
        if not keep:
            shutil.rmtree(self._root, ignore_errors=True)

    # inside

    def _make_root(self) -> Path:
        """In the state directory; else a temporary folder."""
        if not self._settings.state_dir:
            folder = Path(tempfile.mkdtemp(prefix="mockcloud-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            return folder
        folder = Path(self._settings.state_dir).resolve() / "instances" / self._host.name
        if len(str(folder)) > LONGEST_ROOT:
            raise SettingsError(f"the driver libvirt needs a shorter state directory: {folder} has more than {LONGEST_ROOT} characters")
        return folder

    def _uri(self) -> str:
        uri = self._settings.libvirt_uri
        return f"{uri}?root={self._root / 'libvirt'}" if uri == EMBEDDED else uri

    async def _kind(self) -> str:
        if not self._virt_type:
            wanted = self._settings.libvirt_virt_type
            is_test = self._settings.libvirt_uri.startswith("test:")
            self._virt_type = "test" if is_test else await asyncio.to_thread(acceleration.virt_type, wanted)
        return self._virt_type

    def _files(self, guest_id: str) -> Files:
        return Files(self._guests / guest_id)

    async def _make_files(self, guest: Guest, files: Files) -> None:
        if guest.image:
            await disks.make_root(guest.image, guest.flavor["root_gb"], files.root)
        for disk in guest.disks:
            if disk.volume_id is None:
                await disks.make_empty(files.local(disk), _bytes(disk))
        if guest.server.get("config_drive"):
            await asyncio.to_thread(config_drive.write, guest, files.config_drive)

    async def _state(self, guest_id: str) -> PowerState:
        state = (await self.guests()).get(guest_id)
        if state is None:
            raise InstanceNotFound(guest_id)
        return state

    async def _stop_gently(self, guest_id: str, state: PowerState) -> None:
        """By ACPI, and by force when it takes longer than `shutdown_timeout`."""
        until = self._clock.time() + self._settings.shutdown_timeout
        if state is PowerState.RUNNING:
            await self._call(guest_id, "shutdown", guest_id)
        while state is PowerState.RUNNING and self._clock.time() < until:
            await self._clock.sleep(LOOK)
            state = await self._state(guest_id)
        await self._call(guest_id, "stop", guest_id)

    async def _find(self, guest_id: str, device_id: str) -> str | None:
        return domain_xml.find_device(await self._call(guest_id, "describe", guest_id), device_id)

    async def _call(self, guest_id: str, name: str, *arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(self._link.call, name, *arguments)
        except LibvirtFailed as error:
            if error.code == NO_DOMAIN:
                raise InstanceNotFound(guest_id) from error
            raise

    def _hear(self, guest_id: str) -> None:
        """From another thread."""
        self._changes.put(guest_id)
        if self._listener is not None:
            loop, event = self._listener
            with contextlib.suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(event.set)


def _bytes(disk: Disk) -> int:
    """The size of a local disk: nova counts swap in MiB."""
    return (disk.size_gb or 1) * (MIB if disk.guest_format == "swap" else GIB)
