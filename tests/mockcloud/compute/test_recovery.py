"""A compute or a conductor that dies in the middle, and what is found when it is back."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from mockcloud.compute.drivers.base import Power, PowerState
from mockcloud.compute.hypervisor import Hypervisor
from mockcloud.compute.recovery import must_stop
from mockcloud.nova import tables as nova
from tests.mockcloud.compute.conftest import MakeYard, Yard


@pytest.mark.parametrize("number", [13, 14, 18, 19, 22, 25, 28])
async def test_a_compute_killed_during_a_launch_ends_it_after_its_restart(yard: Yard, number: int) -> None:
    volume, given = await yard.volume(), await yard.port()
    yard.cloud.faults.add(number, "delay", seconds=30.0)
    networks = [{"network_id": yard.network}, {"port_id": given}]
    server = await yard.launch(networks, disks=({"volume_id": volume},))
    await yard.until(lambda: _armed(yard), False)
    await yard.cloud.workers[yard.row(server)["host"]].restart()
    row = await yard.settled(server, "active", closed=False)
    assert {port["id"] for port in await yard.ports(server)} == {vif["id"] for vif in row["network_info"]}
    assert len(row["network_info"]) == 2 and given in {vif["id"] for vif in row["network_info"]}
    assert await yard.volume_status(volume) == "in-use"


async def _armed(yard: Yard) -> bool:
    """A fault that struck is gone from the table."""
    return yard.cloud.faults.armed


@pytest.mark.parametrize("number", [15, 16, 17, 22])
async def test_a_conductor_killed_during_a_launch_delays_it(yard: Yard, number: int) -> None:
    yard.cloud.faults.add(number, "delay", seconds=30.0 if number != 22 else 0.3)
    server = await yard.launch()
    await yard.until(lambda: _armed(yard), False)
    await yard.cloud.workers["conductor"].kill()
    await asyncio.sleep(0.5)
    await yard.cloud.workers["conductor"].start()
    await yard.settled(server, "active")


async def test_a_conductor_away_for_too_long_fails_the_launch_when_it_is_back(make_yard: MakeYard) -> None:
    yard = await make_yard(rpc_response_timeout=0.3, max_attempts=1)
    yard.cloud.faults.add(22, "delay", seconds=0.3)
    server = await yard.launch()
    await yard.until(lambda: _armed(yard), False)
    await yard.cloud.workers["conductor"].kill()
    await asyncio.sleep(2.5)
    await yard.cloud.workers["conductor"].start()
    row = await yard.settled(server, "error", closed=False)
    assert (row["host"], row["network_info"], len(yard.faults(server))) == (None, [], 1)
    assert await yard.left_behind(server) == {}


async def _interrupt(yard: Yard, server: str, **values: object) -> None:
    """The row stands in the middle, its compute is restarted, and no message comes again."""
    host = yard.row(server)["host"]
    await yard.cloud.workers[host].kill()
    yard.change(server, **values)
    await yard.cloud.workers[host].start()


async def test_a_build_that_no_message_continues_is_an_error_without_anything_left(yard: Yard) -> None:
    volume = await yard.volume()
    server = await yard.running(disks=({"volume_id": volume},))
    await _interrupt(yard, server, vm_state="building", task_state="spawning")
    await yard.until(lambda: _homeless(yard, server), True)
    assert (yard.row(server)["vm_state"], len(yard.faults(server))) == ("error", 1)
    assert await yard.left_behind(server) == {} and await yard.volume_status(volume) == "available"


async def _homeless(yard: Yard, server: str) -> bool:
    return yard.row(server)["host"] is None


async def test_a_server_that_waits_for_its_message_is_left_alone(yard: Yard) -> None:
    server = await yard.running()
    await _interrupt(yard, server, vm_state="building", task_state="scheduling")
    await asyncio.sleep(0.2)
    assert (yard.row(server)["task_state"], yard.faults(server)) == ("scheduling", [])


async def test_a_deletion_cut_off_is_finished(yard: Yard) -> None:
    server = await yard.running()
    await _interrupt(yard, server, task_state="deleting")
    await yard.settled(server, "deleted")
    assert await yard.left_behind(server) == {}


@pytest.mark.parametrize("task,vm_state", [("powering-off", "active"), ("pausing", "active"), ("rebuild_spawning", "error")])
async def test_a_task_cut_off_is_over(yard: Yard, task: str, vm_state: str) -> None:
    server = await yard.running()
    await _interrupt(yard, server, task_state=task)
    await yard.settled(server, vm_state)
    assert len(yard.faults(server)) == 1


async def test_a_task_begun_since_the_restart_is_not_taken_for_one_cut_off(yard: Yard) -> None:
    server = await yard.running()
    yard.change(server, task_state="powering-off")
    manager = yard.cloud.workers[yard.row(server)["host"]].endpoint
    manager.host.tasks_found[server] = None
    (recover,) = [task for task in manager.tasks if task.__name__ == "recover"]
    await recover()
    assert (yard.row(server)["task_state"], yard.faults(server)) == ("powering-off", [])


async def test_a_guest_that_is_lost_is_made_again(yard: Yard) -> None:
    server = await yard.running()
    host = yard.row(server)["host"]
    await yard.cloud.workers[host].endpoint.host.hypervisor.destroy(server)
    await yard.cloud.workers[host].restart()

    async def there() -> bool:
        return server in (await yard.guests())[host]

    await yard.until(there, True)


async def test_a_guest_that_stopped_by_itself_is_stopped_in_the_record(yard: Yard) -> None:
    server = await yard.running()
    host = yard.row(server)["host"]
    await yard.cloud.workers[host].endpoint.host.hypervisor.power(server, Power.OFF)
    await yard.cloud.workers[host].restart()

    async def state() -> tuple[str, int]:
        return yard.row(server)["vm_state"], yard.row(server)["power_state"]

    await yard.until(state, ("stopped", 4))


async def test_a_restarted_compute_counts_what_it_has(yard: Yard) -> None:
    server = await yard.running()
    host = yard.row(server)["host"]
    await yard.cloud.workers[host].restart()
    assert (yard.node(host)["vcpus_used"], yard.node(host)["running_vms"]) == (1, 1)


async def test_a_disabled_host_is_marked_in_placement_at_its_next_report(make_yard: MakeYard) -> None:
    yard = await make_yard(report_interval=0.05)
    services = nova.services
    with yard.db.transaction() as tx:
        tx.execute(update(services).where(services.c.host == "compute1", services.c.binary == "nova-compute").values(disabled=True))

    async def disabled() -> bool:
        path = f"/resource_providers/{yard.node('compute1')['uuid']}/traits"
        traits: list[str] = (await yard.admin.get("placement", path, version="1.36")).json()["traits"]
        return "COMPUTE_STATUS_DISABLED" in traits

    await yard.until(disabled, True)


@pytest.mark.parametrize(
    "vm_state,state,stops",
    [
        ("active", PowerState.RUNNING, False),
        ("active", PowerState.SHUTDOWN, True),
        ("active", PowerState.SUSPENDED, True),
        ("active", PowerState.PAUSED, False),  # may go on by itself
        ("active", PowerState.NOSTATE, False),
        ("stopped", PowerState.RUNNING, True),
        ("stopped", PowerState.CRASHED, False),
        ("paused", PowerState.PAUSED, False),
        ("paused", PowerState.CRASHED, True),
        ("resized", PowerState.SHUTDOWN, False),
        ("error", PowerState.NOSTATE, False),
    ],
)
def test_a_guest_unlike_its_server_is_stopped(vm_state: str, state: PowerState, stops: bool) -> None:
    assert must_stop(vm_state, state) is stops


def _hypervisor(yard: Yard, server: str) -> Hypervisor:
    found: Hypervisor = yard.cloud.workers[yard.row(server)["host"]].endpoint.host.hypervisor
    return found


@pytest.mark.parametrize("vm_state,power", [("active", Power.OFF), ("active", Power.SUSPEND), ("stopped", Power.ON)])
async def test_what_a_guest_did_behind_novas_back_is_known_after_a_while(yard: Yard, vm_state: str, power: Power) -> None:
    server = await yard.running()
    if vm_state == "stopped":
        await _hypervisor(yard, server).power(server, Power.OFF)
        yard.change(server, vm_state="stopped", power_state=4)
    await _hypervisor(yard, server).power(server, power)
    yard.cloud.clock.advance(600)

    async def state() -> tuple[str, int, PowerState]:
        row = yard.row(server)
        return row["vm_state"], row["power_state"], await _hypervisor(yard, server).power_state(server)

    await yard.until(state, ("stopped", 4, PowerState.SHUTDOWN))


async def test_a_server_in_a_task_and_one_that_moved_are_not_looked_at(yard: Yard) -> None:
    busy, fine = await yard.running(), await yard.running()
    await _hypervisor(yard, busy).power(busy, Power.OFF)
    await _hypervisor(yard, fine).power(fine, Power.OFF)
    yard.change(busy, task_state="rebooting")
    yard.cloud.clock.advance(600)

    async def stopped() -> str:
        return str(yard.row(fine)["vm_state"])

    await yard.until(stopped, "stopped")
    assert (yard.row(busy)["vm_state"], yard.row(busy)["task_state"]) == ("active", "rebooting")


async def test_the_guest_of_a_deleted_server_goes_and_one_that_lives_elsewhere_stays(yard: Yard) -> None:
    gone, moved, here = await yard.running(), await yard.running(), await yard.running()
    hypervisor = _hypervisor(yard, moved)
    source = yard.row(moved)["host"]
    yard.change(moved, host=next(host.name for host in yard.cloud.settings.hosts if host.name != source))
    where = yard.row(gone)["host"]
    yard.delete_row(gone)
    yard.cloud.clock.advance(1_800)

    async def there() -> bool:
        return gone in (await yard.guests())[where]

    await yard.until(there, False)
    assert moved in await hypervisor.power_states()
    assert await _hypervisor(yard, here).power_state(here) is PowerState.RUNNING


async def test_a_conductor_that_is_away_costs_only_a_look(make_yard: MakeYard, caplog: pytest.LogCaptureFixture) -> None:
    yard = await make_yard(rpc_response_timeout=1.0)
    server = await yard.running()
    await yard.cloud.workers["conductor"].kill()
    await _hypervisor(yard, server).power(server, Power.OFF)
    yard.cloud.clock.advance(600)

    async def complained() -> bool:
        return "could not look after its guests" in caplog.text

    await yard.until(complained, True)
    await yard.cloud.workers["conductor"].start()
    yard.cloud.clock.advance(600)

    async def state() -> str:
        return str(yard.row(server)["vm_state"])

    await yard.until(state, "stopped")
