"""Weighers: the hosts that will do, best first. Each value is scaled to 0..1 over the hosts and multiplied by its option."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from mockcloud.scheduler.hosts import HostState
from mockcloud.scheduler.spec import RequestSpec
from mockcloud.settings import Settings


@dataclass(frozen=True, slots=True)
class Weigher:
    """`option` names its multiplier, in the settings and in an aggregate's metadata (there it goes before)."""

    option: str
    value: Callable[[HostState, RequestSpec], float]
    floor: float | None = None  # values below count as this, and it is the 0 of the scale
    sign: int = 1  # build failures: nova's option is positive and means less


@dataclass(frozen=True, slots=True)
class WeighedHost:
    host: HostState
    weight: float


def _members(host: HostState, spec: RequestSpec, policy: str) -> int:
    group = spec.group
    return len(host.servers & group.members) if group is not None and group.policy == policy else 0


WEIGHERS: dict[str, Weigher] = {
    "RAMWeigher": Weigher("ram_weight_multiplier", lambda host, spec: host.free_ram_mb, floor=0),
    "CPUWeigher": Weigher(
        "cpu_weight_multiplier", lambda host, spec: host.vcpus_total * host.cpu_allocation_ratio - host.vcpus_used, floor=0
    ),
    "DiskWeigher": Weigher("disk_weight_multiplier", lambda host, spec: host.free_disk_gb, floor=0),
    "IoOpsWeigher": Weigher("io_ops_weight_multiplier", lambda host, spec: host.num_io_ops, floor=0),
    "NumInstancesWeigher": Weigher("num_instances_weight_multiplier", lambda host, spec: host.num_instances),
    "HypervisorVersionWeigher": Weigher("hypervisor_version_weight_multiplier", lambda host, spec: host.hypervisor_version),
    "BuildFailureWeigher": Weigher("build_failure_weight_multiplier", lambda host, spec: host.failed_builds, sign=-1),
    "ServerGroupSoftAffinityWeigher": Weigher("soft_affinity_weight_multiplier", lambda host, spec: _members(host, spec, "soft-affinity")),
    "ServerGroupSoftAntiAffinityWeigher": Weigher(
        "soft_anti_affinity_weight_multiplier", lambda host, spec: -_members(host, spec, "soft-anti-affinity")
    ),
}


def weigh(hosts: list[HostState], spec: RequestSpec, settings: Settings) -> list[WeighedHost]:
    """Best first. One host alone needs no weight."""
    totals = [0.0] * len(hosts)
    for weigher in WEIGHERS.values() if len(hosts) > 1 else ():
        _add(totals, weigher, hosts, spec, settings)
    weighed = [WeighedHost(host, total) for host, total in zip(hosts, totals, strict=True)]
    return sorted(weighed, key=lambda one: one.weight, reverse=True)


def _add(totals: list[float], weigher: Weigher, hosts: list[HostState], spec: RequestSpec, settings: Settings) -> None:
    values = [weigher.value(host, spec) for host in hosts]
    low, high = min(values), max(values)
    if weigher.floor is not None:
        low, high = weigher.floor, max(high, weigher.floor)
    if low == high:
        return
    default: float = getattr(settings, weigher.option)
    for n, (host, value) in enumerate(zip(hosts, values, strict=True)):
        multiplier = _multiplier(host, weigher.option, default) if host.aggregates else default
        totals[n] += weigher.sign * multiplier * (max(value, low) - low) / (high - low)


def _multiplier(host: HostState, option: str, default: float) -> float:
    """The smallest that an aggregate of the host says; unreadable ones leave the default."""
    try:
        return min((float(value) for value in host.aggregate_values(option)), default=default)
    except ValueError:
        return default


def in_order_of_choice(weighed: list[WeighedHost], settings: Settings, rng: random.Random) -> list[WeighedHost]:
    """The first is the choice: drawn among the `host_subset_size` best, equals in random order."""
    if not weighed:
        return []
    order = list(weighed)
    if settings.shuffle_best_same_weighed_hosts:
        best = [one for one in order if one.weight == order[0].weight]
        rng.shuffle(best)
        order[: len(best)] = best
    chosen = order.pop(rng.randrange(min(max(settings.host_subset_size, 1), len(order))))
    return [chosen, *order]
