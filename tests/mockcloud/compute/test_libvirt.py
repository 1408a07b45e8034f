"""What the driver libvirt does beyond the contract: real guests speak, are killed, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mockcloud.clock import Clock
from mockcloud.compute.drivers.base import Disk, Guest, Image, InstanceNotFound, Power, PowerState, Vif
from mockcloud.compute.drivers.libvirt import LibvirtDriver
from mockcloud.compute.drivers.libvirt_link import LibvirtFailed
from mockcloud.compute.errors import ImageUnacceptable
from mockcloud.settings import HostSeed, Settings, SettingsError
from tests import hypervisor
from tests.mockcloud.compute.conftest import flavor

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT = 60.0  # seconds at most


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncIterator[LibvirtDriver]:
    if why := hypervisor.missing():
        pytest.skip(why)
    driver = LibvirtDriver(HostSeed("host1"), hypervisor.UNDER_QEMU, Clock())
    yield driver
    await driver.close(keep=False)


@pytest_asyncio.fixture(loop_scope="module")
async def driver(host: LibvirtDriver) -> AsyncIterator[LibvirtDriver]:
    yield host
    for guest_id in list(await host.guests()):
        await host.destroy(guest_id)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return make_guest(tmp_path)


def make_guest(folder: Path, **values: Any) -> Guest:
    server = {"flavor": flavor(memory_mb=64), "hostname": "a-server", "config_drive": False, **values.pop("server", {})}
    image = Image({"id": "an-image", "disk_format": "raw"}, hypervisor.write_one_sector_image(folder / "image"))
    return Guest(str(uuid.uuid4()), "instance-00000001", server, **{"image": image, **values})


async def until(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    ends = time.monotonic() + WAIT
    while (seen := await look()) != wanted:
        assert time.monotonic() < ends, f"still {seen!r}, not {wanted!r}"
        await asyncio.sleep(0.05)


async def state(driver: LibvirtDriver, guest: Guest) -> PowerState | None:
    return (await driver.guests()).get(guest.id)


def qemu_of(guest: Guest) -> int:
    """The process of a guest."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if guest.id.encode() in command and command.startswith(b"/usr/bin/qemu-system"):
                return int(entry.name)
    raise LookupError(f"no QEMU runs {guest.id}")


def files_of(guest: Guest) -> set[Path]:
    """What its process has open."""
    return {entry.readlink() for entry in Path(f"/proc/{qemu_of(guest)}/fd").iterdir() if entry.is_symlink()}


def image_over(path: Path, backing: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", str(path)], check=True)
    return path


async def test_a_guest_boots_its_image_and_its_console_is_heard(driver: LibvirtDriver, guest: Guest) -> None:
    await driver.spawn(guest)

    async def heard() -> bool:
        return "GUEST-READY" in await driver.console_output(guest.id)

    await until(heard, True)


async def test_a_kernel_of_the_images_boots_instead_of_its_disk(driver: LibvirtDriver, guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(hypervisor.tiny_kernel())
    assert guest.image is not None
    kernel = Image({"id": "a-kernel", "disk_format": "aki"}, tmp_path / "kernel")
    guest = replace(guest, image=replace(guest.image, kernel=kernel))
    await driver.spawn(guest)

    async def heard() -> bool:
        return "KERNEL-READY" in await driver.console_output(guest.id)

    await until(heard, True)
    assert "GUEST-READY" not in await driver.console_output(guest.id)


async def test_a_guest_reboots(driver: LibvirtDriver, guest: Guest) -> None:
    await driver.spawn(guest)

    async def boots() -> int:
        return (await driver.console_output(guest.id)).count("GUEST-READY")

    await until(boots, 1)
    await driver.power(guest.id, Power.HARD_REBOOT)
    await until(boots, 2)


async def test_a_destroyed_guest_leaves_no_file_and_no_process(driver: LibvirtDriver, tmp_path: Path) -> None:
    disks = (Disk("/dev/vdb", size_gb=1), Disk("/dev/vdc", size_gb=16, guest_format="swap"))
    guest = make_guest(tmp_path, server={"config_drive": True}, disks=disks, admin_password="a-secret")
    await driver.spawn(guest)
    folder = (await driver.capacity()).image_folder.parent / "guests" / guest.id
    assert {"disk", "disk.vdb", "disk.vdc", "disk.config", "console.log"} <= {path.name for path in folder.iterdir()}
    await driver.destroy(guest.id)
    assert not folder.exists()
    with pytest.raises(LookupError):
        qemu_of(guest)


async def test_a_volume_and_a_port_are_plugged_into_a_running_guest(driver: LibvirtDriver, guest: Guest, tmp_path: Path) -> None:
    volume_id, port_id = str(uuid.uuid4()), str(uuid.uuid4())
    (tmp_path / "volume").write_bytes(b"\0" * (1 << 20))
    await driver.spawn(guest)
    info = {"driver_volume_type": "local", "data": {"device_path": str(tmp_path / "volume")}}
    await driver.attach(guest.id, Disk("/dev/vdb", volume_id=volume_id, connection_info=info))
    await driver.attach(guest.id, Vif({"id": port_id, "address": "fa:16:3e:00:00:05", "network": {"subnets": []}}))
    assert tmp_path / "volume" in files_of(guest)
    await driver.power(guest.id, Power.OFF)
    for device in (volume_id, port_id):
        await driver.detach(guest.id, device)
    await driver.power(guest.id, Power.ON)
    assert tmp_path / "volume" not in files_of(guest)


async def test_a_killed_guest_is_noticed_by_its_event(driver: LibvirtDriver, guest: Guest) -> None:
    await driver.spawn(guest)
    while guest.id not in await driver.changed():
        pass
    os.kill(qemu_of(guest), signal.SIGKILL)

    async def noticed() -> PowerState | None:
        await asyncio.wait_for(driver.changed(), WAIT)
        return await state(driver, guest)

    await until(noticed, PowerState.SHUTDOWN)


async def test_guests_outlive_libvirts_process_and_are_found_again(driver: LibvirtDriver, guest: Guest) -> None:
    await driver.spawn(guest)
    pid = qemu_of(guest)
    process = driver._link._process
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    async def found() -> PowerState | None:
        try:
            return await state(driver, guest)
        except LibvirtFailed:  # it was on its way when the process died
            return None

    await until(found, PowerState.RUNNING)
    assert qemu_of(guest) == pid


async def test_an_image_that_cannot_be_accepted_leaves_nothing(driver: LibvirtDriver, guest: Guest, tmp_path: Path) -> None:
    bad = Guest(
        guest.id, guest.name, guest.server, Image({"id": "bad", "disk_format": "qcow2"}, image_over(tmp_path / "bad", "/etc/passwd"))
    )
    with pytest.raises(ImageUnacceptable):
        await driver.spawn(bad)
    assert not list(((await driver.capacity()).image_folder.parent / "guests").glob("*-*"))


async def test_more_memory_than_there_is_fails_and_leaves_nothing(driver: LibvirtDriver, tmp_path: Path) -> None:
    guest = make_guest(tmp_path, server={"flavor": flavor(memory_mb=64_000_000)})
    with pytest.raises(LibvirtFailed):
        await driver.spawn(guest)
    assert guest.id not in await driver.guests()
    with pytest.raises(InstanceNotFound):
        await driver.power(guest.id, Power.ON)


async def test_a_driver_that_nobody_uses_starts_nothing() -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    driver = LibvirtDriver(HostSeed("host1"), hypervisor.ON_TEST_DRIVER, Clock())
    assert not driver._link.running
    await driver.close(keep=False)


async def test_a_hypervisor_that_cannot_be_reached_says_why(tmp_path: Path) -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    settings = Settings(driver="libvirt", libvirt_uri=f"qemu+unix:///system?socket={tmp_path}/nobody")
    driver = LibvirtDriver(HostSeed("host1"), settings, Clock())
    with pytest.raises(LibvirtFailed, match="nobody"):
        await driver.guests()
    await driver.close(keep=False)


async def test_a_state_directory_too_deep_for_qemus_socket_is_refused(tmp_path: Path) -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    with pytest.raises(SettingsError, match="shorter state directory"):
        LibvirtDriver(HostSeed("host1"), Settings(driver="libvirt", state_dir=str(tmp_path / ("deep" * 20))), Clock())
