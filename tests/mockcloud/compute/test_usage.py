"""The host's own count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockcloud.compute.drivers.base import Capacity
from mockcloud.compute.errors import ComputeResourcesUnavailable
from mockcloud.compute.usage import Share, Tracker, inventories, resources, share
from tests.mockcloud.compute.conftest import flavor


def _capacity(**values: Any) -> Capacity:
    size = {"vcpus": 2, "memory_mb": 4096, "local_gb": 100}
    rest = {"hypervisor_type": "QEMU", "hypervisor_version": 1, "host_ip": "", "cpu_info": {}, "supported_instances": []}
    return Capacity("node1", **{**size, **rest, **values}, traits=(), initiator="", image_folder=Path())


def test_a_flavor_takes_its_disks_too() -> None:
    assert share(flavor(root_gb=10, ephemeral_gb=5, swap=1025), False) == Share(1, 512, 17)
    assert share(flavor(root_gb=10), True) == Share(1, 512, 0)


def test_extra_specs_override_resources_and_zero_removes_them() -> None:
    specs = {"resources:VCPU": "0", "resources:CUSTOM_GOLD": "2"}
    assert resources(flavor(extra_specs=specs), False) == {"MEMORY_MB": 512, "DISK_GB": 1, "CUSTOM_GOLD": 2}


def test_processors_are_over_committed_and_memory_is_not() -> None:
    offered = inventories(_capacity())
    assert [offered[name]["allocation_ratio"] for name in ("VCPU", "MEMORY_MB", "DISK_GB")] == [4.0, 1.0, 1.0]
    assert offered["MEMORY_MB"]["reserved"] == 512


@pytest.mark.parametrize("wanted,lacks", [(Share(9, 1, 1), "vcpu"), (Share(1, 3585, 1), "memory"), (Share(1, 1, 101), "disk")])
def test_what_does_not_fit_is_refused(wanted: Share, lacks: str) -> None:
    with pytest.raises(ComputeResourcesUnavailable, match=f"Insufficient compute resources: Free {lacks}"):
        Tracker(_capacity()).claim("a", wanted)


def test_claiming_again_replaces_the_claim() -> None:
    tracker = Tracker(_capacity())
    for _ in range(2):
        tracker.claim("a", Share(8, 3584, 100))
    assert tracker.node_values()["vcpus_used"] == 8


def test_a_moving_server_holds_both_shares_until_somebody_decides() -> None:
    tracker, old, new = Tracker(_capacity()), Share(1, 512, 1), Share(2, 1024, 2)
    tracker.claim("a", old)
    tracker.claim_beside("a", new)
    assert tracker.node_values()["vcpus_used"] == 3
    tracker.arrive("a")
    assert (tracker.shares["a"], tracker.moving["a"]) == (new, old)
    tracker.come_back("a", old)
    assert (tracker.shares, tracker.moving) == ({"a": old}, {})


def test_a_server_that_left_holds_its_share_until_it_is_forgotten() -> None:
    tracker = Tracker(_capacity())
    tracker.claim("a", Share(1, 512, 1))
    tracker.leave("a")
    assert (tracker.node_values()["vcpus_used"], tracker.node_values()["running_vms"]) == (1, 0)
    tracker.forget("a")
    assert tracker.node_values()["vcpus_used"] == 0
