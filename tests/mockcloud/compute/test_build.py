"""The launch on the compute: what it does in which order, and what it leaves when it fails."""

from __future__ import annotations

from tests.mockcloud.compute.conftest import Yard


async def test_a_server_with_image_network_and_volume_runs(yard: Yard) -> None:
    volume = await yard.volume()
    server = await yard.running(disks=({"volume_id": volume, "boot_index": None},))
    row = yard.row(server)
    assert (row["vm_state"], row["task_state"], row["power_state"]) == ("active", None, 1)
    assert row["launched_at"] >= row["created_at"]
    assert await yard.volume_status(volume) == "in-use"
    (port,) = await yard.ports(server)
    assert port["binding:host_id"] == row["host"] and port["device_owner"] == "compute:nova"
    assert [vif["id"] for vif in row["network_info"]] == [port["id"]]
    assert yard.faults(server) == []
