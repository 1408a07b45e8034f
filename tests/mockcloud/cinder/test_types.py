"""Volume types, their extra specs, and who may use private ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def _type(admin: Cinder, name: str = "gold", **values: Any) -> str:
    answer = await admin.request("POST", "/types", {"volume_type": {"name": name, **values}})
    assert answer.status == 200, answer.content
    return str(answer.json()["volume_type"]["id"])


async def test_the_seeded_types_are_there_and_one_is_the_default(member: Cinder) -> None:
    assert {t["name"] for t in (await member.get("/types"))["volume_types"]} == {"__DEFAULT__", "lvmdriver-1"}
    assert (await member.get("/types/default"))["volume_type"]["name"] == "__DEFAULT__"


async def test_users_see_only_the_extra_specs_that_concern_them(member: Cinder, admin: Cinder) -> None:
    type_id = await _type(admin, extra_specs={"volume_backend_name": "lvmdriver-1", "multiattach": "<is> True"})
    seen = (await member.get(f"/types/{type_id}"))["volume_type"]
    assert seen["extra_specs"] == {"multiattach": "<is> True"}
    assert "qos_specs_id" not in seen
    as_admin = (await admin.get(f"/types/{type_id}"))["volume_type"]
    assert as_admin["extra_specs"]["volume_backend_name"] == "lvmdriver-1"
    assert as_admin["qos_specs_id"] is None
    assert (await member.request("GET", f"/types/{type_id}/extra_specs/volume_backend_name")).status == 404


async def test_only_administrators_make_change_and_delete_types(member: Cinder, admin: Cinder) -> None:
    assert (await member.request("POST", "/types", {"volume_type": {"name": "gold"}})).status == 403
    type_id = await _type(admin, description="shiny")
    answer = await admin.request("PUT", f"/types/{type_id}", {"volume_type": {"name": "silver", "is_public": False}})
    assert (answer.json()["volume_type"]["name"], answer.json()["volume_type"]["is_public"]) == ("silver", False)
    assert (await admin.request("DELETE", f"/types/{type_id}")).status == 202
    answer = await admin.request("GET", f"/types/{type_id}")
    assert refusal(answer) == (404, "itemNotFound", f"Volume type {type_id} could not be found.")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Specify volume type name, description, is_public or a combination thereof."),
        ({"name": "  "}, "Volume type name can not be empty."),
    ],
)
async def test_a_change_of_nothing_is_refused(admin: Cinder, values: dict[str, str], message: str) -> None:
    type_id = await _type(admin)
    answer = await admin.request("PUT", f"/types/{type_id}", {"volume_type": values})
    assert refusal(answer) == (400, "badRequest", message)


async def test_a_types_name_is_its_own(admin: Cinder) -> None:
    await _type(admin)
    message = "Volume Type gold already exists."
    assert refusal(await admin.request("POST", "/types", {"volume_type": {"name": "gold"}})) == (409, "conflictingRequest", message)
    other = await _type(admin, name="silver")
    assert (await admin.request("PUT", f"/types/{other}", {"volume_type": {"name": "gold"}})).status == 409


async def test_a_type_in_use_and_the_default_type_stay(member: Cinder, admin: Cinder) -> None:
    type_id = await _type(admin, extra_specs={"volume_backend_name": "lvmdriver-1"})
    await member.volume(volume_type="gold")
    assert refusal(await admin.request("DELETE", f"/types/{type_id}"))[2] == "Target volume type is still in use."
    answer = await admin.request("POST", f"/types/{type_id}/extra_specs", {"extra_specs": {"k": "v"}})
    assert refusal(answer) == (400, "badRequest", "Volume Type is currently in use.")
    default = (await admin.get("/types/default"))["volume_type"]["id"]
    message = f"The volume type {default} is a default volume type and cannot be deleted."
    assert refusal(await admin.request("DELETE", f"/types/{default}")) == (400, "badRequest", message)


async def test_a_private_type_is_for_the_projects_that_were_given_it(member: Cinder, admin: Cinder) -> None:
    type_id = await _type(admin, **{"os-volume-type-access:is_public": False})
    project = {"project": member.project_id}
    assert (await member.request("GET", f"/types/{type_id}")).status == 404
    assert (await admin.request("POST", f"/types/{type_id}/action", {"addProjectAccess": project})).status == 202
    assert (await member.request("GET", f"/types/{type_id}")).status == 200
    access = (await admin.get(f"/types/{type_id}/os-volume-type-access"))["volume_type_access"]
    assert access == [{"volume_type_id": type_id, "project_id": member.project_id}]
    assert (await admin.request("POST", f"/types/{type_id}/action", {"addProjectAccess": project})).status == 409
    assert (await admin.request("POST", f"/types/{type_id}/action", {"removeProjectAccess": project})).status == 202
    assert (await admin.request("POST", f"/types/{type_id}/action", {"removeProjectAccess": project})).status == 404
    assert "gold" not in {t["name"] for t in (await member.get("/types"))["volume_types"]}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"__DEFAULT__", "lvmdriver-1"}),
        ("?is_public=false", {"gold"}),
        ("?is_public=none", {"__DEFAULT__", "lvmdriver-1", "gold"}),
        ("?extra_specs={'volume_backend_name':'lvmdriver-1'}", {"lvmdriver-1"}),
    ],
)
async def test_administrators_choose_which_types_they_list(admin: Cinder, query: str, names: set[str]) -> None:
    await _type(admin, **{"os-volume-type-access:is_public": False})
    assert {t["name"] for t in (await admin.get(f"/types{query}"))["volume_types"]} == names


async def test_access_to_a_public_type_is_nobodys_to_give(admin: Cinder) -> None:
    type_id = await _type(admin)
    answer = await admin.request("GET", f"/types/{type_id}/os-volume-type-access")
    assert refusal(answer) == (404, "itemNotFound", "Access list not available for public volume types.")
    assert (await admin.request("POST", f"/types/{type_id}/action", {"addProjectAccess": {"project": "p"}})).status == 400


async def test_extra_specs_are_merged_set_and_dropped(admin: Cinder) -> None:
    type_id = await _type(admin)
    path = f"/types/{type_id}/extra_specs"
    assert (await admin.request("POST", path, {"extra_specs": {"a": "1"}})).json() == {"extra_specs": {"a": "1"}}
    assert (await admin.request("PUT", f"{path}/b", {"b": "2"})).json() == {"b": "2"}
    assert await admin.get(path) == {"extra_specs": {"a": "1", "b": "2"}}
    assert await admin.get(f"{path}/a") == {"a": "1"}
    assert refusal(await admin.request("PUT", f"{path}/a", {"b": "2"}))[2] == "Request body and URI mismatch"
    assert (await admin.request("PUT", f"{path}/a", {"a": "1", "b": "2"})).status == 400
    assert (await admin.request("DELETE", f"{path}/a")).status == 202
    message = f"Volume Type {type_id} has no extra specs with key a."
    assert refusal(await admin.request("DELETE", f"{path}/a")) == (404, "itemNotFound", message)


async def test_a_type_may_bound_the_size_of_its_volumes(member: Cinder, admin: Cinder) -> None:
    await _type(admin, extra_specs={"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "4"})
    answer = await member.request("POST", "/volumes", {"volume": {"size": 1, "volume_type": "gold"}})
    assert refusal(answer)[2] == (
        "Invalid input received: Specified volume size of '1' is less than the minimum required size of '2' for volume type 'gold'."
    )
    made = await member.volume(size=4, volume_type="gold")
    assert (await member.act(made["id"], "os-extend", {"new_size": 5})).status == 400
