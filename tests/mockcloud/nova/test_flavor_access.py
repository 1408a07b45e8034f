"""Private flavors and the projects that may use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.nova.nova_user import Nova, refusal


@pytest.fixture
async def private(admin: Nova) -> str:
    values = {"name": "secret", "ram": 512, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    return str((await admin.post("/flavors", {"flavor": values}))["flavor"]["id"])


async def _act(nova: Nova, flavor_id: str, action: str, tenant: str, version: str = "2.104") -> Any:
    return await nova.request("POST", f"/flavors/{flavor_id}/action", {action: {"tenant": tenant}}, version)


async def test_a_project_sees_a_private_flavor_while_it_may_use_it(admin: Nova, member: Nova, private: str) -> None:
    assert await admin.get(f"/flavors/{private}/os-flavor-access") == {"flavor_access": []}
    added = await _act(admin, private, "addTenantAccess", member.project_id)
    assert added.json() == {"flavor_access": [{"flavor_id": private, "tenant_id": member.project_id}]}
    assert await admin.get(f"/flavors/{private}/os-flavor-access") == added.json()
    assert private in {f["id"] for f in (await member.get("/flavors"))["flavors"]}
    assert (await member.get(f"/flavors/{private}"))["flavor"]["name"] == "secret"
    assert (await _act(admin, private, "removeTenantAccess", member.project_id)).json() == {"flavor_access": []}
    assert (await member.request("GET", f"/flavors/{private}")).status == 404


async def test_access_is_given_and_taken_once(admin: Nova, member: Nova, private: str) -> None:
    await _act(admin, private, "addTenantAccess", member.project_id)
    status, said = refusal(await _act(admin, private, "addTenantAccess", member.project_id))
    assert (status, said.split(" flavor ")[0]) == (409, "Flavor access already exists for")
    await _act(admin, private, "removeTenantAccess", member.project_id)
    status, said = refusal(await _act(admin, private, "removeTenantAccess", member.project_id))
    assert (status, said.split(" for ")[0]) == (404, "Flavor access not found")


async def test_keystone_has_to_know_the_project(admin: Nova, private: str) -> None:
    refused = await _act(admin, private, "addTenantAccess", "nobody")
    assert refusal(refused) == (400, "Project ID nobody is not a valid project.")


async def test_access_to_public_flavors_is_nobodys_to_give_from_2_7(admin: Nova, member: Nova) -> None:
    assert refusal(await admin.request("GET", "/flavors/1/os-flavor-access")) == (404, "Access list not available for public flavors.")
    assert refusal(await _act(admin, "1", "addTenantAccess", member.project_id)) == (409, "Can not add access to a public flavor.")
    assert (await _act(admin, "1", "addTenantAccess", member.project_id, "2.6")).status == 200


@pytest.mark.parametrize(
    "body",
    [{"addTenantAccess": {}}, {"addTenantAccess": {"tenant": ""}}, {"addTenantAccess": {"tenant": 5}}, {"addTenantAccess": None},
     {"removeTenantAccess": {"tenant": "x", "y": 1}}, {"grant": {}}, {}],
)  # fmt: skip
async def test_a_bad_action_is_refused(admin: Nova, private: str, body: Any) -> None:
    assert (await admin.request("POST", f"/flavors/{private}/action", body)).status == 400


async def test_access_is_the_administrators_to_give(member: Nova, admin: Nova, private: str) -> None:
    assert (await member.request("GET", f"/flavors/{private}/os-flavor-access")).status == 403
    assert (await _act(member, private, "addTenantAccess", member.project_id)).status == 403
    assert (await _act(member, private, "removeTenantAccess", member.project_id)).status == 403
    assert (await _act(admin, "none", "addTenantAccess", member.project_id)).status == 404
