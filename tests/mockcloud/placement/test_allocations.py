"""Allocations: given, taken back, all or nothing, never beyond the capacity."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.mockcloud.placement.conftest import Placement, claim, error_of, new_uuid

CONFLICT = (409, "placement.concurrent_update")


async def test_an_allocation_is_made_shown_changed_and_taken_back(placement: Placement) -> None:
    provider, consumer = await placement.provider("one", VCPU=8, MEMORY_MB=1024), new_uuid()
    generation = await placement.generation(provider)
    assert (await placement.get(f"/allocations/{consumer}")).json() == {"allocations": {}}
    assert (await placement.allocate(consumer, {provider: {"VCPU": 2, "MEMORY_MB": 512}})).status == 204
    shown = (await placement.get(f"/allocations/{consumer}")).json()
    assert shown == {
        "allocations": {provider: {"resources": {"VCPU": 2, "MEMORY_MB": 512}, "generation": generation + 1}},
        "project_id": "project", "user_id": "user", "consumer_generation": 1, "consumer_type": "INSTANCE",
    }  # fmt: skip
    assert await placement.used(provider) == {"VCPU": 2, "MEMORY_MB": 512}
    of_provider = (await placement.get(f"/resource_providers/{provider}/allocations")).json()["allocations"]
    assert of_provider == {consumer: {"resources": {"VCPU": 2, "MEMORY_MB": 512}, "consumer_generation": 1}}
    assert (await placement.allocate(consumer, {provider: {"VCPU": 3}}, generation=1)).status == 204
    assert await placement.used(provider) == {"VCPU": 3, "MEMORY_MB": 0}
    assert (await placement.delete(f"/allocations/{consumer}")).status == 204
    assert await placement.used(provider) == {"VCPU": 0, "MEMORY_MB": 0}
    assert error_of(await placement.delete(f"/allocations/{consumer}"))[0] == 404


async def test_a_consumer_s_generation_guards_it(placement: Placement) -> None:
    provider, consumer = await placement.provider("one", VCPU=8), new_uuid()
    assert error_of(await placement.allocate(consumer, {provider: {"VCPU": 1}}, generation=5))[:2] == CONFLICT
    assert (await placement.allocate(consumer, {provider: {"VCPU": 1}})).status == 204
    for wrong in (None, 0, 2):
        assert error_of(await placement.allocate(consumer, {provider: {"VCPU": 2}}, generation=wrong))[:2] == CONFLICT
    assert await placement.used(provider) == {"VCPU": 1}
    assert (await placement.allocate(consumer, {}, generation=1)).status == 204
    assert (await placement.allocate(consumer, {provider: {"VCPU": 1}})).status == 204  # gone and new again


@pytest.mark.parametrize(
    "inventory_and_amount",
    [({"total": 4}, 5), ({"total": 4, "reserved": 2}, 3), ({"total": 4, "allocation_ratio": 0.5}, 3), ({"total": 4, "max_unit": 1}, 2),
     ({"total": 4, "min_unit": 2}, 1), ({"total": 4, "step_size": 2}, 3)],
)  # fmt: skip
async def test_what_cannot_be_given_is_a_conflict(placement: Placement, inventory_and_amount: Any) -> None:
    inventory, amount = inventory_and_amount
    provider, consumer = await placement.provider("one"), new_uuid()
    await placement.post(f"/resource_providers/{provider}/inventories", inventory | {"resource_class": "VCPU"})
    generation = await placement.generation(provider)
    status, code, detail = error_of(await placement.allocate(consumer, {provider: {"VCPU": amount}}))
    assert (status, code) == (409, "placement.undefined_code")
    assert f"Unable to create allocation for 'VCPU' on resource provider '{provider}'" in detail
    assert await placement.used(provider) == {"VCPU": 0}
    assert await placement.generation(provider) == generation
    assert (await placement.allocate(consumer, {provider: {"VCPU": 2}} if "max_unit" not in inventory else {})).status == 204


async def test_the_ratio_gives_more_than_there_is(placement: Placement) -> None:
    provider = await placement.provider("one")
    await placement.post(f"/resource_providers/{provider}/inventories", {"resource_class": "VCPU", "total": 2, "allocation_ratio": 16.0})
    assert (await placement.allocate(new_uuid(), {provider: {"VCPU": 32}})).status == 204
    assert (await placement.allocate(new_uuid(), {provider: {"VCPU": 1}})).status == 409


async def test_half_a_claim_is_none(placement: Placement) -> None:
    full, free, consumer = await placement.provider("full", VCPU=1), await placement.provider("free", VCPU=9), new_uuid()
    assert (await placement.allocate(consumer, {free: {"VCPU": 2}, full: {"VCPU": 2}})).status == 409
    assert await placement.used(free) == await placement.used(full) == {"VCPU": 0}
    assert (await placement.get(f"/allocations/{consumer}")).json() == {"allocations": {}}
    both = {consumer: claim({free: {"VCPU": 2}}), new_uuid(): claim({full: {"VCPU": 2}})}
    assert (await placement.post("/allocations", both)).status == 409
    assert await placement.used(free) == {"VCPU": 0}


async def test_consumers_swap_in_one_request(placement: Placement) -> None:
    provider, old, new = await placement.provider("one", VCPU=4), new_uuid(), new_uuid()
    assert (await placement.allocate(old, {provider: {"VCPU": 4}})).status == 204
    assert (await placement.allocate(new, {provider: {"VCPU": 4}})).status == 409
    moved = {old: claim({}, generation=1), new: claim({provider: {"VCPU": 4}})}
    assert (await placement.post("/allocations", moved)).status == 204
    assert await placement.used(provider) == {"VCPU": 4}
    assert (await placement.get(f"/allocations/{old}")).json() == {"allocations": {}}


async def test_a_claim_may_shrink_under_a_lowered_capacity(placement: Placement) -> None:
    provider, consumer = await placement.provider("one", VCPU=8), new_uuid()
    assert (await placement.allocate(consumer, {provider: {"VCPU": 8}})).status == 204
    lowered = {"total": 4, "resource_provider_generation": await placement.generation(provider)}
    assert (await placement.put(f"/resource_providers/{provider}/inventories/VCPU", lowered)).status == 200
    assert (await placement.allocate(consumer, {provider: {"VCPU": 6}}, generation=1)).status == 204
    assert (await placement.allocate(consumer, {provider: {"VCPU": 7}}, generation=2)).status == 409


BAD: list[Any] = [
    {}, [], {"allocations": []}, {"allocations": {"x": {"resources": {"VCPU": 1}}}}, {"allocations": {"{p}": {}}},
    {"allocations": {"{p}": {"resources": {}}}}, {"allocations": {"{p}": {"resources": {"VCPU": 0}}}},
    {"allocations": {"{p}": {"resources": {"VCPU": "1"}}}}, {"allocations": {"{p}": {"resources": {"vcpu": 1}}}},
    {"allocations": {"{p}": {"resources": {"VCPU": 1.5}}}}, {"project_id": ""}, {"user_id": 5}, {"consumer_type": "x y"},
    {"consumer_generation": "1"}, {"mappings": {}}, {"mappings": {"": []}}, {"more": 1},
    {"allocations": {"{p}": {"resources": {"NO_SUCH": 1}}}}, {"allocations": {"{u}": {"resources": {"VCPU": 1}}}},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=str)
async def test_a_bad_claim_is_a_bad_request_and_leaves_nothing(placement: Placement, change: Any) -> None:
    provider, consumer = await placement.provider("one", VCPU=8), new_uuid()
    body: Any = change
    if isinstance(change, dict) and change:
        body = claim({provider: {"VCPU": 1}}) | change
        if isinstance(body["allocations"], dict):
            known = {"{p}": provider, "{u}": new_uuid()}
            body["allocations"] = {known.get(name, name): value for name, value in body["allocations"].items()}
    assert error_of(await placement.put(f"/allocations/{consumer}", body))[0] == 400
    if body != []:
        assert error_of(await placement.post("/allocations", {consumer: body}))[0] == 400
    assert await placement.used(provider) == {"VCPU": 0}
    assert (await placement.get(f"/allocations/{consumer}")).json() == {"allocations": {}}


async def test_a_consumer_is_named_by_a_uuid(placement: Placement) -> None:
    provider = await placement.provider("one", VCPU=8)
    assert error_of(await placement.allocate("x", {provider: {"VCPU": 1}}))[0] == 400
    assert error_of(await placement.post("/allocations", {"x": claim({provider: {"VCPU": 1}})}))[0] == 400
    assert error_of(await placement.post("/allocations", {}))[0] == 400


async def test_a_class_that_a_provider_does_not_have_is_a_conflict(placement: Placement) -> None:
    provider = await placement.provider("one", VCPU=8)
    status, _, detail = error_of(await placement.allocate(new_uuid(), {provider: {"DISK_GB": 1}}))
    assert status == 409
    assert f"Inventory for 'DISK_GB' on resource provider '{provider}' invalid." in detail


OLD_LIST = {"allocations": [{"resource_provider": {"uuid": "?"}, "resources": {"VCPU": 1}}]}
OWNER = {"project_id": "project", "user_id": "user"}


@pytest.mark.parametrize(
    ("version", "given", "shown"),
    [
        ("1.0", OLD_LIST, {"allocations"}),
        ("1.8", OLD_LIST | OWNER, {"allocations"}),
        ("1.12", {"allocations": {"?": {"resources": {"VCPU": 1}}}} | OWNER, {"allocations", "project_id", "user_id"}),
        ("1.28", claim({"?": {"VCPU": 1}}), {"allocations", "project_id", "user_id", "consumer_generation"}),
        ("1.34", claim({"?": {"VCPU": 1}}, mappings={"": ["?"]}), {"allocations", "project_id", "user_id", "consumer_generation"}),
        ("1.38", claim({"?": {"VCPU": 1}}), {"allocations", "project_id", "user_id", "consumer_generation", "consumer_type"}),
    ],
)
async def test_the_body_changed_with_the_versions(placement: Placement, version: str, given: Any, shown: set[str]) -> None:
    import orjson

    provider, consumer = await placement.provider("one", VCPU=8), new_uuid()
    if version in ("1.28", "1.34"):
        given = {name: value for name, value in given.items() if name != "consumer_type"}
    body = orjson.loads(orjson.dumps(given).replace(b'"?"', f'"{provider}"'.encode()))
    assert (await placement.put(f"/allocations/{consumer}", body, version=version)).status == 204
    assert set((await placement.get(f"/allocations/{consumer}", version=version)).json()) == shown
    assert await placement.used(provider) == {"VCPU": 1}


async def test_of_many_at_once_as_many_win_as_there_is_room(placement: Placement) -> None:
    provider = await placement.provider("one", VCPU=5)
    answers = await asyncio.gather(*(placement.allocate(new_uuid(), {provider: {"VCPU": 1}}) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [204] * 5 + [409] * 15
    assert await placement.used(provider) == {"VCPU": 5}


async def test_of_many_with_one_generation_one_wins(placement: Placement) -> None:
    provider, consumer = await placement.provider("one", VCPU=50), new_uuid()
    answers = await asyncio.gather(*(placement.allocate(consumer, {provider: {"VCPU": n}}) for n in range(1, 11)))
    assert sorted(answer.status for answer in answers) == [204] + [409] * 9


async def test_usages_of_a_project_by_user_and_type(placement: Placement) -> None:
    provider = await placement.provider("one", VCPU=50)
    for user, kind, amount in (("a", "INSTANCE", 1), ("b", "INSTANCE", 2), ("b", "VOLUME", 4)):
        body = claim({provider: {"VCPU": amount}}, user_id=user, consumer_type=kind)
        assert (await placement.put(f"/allocations/{new_uuid()}", body)).status == 204
    old = {"allocations": {provider: {"resources": {"VCPU": 8}}}, "project_id": "project", "user_id": "a"}
    assert (await placement.put(f"/allocations/{new_uuid()}", old, version="1.12")).status == 204

    async def usages(query: str, version: str = "1.39") -> Any:
        return (await placement.get(f"/usages?project_id=project{query}", version)).json()["usages"]

    assert await usages("", "1.37") == {"VCPU": 15}
    assert await usages("&user_id=a", "1.37") == {"VCPU": 9}
    assert await usages("") == {
        "INSTANCE": {"VCPU": 3, "consumer_count": 2}, "VOLUME": {"VCPU": 4, "consumer_count": 1},
        "unknown": {"VCPU": 8, "consumer_count": 1},
    }  # fmt: skip
    assert await usages("&consumer_type=all") == {"all": {"VCPU": 15, "consumer_count": 4}}
    assert await usages("&consumer_type=VOLUME&user_id=b") == {"VOLUME": {"VCPU": 4, "consumer_count": 1}}
    assert await usages("&user_id=nobody") == {}
    for bad in ("", "?project_id=", "?project_id=a&colour=red", "?project_id=a&consumer_type=x%20y"):
        assert error_of(await placement.get(f"/usages{bad}"))[0] == 400
