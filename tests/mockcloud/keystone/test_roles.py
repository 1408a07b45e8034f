"""Roles, and what they imply."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of, project


async def test_a_role_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    made = await keystone.made("role", name="auditor")
    assert (made["domain_id"], made["description"], made["options"]) == (None, None, {})
    path = f"/v3/roles/{made['id']}"
    assert (await keystone.admin.get("keystone", path)).json()["role"] == made
    assert (await keystone.admin.get("keystone", "/v3/roles?name=auditor")).json()["roles"] == [made]
    changed = await keystone.admin.patch("keystone", path, json={"role": {"description": "looks"}})
    assert changed.json()["role"] == made | {"description": "looks"}
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.get("keystone", path)) == (404, f"Could not find role: {made['id']}.")


@pytest.mark.parametrize(
    ("given", "status"),
    [({}, 400), ({"name": ""}, 400), ({"name": "x" * 256}, 400), ({"name": 1}, 400), ({"name": "admin"}, 409),
     ({"name": "r", "domain_id": "nowhere"}, 404)],
)  # fmt: skip
async def test_a_bad_role_is_refused(keystone: Keystone, given: Any, status: int) -> None:
    assert error_of(await keystone.admin.post("keystone", "/v3/roles", json={"role": given}))[0] == status


async def test_the_same_name_says_so(keystone: Keystone) -> None:
    assert error_of(await keystone.admin.post("keystone", "/v3/roles", json={"role": {"name": "member"}})) == (
        409,
        "Conflict occurred attempting to store role - Duplicate entry found with name member.",
    )


async def test_the_roles_of_the_installation_are_immutable(keystone: Keystone) -> None:
    path = f"/v3/roles/{keystone.id('role', 'admin')}"
    assert error_of(await keystone.admin.delete("keystone", path))[0] == 403
    assert error_of(await keystone.admin.patch("keystone", path, json={"role": {"name": "root"}}))[0] == 403
    assert (await keystone.admin.patch("keystone", path, json={"role": {"options": {"immutable": False}}})).status == 200
    assert (await keystone.admin.patch("keystone", path, json={"role": {"name": "root"}})).status == 200


async def test_the_roles_of_a_domain_stand_apart(keystone: Keystone) -> None:
    own = await keystone.made("role", name="member", domain_id="default")
    everyone = (await keystone.admin.get("keystone", "/v3/roles")).json()["roles"]
    assert {role["name"] for role in everyone} == {"admin", "manager", "member", "reader", "service"}
    assert own["id"] not in {role["id"] for role in everyone}
    assert (await keystone.admin.get("keystone", "/v3/roles?domain_id=default")).json()["roles"] == [own]
    domain = await keystone.made("domain", name="elsewhere")
    home = await keystone.made("project", name="home", domain_id=domain["id"])
    grant = f"/v3/projects/{home['id']}/users/{keystone.member.user_id}/roles/{own['id']}"
    assert error_of(await keystone.admin.put("keystone", grant))[0] == 403


async def test_a_member_has_no_business_with_roles(keystone: Keystone) -> None:
    role, other = keystone.id("role", "reader"), keystone.id("role", "member")
    for method, path, body in (
        ("GET", "/v3/roles", None), ("GET", f"/v3/roles/{role}", None), ("GET", "/v3/roles/unknown", None),
        ("POST", "/v3/roles", {"role": {"name": "x"}}), ("PATCH", f"/v3/roles/{role}", {"role": {"name": "x"}}),
        ("DELETE", f"/v3/roles/{role}", None), ("GET", f"/v3/roles/{role}/implies", None), ("GET", "/v3/role_inferences", None),
        ("GET", f"/v3/roles/{other}/implies/{role}", None), ("HEAD", f"/v3/roles/{other}/implies/{role}", None),
        ("PUT", f"/v3/roles/{other}/implies/{role}", None), ("DELETE", f"/v3/roles/{other}/implies/{role}", None),
    ):  # fmt: skip
        assert (await keystone.member.request("keystone", method, path, json=body)).status == 403


# implications


def ids(inference: Any) -> Any:
    return [role["name"] for role in inference["implies"]]


async def test_implications_are_made_shown_and_removed(keystone: Keystone) -> None:
    auditor = await keystone.made("role", name="auditor")
    path = f"/v3/roles/{keystone.id('role', 'member')}/implies"
    made = await keystone.admin.put("keystone", f"{path}/{auditor['id']}")
    assert made.status == 201
    assert made.json()["role_inference"]["prior_role"]["name"] == "member"
    assert made.json()["role_inference"]["implies"]["name"] == "auditor"
    assert (await keystone.admin.get("keystone", f"{path}/{auditor['id']}")).json() == made.json()
    assert (await keystone.admin.head("keystone", f"{path}/{auditor['id']}")).status == 204
    assert ids((await keystone.admin.get("keystone", path)).json()["role_inference"]) == ["auditor", "reader"]
    token = (await keystone.login("demo", project("demo"))).json()["token"]
    assert {role["name"] for role in token["roles"]} == {"member", "reader", "auditor"}
    assert (await keystone.admin.delete("keystone", f"{path}/{auditor['id']}")).status == 204
    token = (await keystone.login("demo", project("demo"))).json()["token"]
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    gone = (404, f"{keystone.id('role', 'member')} does not imply {auditor['id']}.")
    assert error_of(await keystone.admin.get("keystone", f"{path}/{auditor['id']}")) == gone
    assert error_of(await keystone.admin.delete("keystone", f"{path}/{auditor['id']}")) == gone


async def test_the_chain_of_the_installation(keystone: Keystone) -> None:
    found = (await keystone.admin.get("keystone", "/v3/role_inferences")).json()["role_inferences"]
    assert {one["prior_role"]["name"]: ids(one) for one in found} == {
        "admin": ["manager"], "manager": ["member"], "member": ["reader"],
    }  # fmt: skip


async def test_nobody_becomes_admin_by_implication(keystone: Keystone) -> None:
    path = f"/v3/roles/{keystone.id('role', 'member')}/implies/{keystone.id('role', 'admin')}"
    assert error_of(await keystone.admin.put("keystone", path))[0] == 403


async def test_a_loop_is_harmless(keystone: Keystone) -> None:
    path = f"/v3/roles/{keystone.id('role', 'reader')}/implies/{keystone.id('role', 'member')}"
    assert (await keystone.admin.put("keystone", path)).status == 201
    token = (await keystone.login("demo-reader", project("demo"))).json()["token"]
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_unknown_roles_are_not_found(keystone: Keystone, method: str) -> None:
    known = keystone.id("role", "reader")
    for path in (f"/v3/roles/unknown/implies/{known}", f"/v3/roles/{known}/implies/unknown"):
        assert (await keystone.admin.request("keystone", method, path)).status == 404


async def test_a_deleted_role_leaves_nothing_behind(keystone: Keystone) -> None:
    role = await keystone.made("role", name="auditor")
    grant = f"/v3/projects/{keystone.id('project', 'demo')}/users/{keystone.member.user_id}/roles/{role['id']}"
    assert (await keystone.admin.put("keystone", grant)).status == 204
    assert (await keystone.admin.put("keystone", f"/v3/roles/{role['id']}/implies/{keystone.id('role', 'reader')}")).status == 201
    assert (await keystone.admin.delete("keystone", f"/v3/roles/{role['id']}")).status == 204
    listed = (await keystone.admin.get("keystone", "/v3/role_assignments")).json()["role_assignments"]
    assert role["id"] not in {one["role"]["id"] for one in listed}
    assert len((await keystone.admin.get("keystone", "/v3/role_inferences")).json()["role_inferences"]) == 3
