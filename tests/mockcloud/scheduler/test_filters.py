"""Each filter as a table: what the host is, what is asked, whether it will do."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.scheduler.extra_specs import match
from mockcloud.scheduler.filters import FILTERS, apply
from mockcloud.scheduler.hosts import HostState
from mockcloud.scheduler.json_query import satisfies
from mockcloud.scheduler.spec import Group, RequestSpec
from mockcloud.settings import Settings

KVM = [["x86_64", "kvm", "hvm"], ["i686", "qemu", "hvm"]]


def host(**values: Any) -> HostState:
    return HostState(**{"uuid": "u", "host": "one", "node": "one", **values})


def spec(extra_specs: dict[str, str] | None = None, **values: Any) -> RequestSpec:
    flavor = {"vcpus": 1, "memory_mb": 512, "root_gb": 1, "extra_specs": extra_specs or {}}
    return RequestSpec(**{"instance_uuids": ("a",), "instance_uuid": "a", "project_id": "p", "user_id": "u", "flavor": flavor, **values})


def image(**properties: Any) -> RequestSpec:
    return spec(image_properties=properties)


def in_group(policy: str, limit: int = 1, hosts: tuple[str, ...] = ()) -> RequestSpec:
    return spec(group=Group("g", policy, frozenset({"m1", "m2"}), set(hosts), limit))


EAST = [{"availability_zone": "east"}]
CASES: list[tuple[str, HostState, RequestSpec, bool]] = [
    ("RetryFilter", host(), spec(tried=(("one", "other"),)), True),
    ("RetryFilter", host(), spec(tried=(("one", "one"),)), False),
    ("AvailabilityZoneFilter", host(), spec(), True),
    ("AvailabilityZoneFilter", host(), spec(availability_zone="nova"), True),
    ("AvailabilityZoneFilter", host(), spec(availability_zone="east"), False),
    ("AvailabilityZoneFilter", host(aggregates=[{"ssd": "true"}, *EAST]), spec(availability_zone="east"), True),
    ("AvailabilityZoneFilter", host(aggregates=EAST), spec(availability_zone="nova"), False),
    ("ComputeFilter", host(), spec(), True),
    ("ComputeFilter", host(disabled=True), spec(), False),
    ("ComputeFilter", host(up=False), spec(), False),
    ("ComputeCapabilitiesFilter", host(), spec({"trait:X": "required", "unknown": "7"}), True),
    ("ComputeCapabilitiesFilter", host(vcpus_total=8), spec({"vcpus_total": ">= 8"}), True),
    ("ComputeCapabilitiesFilter", host(vcpus_total=8), spec({"capabilities:vcpus_total": "> 8"}), False),
    ("ComputeCapabilitiesFilter", host(cpu_info={"features": ["avx"]}), spec({"capabilities:cpu_info:features": "<in> avx"}), True),
    ("ComputeCapabilitiesFilter", host(cpu_info={"features": []}), spec({"capabilities:cpu_info:features": "<in> avx"}), False),
    ("ComputeCapabilitiesFilter", host(), spec({"capabilities:nothing": "1"}), False),
    ("ComputeCapabilitiesFilter", host(stats={"rack": "7"}), spec({"rack": "7"}), True),
    ("ImagePropertiesFilter", host(), image(), True),
    ("ImagePropertiesFilter", host(), image(hw_architecture="x86_64"), False),
    ("ImagePropertiesFilter", host(supported_instances=KVM), image(hw_architecture="amd64", img_hv_type="KVM"), True),
    ("ImagePropertiesFilter", host(supported_instances=KVM), image(architecture="aarch64"), False),
    ("ImagePropertiesFilter", host(supported_instances=KVM), image(hw_architecture="i686", img_hv_type="kvm"), False),
    ("ImagePropertiesFilter", host(supported_instances=KVM), image(hw_vm_mode="hv"), True),
    (
        "ImagePropertiesFilter",
        host(supported_instances=KVM, hypervisor_version=6_002_003),
        image(img_hv_type="kvm", img_hv_requested_version=">=6.0, <7.0"),
        True,
    ),
    (
        "ImagePropertiesFilter",
        host(supported_instances=KVM, hypervisor_version=6_002_003),
        image(img_hv_type="kvm", img_hv_requested_version=">=7"),
        False,
    ),
    ("ServerGroupAntiAffinityFilter", host(servers={"m1"}), spec(), True),
    ("ServerGroupAntiAffinityFilter", host(servers={"x"}), in_group("anti-affinity"), True),
    ("ServerGroupAntiAffinityFilter", host(servers={"m1"}), in_group("anti-affinity"), False),
    ("ServerGroupAntiAffinityFilter", host(servers={"m1"}), in_group("anti-affinity", 2), True),
    ("ServerGroupAntiAffinityFilter", host(servers={"m1", "m2"}), in_group("anti-affinity", 2), False),
    ("ServerGroupAntiAffinityFilter", host(servers={"m1"}), in_group("affinity"), True),
    ("ServerGroupAntiAffinityFilter", host(servers={"m1", "a"}), in_group("anti-affinity"), True),  # a resize may stay
    ("ServerGroupAffinityFilter", host(), in_group("affinity"), True),
    ("ServerGroupAffinityFilter", host(), in_group("affinity", hosts=("one",)), True),
    ("ServerGroupAffinityFilter", host(), in_group("affinity", hosts=("two",)), False),
    ("ServerGroupAffinityFilter", host(), in_group("soft-affinity", hosts=("two",)), True),
    ("SameHostFilter", host(), spec(), True),
    ("SameHostFilter", host(servers={"s"}), spec(hints={"same_host": ["r", "s"]}), True),
    ("SameHostFilter", host(), spec(hints={"same_host": "s"}), False),
    ("DifferentHostFilter", host(), spec(hints={"different_host": ["s"]}), True),
    ("DifferentHostFilter", host(servers={"s"}), spec(hints={"different_host": ["r", "s"]}), False),
    ("AggregateInstanceExtraSpecsFilter", host(), spec(), True),
    ("AggregateInstanceExtraSpecsFilter", host(), spec({"ssd": "true"}), False),
    ("AggregateInstanceExtraSpecsFilter", host(aggregates=[{"ssd": "true"}]), spec({"ssd": "true"}), True),
    ("AggregateInstanceExtraSpecsFilter", host(aggregates=[{"gen": "1, 2"}]), spec({"aggregate_instance_extra_specs:gen": "2"}), True),
    ("AggregateInstanceExtraSpecsFilter", host(aggregates=[{"gen": "1"}]), spec({"aggregate_instance_extra_specs:gen": "2"}), False),
    ("AggregateInstanceExtraSpecsFilter", host(), spec({"hw:cpu_policy": "shared"}), True),
    ("IoOpsFilter", host(num_io_ops=7), spec(), True),
    ("IoOpsFilter", host(num_io_ops=8), spec(), False),
    ("AggregateIoOpsFilter", host(num_io_ops=2, aggregates=[{"max_io_ops_per_host": "2"}]), spec(), False),
    ("NumInstancesFilter", host(num_instances=49), spec(), True),
    ("NumInstancesFilter", host(num_instances=50), spec(), False),
    ("AggregateNumInstancesFilter", host(num_instances=3, aggregates=[{"max_instances_per_host": "3"}]), spec(), False),
    ("AggregateNumInstancesFilter", host(num_instances=3, aggregates=[{"max_instances_per_host": "many"}]), spec(), True),
    ("JsonFilter", host(free_ram_mb=2048), spec(), True),
    ("JsonFilter", host(free_ram_mb=2048), spec(hints={"query": '[">=", "$free_ram_mb", 1024]'}), True),
    ("JsonFilter", host(free_ram_mb=512), spec(hints={"query": '[">=", "$free_ram_mb", 1024]'}), False),
    ("JsonFilter", host(), spec(hints={"query": "not json"}), False),
    ("AllHostsFilter", host(disabled=True), spec(), True),
]


@pytest.mark.parametrize(("name", "state", "asked", "passes"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_filter_decides_as_novas(name: str, state: HostState, asked: RequestSpec, passes: bool) -> None:
    reason = FILTERS[name](state, asked, Settings())
    assert (reason is None) is passes, reason


def test_every_filter_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(FILTERS)


@pytest.mark.parametrize(
    ("value", "requirement", "met"),
    [
        ("8", "= 4", True),
        ("8", "= 9", False),
        ("8", "== 8.0", True),
        ("8", "!= 8", False),
        ("8", "<= 8", True),
        ("x86_64", "s== x86_64", True),
        ("x86_64", "s!= x86_64", False),
        ("b", "s< c", True),
        ("['avx', 'sse']", "<in> avx", True),
        ("['avx', 'sse']", "<all-in> avx sse", True),
        ("['avx', 'sse']", "<all-in> avx aes", False),
        ("qemu", "<or> kvm <or> qemu", True),
        ("xen", "<or> kvm <or> qemu", False),
        ("true", "true", True),
        ("true", "", False),
        ("many", ">= 4", False),
        ("8", ">=", False),
    ],
)
def test_extra_specs_speak_novas_little_language(value: str, requirement: str, met: bool) -> None:
    assert match(value, requirement) is met


@pytest.mark.parametrize(
    ("query", "met"),
    [
        ([], True),
        (["and", [">=", "$free_ram_mb", 1024], ["=", "$stats.rack", "7"]], True),
        (["and", [">=", "$free_ram_mb", 1024], ["=", "$stats.rack", "8"]], False),
        (["or", ["<", "$free_ram_mb", 1024], ["in", "$host", "one", "two"]], True),
        (["not", [">", "$free_ram_mb", 4096]], True),
        (["=", "$nothing", 1], False),
        (["<", "$host", 1], False),
        (["frob", 1, 2], False),
    ],
)
def test_json_queries_read_the_host(query: list[Any], met: bool) -> None:
    assert satisfies(query, host(free_ram_mb=2048, stats={"rack": "7"})) is met


def test_only_the_first_rejection_of_a_host_is_told() -> None:
    filters = {name: FILTERS[name] for name in ("ComputeFilter", "NumInstancesFilter")}
    hosts = [host(host="bad", disabled=True, num_instances=99), host(host="full", num_instances=99), host(host="good")]
    passed, rejections = apply(filters, hosts, spec(), Settings())
    assert [one.host for one in passed] == ["good"]
    assert [(r.host, r.filter) for r in rejections] == [("bad", "ComputeFilter"), ("full", "NumInstancesFilter")]


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (spec(ignore_hosts=("ONE",)), ["two"]),
        (spec(force_hosts=("One",)), ["one"]),
        (spec(force_nodes=("node2",)), ["two"]),
        (spec(force_hosts=("one", "two")), ["one", "two"]),
        (spec(destination=("two", "")), ["two"]),
        (spec(destination=("", "node1")), ["one"]),
        (spec(destination=("one", "node2")), []),
    ],
)
def test_a_request_may_name_hosts(asked: RequestSpec, left: list[str]) -> None:
    hosts = [host(host="one", node="node1"), host(host="two", node="node2")]
    passed, _ = apply({}, hosts, asked, Settings())
    assert [one.host for one in passed] == left
