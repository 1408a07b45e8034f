"""Resource providers: the tree, aggregates and traits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.placement.conftest import Placement, claim, error_of, new_uuid

CONFLICT = "placement.concurrent_update"


async def test_a_provider_is_made_shown_listed_renamed_and_deleted(placement: Placement) -> None:
    id_ = new_uuid()
    made = await placement.post("/resource_providers", {"name": "one", "uuid": id_})
    assert made.status == 200
    assert made.headers["location"].endswith(f"/resource_providers/{id_}")
    body = made.json()
    assert (body["uuid"], body["name"], body["generation"]) == (id_, "one", 0)
    assert (body["parent_provider_uuid"], body["root_provider_uuid"]) == (None, id_)
    assert [link["rel"] for link in body["links"]] == ["self", "inventories", "usages", "aggregates", "traits", "allocations"]
    assert (await placement.get(f"/resource_providers/{id_}")).json() == body
    assert (await placement.get("/resource_providers?name=one")).json()["resource_providers"] == [body]
    assert (await placement.get(f"/resource_providers?uuid={id_}")).json()["resource_providers"] == [body]
    renamed = await placement.put(f"/resource_providers/{id_}", {"name": "two"})
    assert renamed.json() == body | {"name": "two"}
    assert (await placement.delete(f"/resource_providers/{id_}")).status == 204
    assert error_of(await placement.delete(f"/resource_providers/{id_}"))[0] == 404


async def test_before_1_20_a_new_provider_is_201_without_a_body(placement: Placement) -> None:
    answer = await placement.post("/resource_providers", {"name": "one"}, version="1.19")
    assert (answer.status, answer.content) == (201, b"")
    assert answer.headers["location"]


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": 5}, {"name": "x" * 201}, {"name": "a", "uuid": "b"}, {"name": "a", "more": 1},
     {"name": "a", "parent_provider_uuid": "b"}, {"name": "a", "parent_provider_uuid": "00000000-0000-4000-8000-000000000000"}],
)  # fmt: skip
async def test_a_bad_provider_is_a_bad_request(placement: Placement, body: Any) -> None:
    assert error_of(await placement.post("/resource_providers", body))[0] == 400
    assert (await placement.get("/resource_providers")).json()["resource_providers"] == []


async def test_names_and_ids_are_given_once(placement: Placement) -> None:
    one, two = await placement.provider("one"), await placement.provider("two")
    for answer in (
        await placement.post("/resource_providers", {"name": "one"}),
        await placement.post("/resource_providers", {"name": "three", "uuid": one}),
        await placement.put(f"/resource_providers/{two}", {"name": "one"}),
    ):
        assert error_of(answer)[:2] == (409, "placement.duplicate_name")


@pytest.mark.parametrize("end", ["", "/inventories", "/usages", "/aggregates", "/traits", "/allocations", "/inventories/VCPU"])
async def test_an_unknown_provider_is_not_found(placement: Placement, end: str) -> None:
    assert error_of(await placement.get(f"/resource_providers/{new_uuid()}{end}"))[0] == 404


# the tree


async def test_children_have_their_parent_s_root(placement: Placement) -> None:
    root = await placement.provider("root")
    child = await placement.provider("child", parent=root)
    leaf = await placement.provider("leaf", parent=child)
    await placement.provider("apart")
    assert (await placement.get(f"/resource_providers/{leaf}")).json()["root_provider_uuid"] == root
    for one in (root, child, leaf):
        found = (await placement.get(f"/resource_providers?in_tree={one}")).json()["resource_providers"]
        assert {provider["name"] for provider in found} == {"root", "child", "leaf"}
    assert (await placement.get(f"/resource_providers?in_tree={new_uuid()}")).json()["resource_providers"] == []
    assert error_of(await placement.delete(f"/resource_providers/{child}"))[:2] == (
        409,
        "placement.resource_provider.cannot_delete_parent",
    )


async def test_a_subtree_moves_as_a_whole_from_1_37_on(placement: Placement) -> None:
    root, other = await placement.provider("root"), await placement.provider("other")
    child = await placement.provider("child", parent=root)
    leaf = await placement.provider("leaf", parent=child)
    move = {"name": "child", "parent_provider_uuid": other}
    for parent in (other, None):
        answer = await placement.put(f"/resource_providers/{child}", move | {"parent_provider_uuid": parent}, version="1.36")
        assert error_of(answer)[0] == 400
    assert (await placement.put(f"/resource_providers/{child}", move)).json()["root_provider_uuid"] == other
    assert (await placement.get(f"/resource_providers/{leaf}")).json()["root_provider_uuid"] == other
    loop = {"name": "child", "parent_provider_uuid": leaf}
    assert error_of(await placement.put(f"/resource_providers/{child}", loop))[0] == 400
    apart = await placement.put(f"/resource_providers/{child}", move | {"parent_provider_uuid": None})
    assert apart.json()["root_provider_uuid"] == child
    assert (await placement.get(f"/resource_providers/{leaf}")).json()["root_provider_uuid"] == child


async def test_a_root_may_get_its_first_parent_at_any_version(placement: Placement) -> None:
    root, other = await placement.provider("root"), await placement.provider("other")
    answer = await placement.put(f"/resource_providers/{other}", {"name": "other", "parent_provider_uuid": root}, version="1.14")
    assert answer.json()["root_provider_uuid"] == root
    unknown = {"name": "root", "parent_provider_uuid": new_uuid()}
    assert error_of(await placement.put(f"/resource_providers/{root}", unknown))[0] == 400


# aggregates and traits


async def test_aggregates_are_guarded_by_the_generation_from_1_19_on(placement: Placement) -> None:
    provider, aggregate = await placement.provider("one"), new_uuid()
    path = f"/resource_providers/{provider}/aggregates"
    assert (await placement.put(path, [aggregate], version="1.18")).json() == {"aggregates": [aggregate]}
    assert await placement.generation(provider) == 0
    body = {"aggregates": [], "resource_provider_generation": 0}
    assert (await placement.put(path, body)).json() == {"aggregates": [], "resource_provider_generation": 1}
    assert error_of(await placement.put(path, body))[:2] == (409, CONFLICT)
    for bad in (
        [],
        {"aggregates": ["x"], "resource_provider_generation": 1},
        {"aggregates": []},
        {"aggregates": [aggregate] * 2, "resource_provider_generation": 1},
    ):
        assert error_of(await placement.put(path, bad))[0] == 400


async def test_traits_are_guarded_by_the_generation_and_count_only_changes(placement: Placement) -> None:
    provider = await placement.provider("one")
    path = f"/resource_providers/{provider}/traits"
    body = {"traits": ["HW_CPU_X86_VMX"], "resource_provider_generation": 0}
    assert (await placement.put(path, body)).json() == {"traits": ["HW_CPU_X86_VMX"], "resource_provider_generation": 1}
    assert error_of(await placement.put(path, body))[:2] == (409, CONFLICT)
    assert (await placement.put(path, body | {"resource_provider_generation": 1})).json()["resource_provider_generation"] == 1
    for bad in ({"traits": ["NO_SUCH"]}, {"traits": ["x y"]}, {"traits": "HW"}, {}):
        assert error_of(await placement.put(path, {"resource_provider_generation": 1} | bad))[0] == 400
    assert (await placement.delete(path)).status == 204
    assert (await placement.get(path)).json() == {"traits": [], "resource_provider_generation": 2}


# filters


async def names(placement: Placement, query: str, version: str = "1.39") -> set[str]:
    answer = await placement.get(f"/resource_providers?{query}", version)
    assert answer.status == 200, answer.message()
    return {provider["name"] for provider in answer.json()["resource_providers"]}


async def test_providers_are_found_by_what_they_have(placement: Placement) -> None:
    big = await placement.provider("big", traits=("HW_CPU_X86_VMX", "STORAGE_DISK_SSD"), VCPU=8)
    small = await placement.provider("small", traits=("HW_CPU_X86_VMX",), VCPU=2)
    await placement.provider("none")
    aggregate = new_uuid()
    body = {"aggregates": [aggregate], "resource_provider_generation": await placement.generation(small)}
    await placement.put(f"/resource_providers/{small}/aggregates", body)
    assert await names(placement, "resources=VCPU:4") == {"big"}
    assert await names(placement, "resources=VCPU:2&required=HW_CPU_X86_VMX") == {"big", "small"}
    assert await names(placement, "required=HW_CPU_X86_VMX,!STORAGE_DISK_SSD") == {"small"}
    assert await names(placement, "required=in:STORAGE_DISK_SSD,STORAGE_DISK_HDD") == {"big"}
    assert await names(placement, f"member_of={aggregate}") == {"small"}
    assert await names(placement, f"member_of=in:{aggregate},{new_uuid()}") == {"small"}
    assert await names(placement, f"member_of=!{aggregate}") == {"big", "none"}
    await placement.put(f"/allocations/{new_uuid()}", claim({big: {"VCPU": 8}}))
    assert await names(placement, "resources=VCPU:1") == {"small"}


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ("colour=red", "1.39"), ("resources=VCPU:1", "1.3"), ("member_of=x", "1.39"), ("member_of=a,b", "1.39"), ("resources=", "1.39"),
        ("resources=VCPU", "1.39"), ("resources=VCPU:x", "1.39"), ("resources=VCPU:0", "1.39"), ("resources=VCPU:-1", "1.39"),
        ("resources=NO_SUCH:1", "1.39"), ("required=NO_SUCH", "1.39"), ("required=,", "1.39"), ("required=!HW_CPU_X86_VMX", "1.21"),
        ("required=in:HW_CPU_X86_VMX", "1.38"), ("required=in:!HW_CPU_X86_VMX", "1.39"), ("required=in:", "1.39"), ("uuid=x", "1.39"),
        ("in_tree=x", "1.39"), ("required=HW_CPU_X86_VMX", "1.17"), ("required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX", "1.39"),
    ],
)  # fmt: skip
async def test_a_bad_query_is_a_bad_request(placement: Placement, query: str, version: str) -> None:
    assert (await placement.get(f"/resource_providers?{query}", version)).status == 400


async def test_a_provider_in_use_stays(placement: Placement) -> None:
    provider, consumer = await placement.provider("one", VCPU=4), new_uuid()
    await placement.allocate(consumer, {provider: {"VCPU": 1}})
    assert error_of(await placement.delete(f"/resource_providers/{provider}"))[:2] == (409, "placement.resource_provider.inuse")
    assert (await placement.delete(f"/allocations/{consumer}")).status == 204
    assert (await placement.delete(f"/resource_providers/{provider}")).status == 204
