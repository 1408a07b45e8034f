"""What can be done to a server that runs, as its compute does it."""

from __future__ import annotations

import pytest

from mockcloud.bus.base import RemoteError
from tests.mockcloud.compute.conftest import Yard

POWER = [  # method, the task nova-api sets, the state before, the state after, the power state after
    ("stop_instance", "powering-off", "active", "stopped", 4),
    ("pause_instance", "pausing", "active", "paused", 3),
    ("suspend_instance", "suspending", "active", "suspended", 7),
    ("start_instance", "powering-on", "stopped", "active", 1),
    ("unpause_instance", "unpausing", "paused", "active", 1),
    ("resume_instance", "resuming", "suspended", "active", 1),
]


@pytest.mark.parametrize("method,task,before,after,power", POWER, ids=[case[0] for case in POWER])
async def test_a_power_change_ends_in_its_state_with_a_closed_event(
    yard: Yard, method: str, task: str, before: str, after: str, power: int
) -> None:
    server = await yard.running()
    yard.change(server, vm_state=before)
    await yard.do(server, method, task)
    row = await yard.settled(server, after)
    assert row["power_state"] == power
    assert (yard.events(server)[-1]["event"], yard.events(server)[-1]["result"]) == (f"compute_{method}", "Success")


@pytest.mark.parametrize("kind,task", [("SOFT", "rebooting"), ("HARD", "rebooting_hard")])
async def test_a_reboot_ends_active(yard: Yard, kind: str, task: str) -> None:
    server = await yard.running()
    await yard.do(server, "reboot_instance", task, reboot_type=kind)
    assert (await yard.settled(server, "active"))["power_state"] == 1
    assert len((await yard.do(server, "get_console_output", call=True))["output"].splitlines()) == 4  # it booted twice


async def test_a_hard_reboot_makes_a_lost_guest_again(yard: Yard) -> None:
    server = await yard.running()
    host = yard.row(server)["host"]
    await yard.cloud.workers[host].endpoint.host.hypervisor.destroy(server)
    await yard.do(server, "reboot_instance", "rebooting_hard", reboot_type="HARD")
    await yard.settled(server, "active")
    assert server in (await yard.guests())[host]


async def test_a_failed_action_leaves_the_server_as_it_was_and_a_fault(yard: Yard) -> None:
    server = await yard.running()
    await yard.cloud.workers[yard.row(server)["host"]].endpoint.host.hypervisor.destroy(server)
    await yard.do(server, "pause_instance", "pausing")
    assert (await yard.settled(server, "active"))["power_state"] == 1
    assert [fault["message"] for fault in yard.faults(server)] == [f"Instance {server} could not be found."]
    assert yard.events(server)[-1]["result"] == "Error"


async def test_a_second_delivery_of_an_action_does_nothing(yard: Yard) -> None:
    server = await yard.running()
    await yard.do(server, "stop_instance", "powering-off")
    await yard.settled(server, "stopped")
    await yard.do(server, "stop_instance")
    await yard.until(lambda: _closed(yard, server), 3)
    assert (yard.row(server)["vm_state"], yard.faults(server)) == ("stopped", [])


async def _closed(yard: Yard, server: str) -> int:
    return sum(1 for event in yard.events(server) if event["finish_time"] and event["event"] != "schedule")


async def test_termination_gives_everything_back(yard: Yard) -> None:
    kept, dropped = await yard.volume(), await yard.volume()
    port = await yard.port()
    disks = ({"volume_id": kept}, {"volume_id": dropped, "delete_on_termination": True})
    server = await yard.running(disks=disks, networks=[{"port_id": port}, {"network_id": yard.network}])
    before = yard.node(yard.row(server)["host"])
    await yard.do(server, "terminate_instance", "deleting")
    row = await yard.settled(server, "deleted")
    assert row["deleted_at"] and row["terminated_at"]
    assert await yard.left_behind(server) == {}
    await yard.until(lambda: yard.volume_status(dropped), "gone")
    assert await yard.volume_status(kept) == "available"
    free = (await yard.member.get("neutron", f"/v2.0/ports/{port}")).json()["port"]
    assert (free["device_id"], free["device_owner"]) == ("", "")
    after = yard.node(before["host"])
    assert (before["vcpus_used"], after["vcpus_used"], after["memory_mb_used"]) == (1, 0, 512)


async def test_terminating_twice_is_fine(yard: Yard) -> None:
    server = await yard.running()
    await yard.do(server, "terminate_instance", "deleting")
    await yard.do(server, "terminate_instance")
    await yard.until(lambda: _closed(yard, server), 3)
    assert yard.row(server)["deleted_at"] and yard.faults(server) == []


async def test_a_termination_that_neutron_hinders_is_an_error_and_can_be_repeated(yard: Yard) -> None:
    server = await yard.running()
    yard.cloud.down.add("neutron")
    await yard.do(server, "terminate_instance", "deleting")
    await yard.settled(server, "error")
    yard.cloud.down.clear()
    await yard.do(server, "terminate_instance", "deleting")
    await yard.settled(server, "deleted")
    assert await yard.left_behind(server) == {}


async def test_a_rebuild_takes_the_new_image_and_keeps_ports_and_volumes(yard: Yard) -> None:
    volume, image = await yard.volume(), await yard.image()
    server = await yard.running(disks=({"volume_id": volume},))
    ports, launched = await yard.ports(server), yard.row(server)["launched_at"]
    await yard.do(server, "rebuild_instance", "rebuilding", image=image, admin_password="x")
    row = await yard.settled(server, "active")
    assert row["launched_at"] > launched
    assert [port["id"] for port in await yard.ports(server)] == [port["id"] for port in ports]
    assert await yard.volume_status(volume) == "in-use"


async def test_a_stopped_server_is_stopped_after_its_rebuild(yard: Yard) -> None:
    server = await yard.running()
    await yard.do(server, "stop_instance", "powering-off")
    await yard.settled(server, "stopped")
    await yard.do(server, "rebuild_instance", "rebuilding", image=await yard.image())
    assert (await yard.settled(server, "stopped"))["power_state"] == 4


async def test_a_rebuild_with_an_image_that_is_gone_is_an_error(yard: Yard) -> None:
    server = await yard.running()
    gone = "11111111-1111-1111-1111-111111111111"
    await yard.do(server, "rebuild_instance", "rebuilding", image={"id": gone})
    await yard.settled(server, "error")
    assert len(yard.faults(server)) == 1


async def test_a_rescue_and_back(yard: Yard) -> None:
    server = await yard.running()
    await yard.do(server, "rescue_instance", "rescuing", rescue_image_ref=None, admin_password="x")
    await yard.settled(server, "rescued")
    await yard.do(server, "unrescue_instance", "unrescuing")
    assert (await yard.settled(server, "active"))["power_state"] == 1


async def _queued_image(yard: Yard) -> str:
    answer = await yard.member.post("glance", "/v2/images", json={"name": "snapshot"})
    assert answer.status == 201, answer.content
    return str(answer.json()["id"])


async def test_a_snapshot_fills_the_queued_image_with_the_root_disk(yard: Yard) -> None:
    server, image = await yard.running(), await _queued_image(yard)
    await yard.do(server, "snapshot_instance", "image_snapshot_pending", image_id=image)
    await yard.settled(server, "active")
    body = (await yard.member.get("glance", f"/v2/images/{image}")).json()
    assert (body["status"], body["checksum"]) == ("active", (await yard.image())["checksum"])


async def test_a_failed_snapshot_leaves_no_image(yard: Yard) -> None:
    server, image = await yard.running(), await _queued_image(yard)
    await yard.cloud.workers[yard.row(server)["host"]].endpoint.host.hypervisor.destroy(server)
    await yard.do(server, "snapshot_instance", "image_snapshot_pending", image_id=image)
    await yard.settled(server, "active")
    assert (await yard.member.get("glance", f"/v2/images/{image}")).status == 404


async def test_a_password_is_set_on_a_running_server_only(yard: Yard) -> None:
    server = await yard.running()
    await yard.do(server, "set_admin_password", "updating_password", new_pass="secret")
    await yard.settled(server, "active")
    assert yard.faults(server) == []
    await yard.do(server, "stop_instance", "powering-off")
    await yard.settled(server, "stopped")
    await yard.do(server, "set_admin_password", "updating_password", new_pass="secret")
    await yard.settled(server, "stopped")
    assert [fault["message"] for fault in yard.faults(server)] == [
        f"Failed to set admin password on {server} because instance is not running"
    ]


async def test_the_console_shows_its_last_lines(yard: Yard) -> None:
    server = await yard.running()
    whole = await yard.do(server, "get_console_output", call=True, tail_length=None)
    last = await yard.do(server, "get_console_output", call=True, tail_length=1)
    assert whole["output"].endswith(last["output"]) and len(last["output"].splitlines()) == 1


async def test_diagnostics_tell_the_guest_as_the_hypervisor_has_it(yard: Yard) -> None:
    server = await yard.running(disks=({"volume_id": await yard.volume()},))
    found = await yard.do(server, "get_diagnostics", call=True)
    assert (found["state"], found["num_cpus"], found["num_nics"], found["num_disks"]) == ("running", 1, 1, 2)
    assert found["nic_details"][0]["mac_address"] == yard.row(server)["network_info"][0]["address"]


async def test_a_server_without_a_guest_has_no_console(yard: Yard) -> None:
    server = await yard.running()
    await yard.cloud.workers[yard.row(server)["host"]].endpoint.host.hypervisor.destroy(server)
    with pytest.raises(RemoteError) as refused:
        await yard.do(server, "get_console_output", call=True)
    assert refused.value.type == "InstanceNotFound"
