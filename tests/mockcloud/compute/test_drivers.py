"""One contract for every driver of the table, whatever it drives."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mockcloud.clock import Clock
from mockcloud.cloud import DRIVERS
from mockcloud.compute.drivers.base import (
    Closes,
    Diagnoses,
    Disk,
    Driver,
    Guest,
    Image,
    InstanceNotFound,
    Moves,
    Passwords,
    Power,
    PowerState,
    Rescues,
    Snapshots,
    Vif,
)
from mockcloud.compute.drivers.fake import FakeDriver
from mockcloud.settings import HostSeed, Settings
from tests import hypervisor
from tests.mockcloud.compute.conftest import flavor

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as long as a driver lives

VIF = {"id": "11111111-0000-4000-8000-000000000001", "address": "fa:16:3e:00:00:01", "network": {"subnets": []}}
OTHER_VIF = Vif({**VIF, "id": "33333333-0000-4000-8000-000000000001", "address": "fa:16:3e:00:00:02"})


KINDS = {"fake": Settings(), "libvirt on its test driver": hypervisor.ON_TEST_DRIVER, "libvirt under QEMU": hypervisor.UNDER_QEMU}
PLUGGABLE = [kind for kind in KINDS if kind != "libvirt on its test driver"]  # it cannot attach and detach


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(KINDS))
async def one_driver(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """One for all the tests here: libvirt takes seconds to get acquainted with QEMU."""
    settings = KINDS[request.param]
    if settings.driver == "libvirt" and (why := hypervisor.missing(real=request.param == "libvirt under QEMU")):
        pytest.skip(why)
    module, _, name = DRIVERS[settings.driver].partition(":")
    made = getattr(importlib.import_module(module), name)(HostSeed("host1"), settings, Clock())
    yield made
    if isinstance(made, Closes):
        await made.close(keep=False)


@pytest_asyncio.fixture(loop_scope="module")
async def driver(one_driver: Any) -> AsyncIterator[Any]:
    yield one_driver
    for guest_id in list(await one_driver.guests()):
        await one_driver.destroy(guest_id)


async def test_every_driver_is_under_this_contract() -> None:
    assert {settings.driver for settings in KINDS.values()} == set(DRIVERS)


def _volume(folder: Path) -> Disk:
    path = folder / "volume"
    path.write_bytes(b"\0" * (1 << 20))
    info = {"driver_volume_type": "local", "data": {"device_path": str(path)}}
    return Disk("/dev/vdb", volume_id="22222222-0000-4000-8000-000000000001", connection_info=info)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    image = tmp_path / "image"
    image.write_bytes(b"a root disk")
    server = {"flavor": flavor(), "hostname": "a-server", "metadata": {}, "config_drive": False}
    body = {"id": str(uuid.uuid4()), "disk_format": "raw"}
    return Guest(str(uuid.uuid4()), "instance-00000001", server, Image(body, image), vifs=(Vif(VIF),))


async def test_the_host_says_what_it_has(driver: Any) -> None:
    capacity = await driver.capacity()
    assert min(capacity.vcpus, capacity.memory_mb, capacity.local_gb, capacity.hypervisor_version) > 0
    assert capacity.initiator.startswith("iqn.") and capacity.image_folder.is_dir() and capacity.node


async def test_a_guest_lives_from_spawn_to_destroy(driver: Any, guest: Guest) -> None:
    assert guest.id not in await driver.guests()
    await driver.spawn(guest)
    assert (await driver.guests())[guest.id] is PowerState.RUNNING
    await driver.destroy(guest.id)
    assert guest.id not in await driver.guests()


async def test_destroying_what_is_not_there_is_fine(driver: Any, guest: Guest) -> None:
    await driver.destroy(guest.id)


async def test_spawning_twice_leaves_one_guest(driver: Any, guest: Guest) -> None:
    await driver.spawn(guest)
    await driver.spawn(guest)
    assert list(await driver.guests()) == [guest.id]
    await driver.destroy(guest.id)


@pytest.mark.parametrize(
    "actions,state",
    [
        ([Power.OFF], PowerState.SHUTDOWN),
        ([Power.OFF, Power.ON], PowerState.RUNNING),
        ([Power.PAUSE], PowerState.PAUSED),
        ([Power.PAUSE, Power.UNPAUSE], PowerState.RUNNING),
        ([Power.SUSPEND], PowerState.SUSPENDED),
        ([Power.SUSPEND, Power.RESUME], PowerState.RUNNING),
        ([Power.SOFT_REBOOT], PowerState.RUNNING),
        ([Power.OFF, Power.HARD_REBOOT], PowerState.RUNNING),
        ([Power.OFF, Power.OFF], PowerState.SHUTDOWN),
    ],
)
async def test_power_changes_end_in_their_state(driver: Any, guest: Guest, actions: list[Power], state: PowerState) -> None:
    await driver.spawn(guest)
    for action in actions:
        await driver.power(guest.id, action)
    assert (await driver.guests())[guest.id] is state
    await driver.destroy(guest.id)


@pytest.mark.parametrize("act", ["power", "console_output"])
async def test_a_guest_that_is_not_there_is_said_so(driver: Any, guest: Guest, act: str) -> None:
    arguments = {"power": (guest.id, Power.OFF), "console_output": (guest.id,)}[act]
    with pytest.raises(InstanceNotFound):
        await getattr(driver, act)(*arguments)


@pytest.mark.parametrize("one_driver", PLUGGABLE, indirect=True)
@pytest.mark.parametrize("kind", ["volume", "port"])
async def test_devices_come_and_go_once(driver: Any, guest: Guest, kind: str, tmp_path: Path) -> None:
    """On a guest that is off: one without a system in it would never let go of a device."""
    device = _volume(tmp_path) if kind == "volume" else OTHER_VIF
    await driver.spawn(guest)
    await driver.power(guest.id, Power.OFF)
    for _ in range(2):
        await driver.attach(guest.id, device)
    if isinstance(driver, Diagnoses):
        found = await driver.diagnostics(guest.id)
        assert found["num_nics"] + found["num_disks"] == 3
    for _ in range(2):
        await driver.detach(guest.id, device.id)
    if isinstance(driver, Diagnoses):
        found = await driver.diagnostics(guest.id)
        assert found["num_nics"] + found["num_disks"] == 2
    await driver.destroy(guest.id)


async def test_a_snapshot_has_the_root_disks_data(driver: Any, guest: Guest) -> None:
    if isinstance(driver, Snapshots):
        await driver.spawn(guest)
        assert b"".join([chunk async for chunk in await driver.disk_data(guest.id)]).startswith(b"a root disk")
        await driver.destroy(guest.id)


async def test_a_guest_set_aside_comes_back_stopped(driver: Any, guest: Guest) -> None:
    if isinstance(driver, Moves):
        await driver.spawn(guest)
        disk = await driver.set_aside(guest.id)
        assert await driver.set_aside(guest.id) == disk and guest.id not in await driver.guests()
        await driver.move_in(guest, disk)
        assert (await driver.guests())[guest.id] is PowerState.RUNNING
        await driver.destroy(guest.id)
        await driver.take_back(guest.id)
        assert (await driver.guests())[guest.id] is PowerState.SHUTDOWN
        await driver.drop_aside(guest.id)
        await driver.destroy(guest.id)


async def test_a_rescued_guest_runs_and_comes_back(driver: Any, guest: Guest) -> None:
    if isinstance(driver, Rescues):
        await driver.spawn(guest)
        await driver.power(guest.id, Power.OFF)
        await driver.rescue(guest)
        assert (await driver.guests())[guest.id] is PowerState.RUNNING
        await driver.unrescue(guest.id)
        assert (await driver.guests())[guest.id] is PowerState.RUNNING
        await driver.destroy(guest.id)


async def test_a_password_is_not_shown(driver: Any, guest: Guest) -> None:
    if isinstance(driver, Passwords):
        await driver.spawn(guest)
        await driver.set_admin_password(guest.id, "not-to-be-seen")
        assert "not-to-be-seen" not in await driver.console_output(guest.id)
        await driver.destroy(guest.id)


async def test_a_driver_has_at_most_eight_methods() -> None:
    assert len([name for name in vars(Driver) if not name.startswith("_")]) <= 8


async def test_the_fake_driver_has_every_ability(driver: Any) -> None:
    if type(driver).__name__ == "FakeDriver":
        assert all(isinstance(driver, ability) for ability in (Snapshots, Diagnoses, Passwords, Rescues, Moves))


async def test_spawning_takes_the_seconds_that_the_settings_say(guest: Guest) -> None:
    clock = Clock(speed=1000.0)
    began = clock.time()
    await FakeDriver(HostSeed("host1"), Settings(spawn_seconds=60.0), clock).spawn(guest)
    assert clock.time() - began >= 60
