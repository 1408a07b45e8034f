"""A whole cloud whose servers are guests under QEMU: launched from glance's image, with cinder's volume, on neutron's port."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.compute.drivers.acceleration import one_sector_guest
from mockcloud.settings import HostSeed
from mockcloud.testing.client import Client, client
from specs import DIALECTS
from tests import hypervisor
from tests.e2e import launching
from tests.e2e.launching import Ingredients

MakeCloud = Callable[..., Awaitable[Cloud]]
LOOKS = 1_200  # 0.05 s apart


@pytest.fixture(autouse=True)
def qemu() -> None:
    if why := hypervisor.missing():
        pytest.skip(why)


async def real(make_cloud: MakeCloud, **options: Any) -> tuple[Cloud, Client]:
    host = HostSeed("compute1", 2, 8_192, 100)
    settings = {"driver": "libvirt", "libvirt_virt_type": "qemu", "shutdown_timeout": 0.5, "hosts": (host,), **options}
    cloud = await make_cloud(**settings)
    return cloud, client(cloud, "member")


async def upload(member: Client, data: bytes, **values: Any) -> str:
    body = {"name": "one sector", "disk_format": "raw", "container_format": "bare", **values}
    made = (await member.post("glance", "/v2/images", json=body)).json()
    octets = {"Content-Type": "application/octet-stream"}
    answer = await member.put("glance", f"/v2/images/{made['id']}/file", content=data, headers=octets)
    assert answer.status == 204, answer.content
    return str(made["id"])


async def prepared(cloud: Cloud, member: Client) -> Ingredients:
    given = await launching.prepare(cloud, member)
    return Ingredients(await upload(member, one_sector_guest()), given.network_id, given.volume_ids)


async def act(cloud: Cloud, member: Client, server_id: str, action: str, body: Any = None) -> dict[str, Any]:
    answer = await member.post("nova", f"/v2.1/servers/{server_id}/action", json={action: body})
    assert answer.status == 202, answer.content
    return await resting(cloud, member, server_id)


async def show(member: Client, server_id: str) -> dict[str, Any]:
    server: dict[str, Any] = (await member.get("nova", f"/v2.1/servers/{server_id}", version=launching.VERSION)).json()["server"]
    return server


async def resting(cloud: Cloud, member: Client, server_id: str, status: str = "") -> dict[str, Any]:
    """The server when nothing is done to it any more; with `status`, when it has that."""
    for _ in range(LOOKS):
        server = await show(member, server_id)
        rests = server["OS-EXT-STS:task_state"] is None and server["status"] != "BUILD"
        if rests and server["status"] == (status or server["status"]):
            return server
        await cloud.clock.sleep(0.05)
    raise AssertionError(f"{server['status']}, {server['OS-EXT-STS:task_state']}: {server.get('fault')}")


async def says(cloud: Cloud, member: Client, server_id: str, text: str, times: int = 1) -> None:
    for _ in range(LOOKS):
        answer = await member.post("nova", f"/v2.1/servers/{server_id}/action", json={"os-getConsoleOutput": {}})
        if answer.json()["output"].count(text) >= times:
            return
        await cloud.clock.sleep(0.05)
    raise AssertionError(f"the console says {answer.json()['output']!r}")


def processes() -> dict[int, str]:
    """Command lines of all QEMUs."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:  # it has ended
            continue
        if command.startswith(b"/usr/bin/qemu-system"):
            found[int(entry.name)] = command.replace(b"\0", b" ").decode()
    return found


def qemu_of(server_id: str) -> tuple[int, str]:
    return next((pid, command) for pid, command in processes().items() if server_id in command)


def files_of(server_id: str) -> list[Path]:
    """What its process has open, as links."""
    return [entry for entry in Path(f"/proc/{qemu_of(server_id)[0]}/fd").iterdir() if entry.is_symlink()]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_server_is_a_guest_with_its_image_port_and_volume(make_cloud: MakeCloud, dialect: str) -> None:
    cloud, member = await real(make_cloud, dialect=dialect)
    given = await prepared(cloud, member)
    made = await launching.boot(member, given, given.volume_ids[0], config_drive=True)
    server = await resting(cloud, member, server_id := made.json()["server"]["id"])
    assert (server["status"], server["OS-EXT-STS:power_state"]) == ("ACTIVE", 1), server.get("fault")
    await says(cloud, member, server_id, "GUEST-READY")
    _, command = qemu_of(server_id)
    (address,) = next(iter(server["addresses"].values()))
    assert address["OS-EXT-IPS-MAC:mac_addr"] in command and given.volume_ids[0] in command and "disk.config" in command
    assert "-m 512" in command or "-m size=524288k" in command  # as the version of libvirt says it
    await launching.delete(cloud, member, server_id, seconds=60)
    assert not [command for command in processes().values() if server_id in command]
    volume = (await member.get("cinder", f"/v3/volumes/{given.volume_ids[0]}")).json()["volume"]
    assert volume["status"] == "available"


async def test_a_guests_power_is_what_the_api_says(make_cloud: MakeCloud) -> None:
    cloud, member = await real(make_cloud)
    given = await prepared(cloud, member)
    server_id = (await launching.boot(member, given)).json()["server"]["id"]
    await resting(cloud, member, server_id, "ACTIVE")
    await says(cloud, member, server_id, "GUEST-READY")
    for action, status in (("pause", "PAUSED"), ("unpause", "ACTIVE"), ("suspend", "SUSPENDED"), ("resume", "ACTIVE")):
        assert (await act(cloud, member, server_id, action))["status"] == status
    assert (await act(cloud, member, server_id, "reboot", {"type": "HARD"}))["status"] == "ACTIVE"
    await says(cloud, member, server_id, "GUEST-READY", times=2)
    assert (await act(cloud, member, server_id, "os-stop"))["status"] == "SHUTOFF"
    assert not [command for command in processes().values() if server_id in command]
    assert (await act(cloud, member, server_id, "os-start"))["status"] == "ACTIVE"
    await says(cloud, member, server_id, "GUEST-READY", times=3)


async def test_a_volume_is_plugged_into_a_guest_that_runs(make_cloud: MakeCloud) -> None:
    cloud, member = await real(make_cloud)
    given = await prepared(cloud, member)
    server_id = (await launching.boot(member, given)).json()["server"]["id"]
    await resting(cloud, member, server_id, "ACTIVE")
    body = {"volumeAttachment": {"volumeId": given.volume_ids[0]}}
    path = f"/v2.1/servers/{server_id}/os-volume_attachments"
    assert (await member.post("nova", path, json=body)).status == 200
    for _ in range(LOOKS):
        volume = (await member.get("cinder", f"/v3/volumes/{given.volume_ids[0]}")).json()["volume"]
        if volume["status"] == "in-use":
            break
        await cloud.clock.sleep(0.05)
    await resting(cloud, member, server_id, "ACTIVE")
    assert f"volume-{given.volume_ids[0]}" in {entry.readlink().name for entry in files_of(server_id)}


async def test_guests_run_on_while_a_kept_cloud_is_away(make_cloud: MakeCloud) -> None:
    with tempfile.TemporaryDirectory(prefix="mc-") as folder:  # QEMU's socket wants a short path
        cloud, member = await real(make_cloud, state_dir=folder)
        given = await prepared(cloud, member)
        server_id = (await launching.boot(member, given)).json()["server"]["id"]
        await resting(cloud, member, server_id, "ACTIVE")
        pid, _ = qemu_of(server_id)
        await cloud.stop()
        assert qemu_of(server_id)[0] == pid
        again, same = await real(make_cloud, state_dir=folder)
        await resting(again, same, server_id, "ACTIVE")
        assert qemu_of(server_id)[0] == pid
        await launching.delete(again, same, server_id, seconds=60)
        assert pid not in processes()
        await again.stop()


async def test_a_guest_that_dies_is_known_to_be_off_without_a_poll(make_cloud: MakeCloud) -> None:
    cloud, member = await real(make_cloud, sync_power_state_interval=-1.0)
    given = await prepared(cloud, member)
    server_id = (await launching.boot(member, given)).json()["server"]["id"]
    await resting(cloud, member, server_id, "ACTIVE")
    os.kill(qemu_of(server_id)[0], signal.SIGKILL)
    server = await resting(cloud, member, server_id, "SHUTOFF")
    assert server["OS-EXT-STS:power_state"] == 4


async def test_an_image_that_must_not_be_booted_ends_in_error_with_nothing_left(make_cloud: MakeCloud) -> None:
    cloud, member = await real(make_cloud)
    given = await launching.prepare(cloud, member, volume_count=0)
    given.image_id = await upload(member, b"KDMV" + b"\0" * 508, disk_format="vmdk", container_format="bare")
    server_id = (await launching.boot(member, given)).json()["server"]["id"]
    server = await resting(cloud, member, server_id, "ERROR")
    assert "not booted here" in server["fault"]["message"]
    assert not [command for command in processes().values() if server_id in command]


async def test_guests_go_with_the_cloud_that_keeps_nothing(make_cloud: MakeCloud) -> None:
    cloud, member = await real(make_cloud)
    given = await prepared(cloud, member)
    server_id = (await launching.boot(member, given)).json()["server"]["id"]
    await resting(cloud, member, server_id, "ACTIVE")
    await cloud.stop()
    assert not [command for command in processes().values() if server_id in command]
