"""What a host has, what servers take of it, and whether one more fits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mockcloud.compute.drivers.base import Capacity
from mockcloud.compute.errors import ComputeResourcesUnavailable

Json = dict[str, Any]
CPU_RATIO, RAM_RATIO, DISK_RATIO = 4.0, 1.0, 1.0  # nova's initial_*_allocation_ratio
RESERVED_MEMORY_MB = 512


@dataclass(frozen=True, slots=True)
class Share:
    """What one server takes of its host."""

    vcpus: int
    memory_mb: int
    disk_gb: int


def share(flavor: Mapping[str, Any], boots_from_volume: bool) -> Share:
    disk = flavor.get("ephemeral_gb", 0) + -(-flavor.get("swap", 0) // 1024)
    return Share(flavor["vcpus"], flavor["memory_mb"], disk + (0 if boots_from_volume else flavor["root_gb"]))


def resources(flavor: Mapping[str, Any], boots_from_volume: bool) -> Json:
    """The same as placement's resource classes; extra specs `resources:CLASS` override, 0 removes."""
    mine = share(flavor, boots_from_volume)
    wanted: Json = {"VCPU": mine.vcpus, "MEMORY_MB": mine.memory_mb, "DISK_GB": mine.disk_gb}
    for key, value in (flavor.get("extra_specs") or {}).items():
        if key.startswith("resources:"):
            wanted[key.removeprefix("resources:")] = int(value)
    return {name: amount for name, amount in wanted.items() if amount}


def inventories(capacity: Capacity) -> Json:
    """The host in placement's terms."""

    def inventory(total: int, ratio: float, reserved: int = 0) -> Json:
        return {"total": total, "reserved": reserved, "min_unit": 1, "max_unit": total, "step_size": 1, "allocation_ratio": ratio}

    return {
        "VCPU": inventory(capacity.vcpus, CPU_RATIO),
        "MEMORY_MB": inventory(capacity.memory_mb, RAM_RATIO, min(RESERVED_MEMORY_MB, capacity.memory_mb - 1)),
        "DISK_GB": inventory(capacity.local_gb, DISK_RATIO),
    }


@dataclass(slots=True)
class Tracker:
    """The host's own count. A server that resizes on its host, or leaves it, holds two shares until somebody decides."""

    capacity: Capacity
    shares: dict[str, Share] = field(default_factory=dict)  # by server
    moving: dict[str, Share] = field(default_factory=dict)  # what servers on the move hold besides
    failed_builds: int = 0

    def claim(self, server_id: str, wanted: Share) -> None:
        """Raises ComputeResourcesUnavailable. Claiming again replaces the claim."""
        self._check(wanted, self._used(without=server_id))
        self.shares[server_id] = wanted

    def claim_beside(self, server_id: str, wanted: Share) -> None:
        """For a server that is to move here, beside what it may have here already."""
        self.moving.pop(server_id, None)
        self._check(wanted, self._used())
        self.moving[server_id] = wanted

    def arrive(self, server_id: str) -> None:
        """The server runs in its new share; what it had here before is held beside it until somebody decides."""
        old, new = self.shares.pop(server_id, None), self.moving.pop(server_id, None)
        if new:
            self.shares[server_id] = new
        if old:
            self.moving[server_id] = old

    def leave(self, server_id: str) -> None:
        """The server moved to another host, and may come back."""
        if server_id in self.shares:
            self.moving[server_id] = self.shares.pop(server_id)

    def come_back(self, server_id: str, old: Share) -> None:
        self.moving.pop(server_id, None)
        self.shares[server_id] = old

    def _check(self, wanted: Share, used: Share) -> None:
        limits = (
            ("vcpu", wanted.vcpus, self.capacity.vcpus * CPU_RATIO - used.vcpus),
            ("memory", wanted.memory_mb, (self.capacity.memory_mb - RESERVED_MEMORY_MB) * RAM_RATIO - used.memory_mb),
            ("disk", wanted.disk_gb, self.capacity.local_gb * DISK_RATIO - used.disk_gb),
        )
        for name, asked, free in limits:
            if asked > free:
                raise ComputeResourcesUnavailable(f"Free {name} {free:.2f} < requested {asked}")

    def forget(self, server_id: str) -> None:
        self.shares.pop(server_id, None)
        self.moving.pop(server_id, None)

    def _used(self, without: str = "") -> Share:
        held = [mine for server, mine in self.shares.items() if server != without] + list(self.moving.values())
        return Share(sum(s.vcpus for s in held), sum(s.memory_mb for s in held), sum(s.disk_gb for s in held))

    def node_values(self) -> Json:
        """The row of `compute_nodes`."""
        capacity, used = self.capacity, self._used()
        return {
            "hypervisor_type": capacity.hypervisor_type,
            "hypervisor_version": capacity.hypervisor_version,
            "host_ip": capacity.host_ip,
            "cpu_info": capacity.cpu_info,
            "supported_instances": capacity.supported_instances,
            "vcpus": capacity.vcpus,
            "memory_mb": capacity.memory_mb,
            "local_gb": capacity.local_gb,
            "vcpus_used": used.vcpus,
            "memory_mb_used": used.memory_mb + RESERVED_MEMORY_MB,
            "local_gb_used": used.disk_gb,
            "running_vms": len(self.shares),
            "cpu_allocation_ratio": CPU_RATIO,
            "ram_allocation_ratio": RAM_RATIO,
            "disk_allocation_ratio": DISK_RATIO,
            "reserved_host_memory_mb": RESERVED_MEMORY_MB,
            "stats": {"failed_builds": self.failed_builds, "num_instances": len(self.shares)},
        }
