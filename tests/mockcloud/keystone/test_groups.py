"""Groups, who is in them, and the roles that come with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of, project


async def test_a_group_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    made = await keystone.made("group", name="crew")
    assert (made["domain_id"], made["description"]) == ("default", "")
    path = f"/v3/groups/{made['id']}"
    assert (await keystone.admin.get("keystone", path)).json()["group"] == made
    assert (await keystone.admin.get("keystone", "/v3/groups?name=crew&domain_id=default")).json()["groups"] == [made]
    changed = await keystone.admin.patch("keystone", path, json={"group": {"description": "all hands"}})
    assert changed.json()["group"] == made | {"description": "all hands"}
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.get("keystone", path)) == (404, f"Could not find group: {made['id']}.")


@pytest.mark.parametrize(
    ("given", "status"),
    [({}, 400), ({"name": ""}, 400), ({"name": "x" * 65}, 400), ({"name": 1}, 400), ({"name": "g", "domain_id": "no"}, 404)],
)
async def test_a_bad_group_is_refused(keystone: Keystone, given: Any, status: int) -> None:
    assert error_of(await keystone.admin.post("keystone", "/v3/groups", json={"group": given}))[0] == status


async def test_a_name_is_unique_in_its_domain(keystone: Keystone) -> None:
    await keystone.made("group", name="crew")
    assert error_of(await keystone.admin.post("keystone", "/v3/groups", json={"group": {"name": "crew"}})) == (
        409,
        "Conflict occurred attempting to store group - Duplicate entry found with name crew at domain ID default.",
    )


async def test_members_come_and_go(keystone: Keystone) -> None:
    crew = await keystone.made("group", name="crew")
    where, one = f"/v3/groups/{crew['id']}/users", keystone.member.user_id
    assert error_of(await keystone.admin.get("keystone", f"{where}/{one}"))[0] == 404
    for _ in range(2):  # again is no mistake
        assert (await keystone.admin.put("keystone", f"{where}/{one}")).status == 204
    assert (await keystone.admin.head("keystone", f"{where}/{one}")).status == 204
    assert (await keystone.admin.get("keystone", f"{where}/{one}")).status == 204
    assert [user["name"] for user in (await keystone.admin.get("keystone", where)).json()["users"]] == ["demo"]
    assert (await keystone.admin.delete("keystone", f"{where}/{one}")).status == 204
    assert error_of(await keystone.admin.delete("keystone", f"{where}/{one}")) == (
        404,
        f"User '{one}' not found in group '{crew['id']}'",
    )


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_unknown_groups_and_users_are_not_found_and_strangers_are_kept_out(keystone: Keystone, method: str) -> None:
    crew = await keystone.made("group", name="crew")
    for path in (f"/v3/groups/unknown/users/{keystone.member.user_id}", f"/v3/groups/{crew['id']}/users/unknown"):
        assert error_of(await keystone.admin.request("keystone", method, path))[0] == 404
        assert error_of(await keystone.member.request("keystone", method, path))[0] == 403
    assert error_of(await keystone.member.request("keystone", "GET", f"/v3/groups/{crew['id']}/users"))[0] == 403
    assert error_of(await keystone.admin.request("keystone", "GET", "/v3/groups/unknown/users"))[0] == 404


async def test_a_group_s_role_is_its_members_role(keystone: Keystone) -> None:
    crew = await keystone.made("group", name="crew")
    role = f"/v3/projects/{keystone.id('project', 'demo')}/groups/{crew['id']}/roles/{keystone.id('role', 'member')}"
    assert (await keystone.admin.put("keystone", role)).status == 204
    assert (await keystone.login("stranger", project("demo"))).status == 401
    assert (await keystone.admin.put("keystone", f"/v3/groups/{crew['id']}/users/{keystone.stranger.user_id}")).status == 204
    token = (await keystone.login("stranger", project("demo"))).json()["token"]
    assert {found["name"] for found in token["roles"]} == {"member", "reader"}
    assert (await keystone.admin.delete("keystone", f"/v3/groups/{crew['id']}")).status == 204
    assert (await keystone.login("stranger", project("demo"))).status == 401
