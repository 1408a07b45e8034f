"""Weighers: scaled to 0..1, multiplied, summed; ties drawn from the seeded generator."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mockcloud.scheduler.hosts import HostState
from mockcloud.scheduler.spec import Group, RequestSpec
from mockcloud.scheduler.weights import WEIGHERS, WeighedHost, in_order_of_choice, weigh
from mockcloud.settings import Settings

OFF = {weigher.option: 0.0 for weigher in WEIGHERS.values()}


def host(name: str, **values: Any) -> HostState:
    return HostState(name, name, name, **values)


def spec(policy: str = "") -> RequestSpec:
    group = Group("g", policy, frozenset({"m1", "m2"})) if policy else None
    return RequestSpec(("a",), "p", "u", {"vcpus": 1, "memory_mb": 1}, group=group)


def weights(option: str, hosts: list[HostState], multiplier: float, policy: str = "") -> dict[str, float]:
    settings = Settings(**{**OFF, option: multiplier})  # type: ignore[arg-type]
    return {one.host.host: one.weight for one in weigh(hosts, spec(policy), settings)}


@pytest.mark.parametrize(
    ("option", "field", "values", "multiplier", "expected"),
    [
        ("ram_weight_multiplier", "free_ram_mb", (4096, 1024), 1.0, (1.0, 0.25)),
        ("ram_weight_multiplier", "free_ram_mb", (4096, 4096), 1.0, (1.0, 1.0)),
        ("ram_weight_multiplier", "free_ram_mb", (4096, -10), 1.0, (1.0, 0.0)),
        ("ram_weight_multiplier", "free_ram_mb", (4096, 1024), -2.0, (-2.0, -0.5)),
        ("cpu_weight_multiplier", "vcpus_total", (16, 8), 1.0, (1.0, 0.5)),
        ("disk_weight_multiplier", "free_disk_gb", (10, 5), 3.0, (3.0, 1.5)),
        ("io_ops_weight_multiplier", "num_io_ops", (2, 1), -1.0, (-1.0, -0.5)),
        ("num_instances_weight_multiplier", "num_instances", (5, 3), -1.0, (-1.0, 0.0)),
        ("hypervisor_version_weight_multiplier", "hypervisor_version", (7, 6), 1.0, (1.0, 0.0)),
        ("build_failure_weight_multiplier", "failed_builds", (4, 0), 1_000_000.0, (-1_000_000.0, 0.0)),
        ("build_failure_weight_multiplier", "failed_builds", (4, 4), 1_000_000.0, (0.0, 0.0)),
    ],
)
def test_a_value_is_scaled_and_multiplied(
    option: str, field: str, values: tuple[int, int], multiplier: float, expected: tuple[float, float]
) -> None:
    hosts = [host(name, **{field: value}) for name, value in zip(("one", "two"), values, strict=True)]
    assert weights(option, hosts, multiplier) == dict(zip(("one", "two"), expected, strict=True))


@pytest.mark.parametrize(
    ("policy", "option", "expected"),
    [
        ("soft-affinity", "soft_affinity_weight_multiplier", {"both": 1.0, "none": 0.0}),
        ("soft-anti-affinity", "soft_anti_affinity_weight_multiplier", {"both": 0.0, "none": 1.0}),
        ("affinity", "soft_affinity_weight_multiplier", {"both": 0.0, "none": 0.0}),
    ],
)
def test_soft_groups_weigh_their_members(policy: str, option: str, expected: dict[str, float]) -> None:
    assert weights(option, [host("both", servers={"m1", "m2"}), host("none", servers={"x"})], 1.0, policy) == expected


def test_an_aggregate_overrides_a_multiplier_for_its_hosts() -> None:
    aggregates = [{"ram_weight_multiplier": "5"}, {"ram_weight_multiplier": "3"}]
    hosts = [host("one", free_ram_mb=100, aggregates=aggregates), host("two", free_ram_mb=100), host("three", free_ram_mb=50)]
    hosts[2].aggregates = [{"ram_weight_multiplier": "many"}]
    assert weights("ram_weight_multiplier", hosts, 1.0) == {"one": 3.0, "two": 1.0, "three": 0.5}


def test_one_host_alone_is_not_weighed() -> None:
    assert weights("ram_weight_multiplier", [host("one", free_ram_mb=7)], 1.0) == {"one": 0.0}


def test_equals_are_drawn_and_the_draw_can_be_repeated() -> None:
    weighed = [WeighedHost(host(name), 1.0) for name in "abcd"] + [WeighedHost(host("worse"), 0.5)]

    def draws(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [in_order_of_choice(weighed, Settings(), rng)[0].host.host for _ in range(40)]

    assert draws(1) == draws(1) != draws(2)
    assert set(draws(1)) == set("abcd")


def test_without_the_shuffle_the_first_of_equals_is_chosen() -> None:
    weighed = [WeighedHost(host(name), 1.0) for name in "abc"]
    order = in_order_of_choice(weighed, Settings(shuffle_best_same_weighed_hosts=False), random.Random(0))
    assert [one.host.host for one in order] == ["a", "b", "c"]


def test_a_larger_subset_spreads_over_the_best() -> None:
    weighed = [WeighedHost(host(name), weight) for name, weight in (("a", 3.0), ("b", 2.0), ("c", 1.0))]
    rng = random.Random(0)
    settings = Settings(host_subset_size=2)
    orders = [[one.host.host for one in in_order_of_choice(weighed, settings, rng)] for _ in range(40)]
    assert {order[0] for order in orders} == {"a", "b"}
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
