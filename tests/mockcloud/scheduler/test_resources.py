"""From a flavor to placement's question."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.scheduler.resources import amounts, candidates_query
from mockcloud.scheduler.spec import RequestSpec, boots_from_volume, image_properties

FLAVOR = {"vcpus": 2, "memory_mb": 512, "root_gb": 10, "ephemeral_gb": 5, "swap": 1025}


@pytest.mark.parametrize(
    ("extra_specs", "from_volume", "expected"),
    [
        ({}, False, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 17}),
        ({}, True, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 7}),
        ({"resources:VCPU": "0", "resources:DISK_GB": "3"}, False, {"MEMORY_MB": 512, "DISK_GB": 3}),
        ({"resources:PCPU": "2"}, False, {"MEMORY_MB": 512, "DISK_GB": 17, "PCPU": 2}),
        ({"resources:CUSTOM_GPU": "1"}, True, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 7, "CUSTOM_GPU": 1}),
        ({"resources1:VGPU": "1"}, True, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 7}),
    ],
)
def test_a_flavor_takes(extra_specs: dict[str, str], from_volume: bool, expected: dict[str, int]) -> None:
    assert amounts({**FLAVOR, "extra_specs": extra_specs}, from_volume) == expected


def test_a_flavor_without_disk_asks_for_none() -> None:
    flavor = {"vcpus": 1, "memory_mb": 64, "root_gb": 0, "ephemeral_gb": 0, "swap": 0}
    assert amounts(flavor, False) == {"VCPU": 1, "MEMORY_MB": 64}


def test_the_question_names_resources_traits_groups_and_the_only_node() -> None:
    extra_specs = {"trait:HW_A": "required", "trait:HW_B": "forbidden", "resources1:VGPU": "1", "trait1:CUSTOM_X": "required"}
    extra_specs["group_policy"] = "isolate"
    flavor = {**FLAVOR, "extra_specs": extra_specs}
    spec = RequestSpec(("a",), "p", "u", flavor, image_properties={"trait:HW_C": "required"})
    assert candidates_query(spec, in_tree="node") == {
        "limit": "1000",
        "resources": "DISK_GB:17,MEMORY_MB:512,VCPU:2",
        "root_required": "!COMPUTE_STATUS_DISABLED",
        "required": "HW_A,!HW_B,HW_C",
        "resources1": "VGPU:1",
        "required1": "CUSTOM_X",
        "group_policy": "isolate",
        "in_tree": "node",
    }


@pytest.mark.parametrize(
    ("image", "mappings", "expected"),
    [
        ({"id": "i"}, [], False),
        ({}, [], True),
        ({"id": "i"}, [{"boot_index": 0, "destination_type": "local"}, {"boot_index": 1, "destination_type": "volume"}], False),
        ({"id": "i"}, [{"boot_index": 0, "destination_type": "volume"}], True),
    ],
)
def test_where_the_root_disk_is(image: dict[str, Any], mappings: list[dict[str, Any]], expected: bool) -> None:
    assert boots_from_volume(image, mappings) is expected


def test_image_properties_stand_flat_in_glances_body() -> None:
    body = {"id": "i", "name": "n", "hw_architecture": "x86_64", "os_distro": "debian", "trait:HW_A": "required", "size": 3}
    assert set(image_properties(body)) == {"hw_architecture", "os_distro", "trait:HW_A"}
    assert image_properties({"properties": {"hypervisor_type": "kvm"}}) == {"hypervisor_type": "kvm"}
