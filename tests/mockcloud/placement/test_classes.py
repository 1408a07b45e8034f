"""Resource classes and traits: the standard ones, and a cloud's own."""

from __future__ import annotations

import pytest

from tests.mockcloud.placement.conftest import Placement, error_of


async def test_a_class_is_made_shown_listed_and_deleted(placement: Placement) -> None:
    made = await placement.post("/resource_classes", {"name": "CUSTOM_GOLD"})
    assert (made.status, made.content) == (201, b"")
    assert made.headers["location"].endswith("/resource_classes/CUSTOM_GOLD")
    assert (await placement.get("/resource_classes/CUSTOM_GOLD")).json()["name"] == "CUSTOM_GOLD"
    names = {one["name"] for one in (await placement.get("/resource_classes")).json()["resource_classes"]}
    assert {"VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_GOLD"} <= names
    assert error_of(await placement.post("/resource_classes", {"name": "CUSTOM_GOLD"}))[0] == 409
    assert (await placement.delete("/resource_classes/CUSTOM_GOLD")).status == 204
    for answer in (await placement.get("/resource_classes/CUSTOM_GOLD"), await placement.delete("/resource_classes/CUSTOM_GOLD")):
        assert error_of(answer)[0] == 404


@pytest.mark.parametrize("name", ["GOLD", "custom_gold", "CUSTOM_", "CUSTOM_gold", "CUSTOM_" + "X" * 249, "", 5])
async def test_a_name_that_is_none(placement: Placement, name: object) -> None:
    assert error_of(await placement.post("/resource_classes", {"name": name}))[0] == 400
    if name and isinstance(name, str):
        assert error_of(await placement.put(f"/resource_classes/{name}"))[0] == 400
        assert error_of(await placement.put(f"/traits/{name}"))[0] == 400


async def test_a_class_is_made_sure_of_from_1_7_on(placement: Placement) -> None:
    assert [(await placement.put("/resource_classes/CUSTOM_A")).status for _ in range(2)] == [201, 204]


async def test_a_class_is_renamed_until_1_6(placement: Placement) -> None:
    await placement.put("/resource_classes/CUSTOM_A")
    provider = await placement.provider("one", CUSTOM_A=4)
    answer = await placement.put("/resource_classes/CUSTOM_A", {"name": "CUSTOM_B"}, version="1.6")
    assert (answer.status, answer.json()["name"]) == (200, "CUSTOM_B")
    assert await placement.used(provider) == {"CUSTOM_B": 0}
    for name, body, status in (
        ("CUSTOM_A", {"name": "CUSTOM_C"}, 404), ("VCPU", {"name": "CUSTOM_C"}, 400), ("CUSTOM_B", {"name": "CUSTOM_B"}, 409),
        ("CUSTOM_B", {"name": "x"}, 400), ("CUSTOM_B", None, 400),
    ):  # fmt: skip
        assert (await placement.put(f"/resource_classes/{name}", body, version="1.6")).status == status


async def test_standard_and_used_classes_stay(placement: Placement) -> None:
    assert error_of(await placement.delete("/resource_classes/VCPU"))[0] == 400
    await placement.put("/resource_classes/CUSTOM_A")
    await placement.provider("one", CUSTOM_A=4)
    assert error_of(await placement.delete("/resource_classes/CUSTOM_A"))[0] == 409


async def test_a_trait_is_made_checked_listed_and_deleted(placement: Placement) -> None:
    assert error_of(await placement.get("/traits/CUSTOM_T"))[0] == 404
    assert [(await placement.put("/traits/CUSTOM_T")).status for _ in range(2)] == [201, 204]
    assert (await placement.get("/traits/CUSTOM_T")).status == 204
    assert (await placement.get("/traits?name=startswith:CUSTOM_")).json() == {"traits": ["CUSTOM_T"]}
    assert (await placement.get("/traits?name=in:CUSTOM_T,HW_CPU_X86_VMX,NO")).json() == {"traits": ["CUSTOM_T", "HW_CPU_X86_VMX"]}
    await placement.provider("one", traits=("CUSTOM_T",))
    assert (await placement.get("/traits?associated=true")).json() == {"traits": ["CUSTOM_T"]}
    assert "CUSTOM_T" not in (await placement.get("/traits?associated=false")).json()["traits"]
    assert error_of(await placement.delete("/traits/CUSTOM_T"))[0] == 409
    provider = (await placement.get("/resource_providers?name=one")).json()["resource_providers"][0]["uuid"]
    await placement.delete(f"/resource_providers/{provider}/traits")
    assert (await placement.delete("/traits/CUSTOM_T")).status == 204
    assert error_of(await placement.delete("/traits/CUSTOM_T"))[0] == 404
    assert error_of(await placement.delete("/traits/HW_CPU_X86_VMX"))[0] == 400


@pytest.mark.parametrize("query", ["name=CUSTOM", "associated=maybe", "colour=red"])
async def test_bad_queries(placement: Placement, query: str) -> None:
    assert error_of(await placement.get(f"/traits?{query}"))[0] == 400


@pytest.mark.parametrize(("path", "version"), [("/traits", "1.5"), ("/resource_classes", "1.1"), ("/usages?project_id=x", "1.8"),
                                               ("/allocation_candidates?resources=VCPU:1", "1.9")])  # fmt: skip
async def test_what_came_later_is_not_there_before(placement: Placement, path: str, version: str) -> None:
    assert (await placement.get(path, version=version)).status == 404
