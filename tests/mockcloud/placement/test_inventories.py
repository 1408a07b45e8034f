"""Inventories: what a provider has, guarded by its generation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.placement.conftest import Placement, error_of, new_uuid

FULL = {"total": 8, "reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 1, "allocation_ratio": 1.0}
CONFLICT = (409, "placement.concurrent_update")


@pytest.fixture
async def path(placement: Placement) -> str:
    return f"/resource_providers/{await placement.provider('one')}/inventories"


async def test_inventories_are_replaced_as_a_whole(placement: Placement, path: str) -> None:
    body = {"inventories": {"VCPU": {"total": 8}}, "resource_provider_generation": 0}
    answer = await placement.put(path, body)
    assert answer.json() == {"inventories": {"VCPU": FULL}, "resource_provider_generation": 1}
    assert (await placement.get(path)).json() == answer.json()
    body = {"inventories": {"DISK_GB": {"total": 5, "reserved": 1}}, "resource_provider_generation": 1}
    assert list((await placement.put(path, body)).json()["inventories"]) == ["DISK_GB"]
    assert error_of(await placement.put(path, body))[:2] == CONFLICT
    assert (await placement.get(path)).json()["resource_provider_generation"] == 2


async def test_one_is_added_shown_changed_and_removed(placement: Placement, path: str) -> None:
    added = await placement.post(path, {"resource_class": "VCPU", "total": 8})
    assert added.status == 201
    assert added.headers["location"].endswith(f"{path}/VCPU")
    assert added.json() == FULL | {"resource_provider_generation": 1}
    assert error_of(await placement.post(path, {"resource_class": "VCPU", "total": 8}))[:2] == CONFLICT
    assert (await placement.get(f"{path}/VCPU")).json() == added.json()
    change = {"total": 16, "resource_provider_generation": 1}
    changed = await placement.put(f"{path}/VCPU", change)
    assert changed.json() == FULL | {"total": 16, "resource_provider_generation": 2}
    assert error_of(await placement.put(f"{path}/VCPU", change))[:2] == CONFLICT
    assert (await placement.delete(f"{path}/VCPU")).status == 204
    for answer in (await placement.get(f"{path}/VCPU"), await placement.delete(f"{path}/VCPU")):
        assert error_of(answer)[0] == 404
    assert error_of(await placement.put(f"{path}/VCPU", {"total": 1, "resource_provider_generation": 3}))[0] == 400


@pytest.mark.parametrize(
    "inventory",
    [{}, {"total": 0}, {"total": "8"}, {"total": 8.5}, {"total": 2**31}, {"total": 8, "reserved": -1}, {"total": 8, "reserved": 9},
     {"total": 8, "min_unit": 0}, {"total": 8, "step_size": 0}, {"total": 8, "max_unit": 0}, {"total": 8, "allocation_ratio": "x"},
     {"total": 8, "more": 1}],
)  # fmt: skip
async def test_a_bad_inventory_changes_nothing(placement: Placement, path: str, inventory: Any) -> None:
    await placement.post(path, {"resource_class": "VCPU", "total": 4})
    before = (await placement.get(path)).json()
    generation = {"resource_provider_generation": 1}
    for answer in (
        await placement.put(path, {"inventories": {"DISK_GB": {"total": 1}, "VCPU": inventory}} | generation),
        await placement.put(f"{path}/VCPU", inventory | generation),
        await placement.post(path, inventory | {"resource_class": "DISK_GB"}),
    ):
        assert error_of(answer)[0] == 400
    assert (await placement.get(path)).json() == before


@pytest.mark.parametrize("name", ["NO_SUCH", "vcpu", "A B", ""])
async def test_an_unknown_class_is_a_bad_request(placement: Placement, path: str, name: str) -> None:
    body = {"inventories": {name: {"total": 1}}, "resource_provider_generation": 0}
    assert error_of(await placement.put(path, body))[0] == 400
    assert error_of(await placement.post(path, {"resource_class": name, "total": 1}))[0] == 400


async def test_everything_may_be_reserved_from_1_26_on(placement: Placement, path: str) -> None:
    body = {"inventories": {"VCPU": {"total": 8, "reserved": 8}}, "resource_provider_generation": 0}
    assert (await placement.put(path, body, version="1.25")).status == 400
    assert (await placement.put(path, body, version="1.26")).status == 200


async def test_what_is_in_use_stays(placement: Placement, path: str) -> None:
    await placement.post(path, {"resource_class": "VCPU", "total": 8})
    provider, consumer = path.split("/")[2], new_uuid()
    assert (await placement.allocate(consumer, {provider: {"VCPU": 1}})).status == 204
    empty = {"inventories": {}, "resource_provider_generation": await placement.generation(provider)}
    assert error_of(await placement.put(path, empty))[:2] == (409, "placement.inventory.inuse")
    assert error_of(await placement.delete(path))[:2] == (409, "placement.inventory.inuse")
    assert error_of(await placement.delete(f"{path}/VCPU"))[:2] == CONFLICT
    assert (await placement.delete(f"/allocations/{consumer}")).status == 204
    assert (await placement.delete(path)).status == 204


async def test_all_are_removed_at_once_from_1_5_on(placement: Placement, path: str) -> None:
    assert (await placement.delete(path, version="1.4")).status == 405
    assert (await placement.delete(path, version="1.5")).status == 204
