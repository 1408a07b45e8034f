"""What could be allocated: groups, traits, aggregates and trees, asked over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.placement.conftest import Placement, claim, error_of, new_uuid

VF = "SRIOV_NET_VF"


async def ask(placement: Placement, query: str, version: str = "1.39") -> Any:
    answer = await placement.get(f"/allocation_candidates?{query}", version)
    assert answer.status == 200, answer.message()
    return answer.json()


async def givers(placement: Placement, query: str, version: str = "1.39") -> list[set[str]]:
    """The providers of each candidate."""
    return [set(request["allocations"]) for request in (await ask(placement, query, version))["allocation_requests"]]


async def test_hosts_with_room_are_candidates(placement: Placement) -> None:
    big, small = await placement.provider("big", VCPU=8, MEMORY_MB=1024), await placement.provider("small", VCPU=2, MEMORY_MB=1024)
    found = await ask(placement, "resources=VCPU:2,MEMORY_MB:512")
    assert found["allocation_requests"] == [
        {"allocations": {uuid: {"resources": {"VCPU": 2, "MEMORY_MB": 512}}}, "mappings": {"": [uuid]}} for uuid in (big, small)
    ]
    assert found["provider_summaries"][small] == {
        "resources": {"VCPU": {"capacity": 2, "used": 0}, "MEMORY_MB": {"capacity": 1024, "used": 0}},
        "traits": [], "parent_provider_uuid": None, "root_provider_uuid": small,
    }  # fmt: skip
    assert await givers(placement, "resources=VCPU:4") == [{big}]
    assert await givers(placement, "resources=VCPU:1&limit=1") == [{big}]
    assert await ask(placement, "resources=VCPU:99") == {"allocation_requests": [], "provider_summaries": {}}


async def test_a_candidate_can_be_claimed_as_it_is(placement: Placement) -> None:
    provider = await placement.provider("one", VCPU=2)
    (request,) = (await ask(placement, "resources=VCPU:2"))["allocation_requests"]
    body = claim({}) | request
    assert (await placement.put(f"/allocations/{new_uuid()}", body)).status == 204
    assert await placement.used(provider) == {"VCPU": 2}
    assert (await ask(placement, "resources=VCPU:1"))["allocation_requests"] == []


@pytest.mark.parametrize(
    ("version", "summary"),
    [("1.10", {"resources"}), ("1.17", {"resources", "traits"}),
     ("1.29", {"resources", "traits", "parent_provider_uuid", "root_provider_uuid"})],
)  # fmt: skip
async def test_older_versions_say_less(placement: Placement, version: str, summary: set[str]) -> None:
    provider = await placement.provider("one", VCPU=2, MEMORY_MB=512)
    found = await ask(placement, "resources=VCPU:1", version)
    assert set(found["provider_summaries"][provider]) == summary
    assert ("MEMORY_MB" in found["provider_summaries"][provider]["resources"]) is (version == "1.29")
    (request,) = found["allocation_requests"]
    if version == "1.10":
        assert request == {"allocations": [{"resource_provider": {"uuid": provider}, "resources": {"VCPU": 1}}]}
    assert "mappings" not in request


async def test_traits_and_aggregates_narrow_the_choice(placement: Placement) -> None:
    fast = await placement.provider("fast", traits=("STORAGE_DISK_SSD", "HW_CPU_X86_VMX"), VCPU=4)
    slow = await placement.provider("slow", traits=("STORAGE_DISK_HDD",), VCPU=4)
    aggregate = new_uuid()
    body = {"aggregates": [aggregate], "resource_provider_generation": await placement.generation(slow)}
    assert (await placement.put(f"/resource_providers/{slow}/aggregates", body)).status == 200
    vcpu = "resources=VCPU:1"
    assert await givers(placement, f"{vcpu}&required=STORAGE_DISK_SSD") == [{fast}]
    assert await givers(placement, f"{vcpu}&required=!STORAGE_DISK_SSD") == [{slow}]
    assert await givers(placement, f"{vcpu}&required=in:STORAGE_DISK_SSD,STORAGE_DISK_HDD&required=HW_CPU_X86_VMX") == [{fast}]
    assert await givers(placement, f"{vcpu}&member_of={aggregate}") == [{slow}]
    assert await givers(placement, f"{vcpu}&member_of=!{aggregate}") == [{fast}]
    assert await givers(placement, f"{vcpu}&member_of=in:{aggregate},{new_uuid()}") == [{slow}]
    assert await givers(placement, f"{vcpu}&in_tree={fast}") == [{fast}]
    assert await givers(placement, f"{vcpu}&in_tree={new_uuid()}") == []
    assert await givers(placement, f"{vcpu}&root_required=STORAGE_DISK_SSD,!STORAGE_DISK_HDD") == [{fast}]
    assert await givers(placement, f"{vcpu}&root_required=!STORAGE_DISK_SSD") == [{slow}]


async def tree(placement: Placement) -> dict[str, str]:
    """A host with two network cards, the first of which is the fast one."""
    host = await placement.provider("host", VCPU=8)
    fast = await placement.provider("nic1", host, ("CUSTOM_FAST",), SRIOV_NET_VF=2)
    return {"host": host, "fast": fast, "slow": await placement.provider("nic2", host, SRIOV_NET_VF=2)}


@pytest.fixture
async def nics(placement: Placement) -> dict[str, str]:
    assert (await placement.put("/traits/CUSTOM_FAST")).status == 201
    return await tree(placement)


async def test_a_group_without_a_suffix_is_spread_over_the_tree(placement: Placement, nics: dict[str, str]) -> None:
    host, fast, slow = nics.values()
    assert await givers(placement, f"resources=VCPU:1,{VF}:1") == [{host, fast}, {host, slow}]
    assert await givers(placement, f"resources=VCPU:1,{VF}:1&required=CUSTOM_FAST") == [{host, fast}]
    assert await givers(placement, f"resources=VCPU:1,{VF}:1&required=!CUSTOM_FAST") == [{host, slow}]
    summaries = (await ask(placement, "resources=VCPU:1"))["provider_summaries"]
    assert set(summaries) == set(nics.values())  # the whole tree


async def test_before_1_29_one_provider_gives_everything(placement: Placement, nics: dict[str, str]) -> None:
    assert await givers(placement, f"resources=VCPU:1,{VF}:1", "1.28") == []
    assert await givers(placement, f"resources={VF}:1", "1.28") == [{nics["fast"]}, {nics["slow"]}]


async def test_a_group_with_a_suffix_comes_from_one_provider(placement: Placement, nics: dict[str, str]) -> None:
    host, fast, _ = nics.values()
    query = f"resources=VCPU:1&resources_A={VF}:1&required_A=CUSTOM_FAST"
    (request,) = (await ask(placement, query))["allocation_requests"]
    assert request["allocations"] == {host: {"resources": {"VCPU": 1}}, fast: {"resources": {VF: 1}}}
    assert request["mappings"] == {"": [host], "_A": [fast]}
    assert await givers(placement, f"resources1=VCPU:1,{VF}:1") == []


async def test_groups_share_or_shun_each_other_s_provider(placement: Placement, nics: dict[str, str]) -> None:
    _, fast, slow = nics.values()
    two = f"resources1={VF}:1&resources2={VF}:1"
    assert await givers(placement, f"{two}&group_policy=isolate") == [{fast, slow}] * 2
    assert await givers(placement, f"{two}&group_policy=none") == [{fast}, {fast, slow}, {fast, slow}, {slow}]
    three = f"resources1={VF}:2&resources2={VF}:1"
    assert await givers(placement, f"{three}&group_policy=none") == [{fast, slow}] * 2  # two and one are more than a card has
    same = (await ask(placement, f"{two}&group_policy=none&required1=CUSTOM_FAST&required2=CUSTOM_FAST"))["allocation_requests"]
    assert [request["allocations"] for request in same] == [{fast: {"resources": {VF: 2}}}]


async def test_groups_of_one_subtree(placement: Placement, nics: dict[str, str]) -> None:
    host, fast, slow = nics.values()
    assert await givers(placement, "resources_C=VCPU:1&resources_N=SRIOV_NET_VF:1&group_policy=none&same_subtree=_C,_N") == [
        {host, fast}, {host, slow},
    ]  # fmt: skip
    two = "resources_A=SRIOV_NET_VF:1&resources_B=SRIOV_NET_VF:1&group_policy=none&same_subtree=_A,_B"
    assert await givers(placement, two) == [{fast}, {slow}]
    empty = "resources_A=SRIOV_NET_VF:1&required_P=CUSTOM_FAST&group_policy=none&same_subtree=_A,_P"
    (request,) = (await ask(placement, empty))["allocation_requests"]
    assert request == {"allocations": {fast: {"resources": {VF: 1}}}, "mappings": {"_A": [fast], "_P": [fast]}}


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ("", "1.39"), ("required=HW_CPU_X86_VMX", "1.39"), ("resources=", "1.39"), ("resources=VCPU", "1.39"), ("resources=VCPU:0", "1.39"),
        ("resources=VCPU:x", "1.39"), ("resources=NO_SUCH:1", "1.39"), ("resources=VCPU:1&limit=0", "1.39"),
        ("resources=VCPU:1&limit=x", "1.39"), ("resources=VCPU:1&limit=1", "1.15"), ("resources=VCPU:1&colour=red", "1.39"),
        ("resources=VCPU:1&required=NO_SUCH", "1.39"), ("resources=VCPU:1&required=", "1.39"), ("resources=VCPU:1&required=!", "1.39"),
        ("resources=VCPU:1&required=!HW_CPU_X86_VMX", "1.21"), ("resources=VCPU:1&required=HW_CPU_X86_VMX", "1.16"),
        ("resources=VCPU:1&required=in:HW_CPU_X86_VMX", "1.38"), ("resources=VCPU:1&member_of=x", "1.39"),
        ("resources=VCPU:1&member_of=!{u}", "1.31"), ("resources=VCPU:1&member_of={u}&member_of={u}", "1.23"),
        ("resources=VCPU:1&member_of={u},{u}", "1.39"), ("resources=VCPU:1&in_tree=x", "1.39"), ("resources=VCPU:1&in_tree={u}", "1.30"),
        ("resources1=VCPU:1&resources2=VCPU:1", "1.39"), ("resources1=VCPU:1", "1.24"), ("resources_A=VCPU:1", "1.32"),
        ("resources1=VCPU:1&group_policy=maybe", "1.39"), ("resources=VCPU:1&required1=HW_CPU_X86_VMX", "1.35"),
        ("resources=VCPU:1&required_A=HW_CPU_X86_VMX", "1.39"), ("resources=VCPU:1&same_subtree=_B", "1.39"),
        ("resources_A=VCPU:1&same_subtree=_A,", "1.39"), ("resources_A=VCPU:1&same_subtree=_A", "1.35"),
        ("resources=VCPU:1&root_required=in:HW_CPU_X86_VMX", "1.39"), ("resources=VCPU:1&root_required=NO_SUCH", "1.39"),
        ("resources=VCPU:1&root_required=HW_CPU_X86_VMX&root_required=HW_CPU_X86_VMX", "1.39"),
        ("resources=VCPU:1&root_required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX", "1.39"),
        ("resources=VCPU:1&required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX", "1.39"),
    ],
)  # fmt: skip
async def test_a_bad_query_is_a_bad_request(placement: Placement, query: str, version: str) -> None:
    await placement.provider("one", VCPU=4)
    answer = await placement.get(f"/allocation_candidates?{query.replace('{u}', new_uuid())}", version)
    assert answer.status == 400
    assert answer.json()["errors"][0]["detail"]


async def test_the_codes_of_bad_queries(placement: Placement) -> None:
    for query, code in (
        ("resources1=VCPU:1&resources2=VCPU:1", "placement.query.missing_value"),
        ("required=HW_CPU_X86_VMX", "placement.query.missing_value"),
        ("resources=VCPU:1&root_required=CUSTOM_A&root_required=CUSTOM_B", "placement.query.duplicate_key"),
        ("resources=VCPU:1&same_subtree=_B", "placement.query.bad_value"),
    ):  # fmt: skip
        assert error_of(await placement.get(f"/allocation_candidates?{query}"))[:2] == (400, code)
