"""Domains: made, disabled, and taking everything with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of, token_of


async def test_a_domain_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    made = await keystone.made("domain", name="elsewhere")
    path = f"/v3/domains/{made['id']}"
    assert (await keystone.admin.get("keystone", path)).json()["domain"] == made
    assert (await keystone.admin.get("keystone", "/v3/domains?name=elsewhere")).json()["domains"] == [made]
    changed = await keystone.admin.patch("keystone", path, json={"domain": {"name": "somewhere", "enabled": False}})
    assert changed.json()["domain"] == made | {"name": "somewhere", "enabled": False}
    assert (await keystone.admin.get("keystone", "/v3/domains?enabled=false")).json()["domains"] == [changed.json()["domain"]]
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.get("keystone", path)) == (404, f"Could not find domain: {made['id']}.")


@pytest.mark.parametrize("given", [{}, {"name": ""}, {"name": "x" * 65}, {"name": 5}, {"name": "d", "enabled": "yes"}])
async def test_a_bad_domain_is_a_bad_request(keystone: Keystone, given: Any) -> None:
    assert error_of(await keystone.admin.post("keystone", "/v3/domains", json={"domain": given}))[0] == 400
    assert len((await keystone.admin.get("keystone", "/v3/domains")).json()["domains"]) == 1


async def test_a_name_is_unique(keystone: Keystone) -> None:
    assert error_of(await keystone.admin.post("keystone", "/v3/domains", json={"domain": {"name": "Default"}})) == (
        409,
        "Conflict occurred attempting to store domain - it is not permitted to have two projects acting as domains with the same name: "
        "Default.",
    )


async def test_an_enabled_domain_is_not_deleted(keystone: Keystone) -> None:
    made = await keystone.made("domain", name="elsewhere")
    assert error_of(await keystone.admin.delete("keystone", f"/v3/domains/{made['id']}")) == (
        403,
        "Cannot delete a domain that is enabled, please disable it first.",
    )


async def test_a_domain_takes_everything_with_it(keystone: Keystone) -> None:
    domain = await keystone.made("domain", name="elsewhere")
    user = await keystone.made("user", name="eve", password="secret", domain_id=domain["id"])
    home = await keystone.made("project", name="home", domain_id=domain["id"])
    crew = await keystone.made("group", name="crew", domain_id=domain["id"])
    assert (await keystone.admin.put("keystone", f"/v3/groups/{crew['id']}/users/{user['id']}")).status == 204
    await keystone.grant(user["id"], home["id"], "member")
    await keystone.grant(user["id"], keystone.id("project", "demo"), "member")
    foreign = {"project": {"id": keystone.id("project", "demo")}}
    token = token_of(await keystone.login("eve", foreign, domain={"id": domain["id"]}))
    before = (await keystone.admin.get("keystone", "/v3/role_assignments")).json()["role_assignments"]
    assert (await keystone.admin.patch("keystone", f"/v3/domains/{domain['id']}", json={"domain": {"enabled": False}})).status == 200
    assert (await keystone.admin.delete("keystone", f"/v3/domains/{domain['id']}")).status == 204
    assert (await keystone.validate(token)).status == 404
    for kind, id_ in (("user", user["id"]), ("project", home["id"]), ("group", crew["id"])):
        assert error_of(await keystone.admin.get("keystone", f"/v3/{kind}s/{id_}"))[0] == 404
    after = (await keystone.admin.get("keystone", "/v3/role_assignments")).json()["role_assignments"]
    assert len(after) == len(before) - 2


async def test_a_member_sees_the_domain_of_his_project(keystone: Keystone) -> None:
    other = await keystone.made("domain", name="elsewhere")
    assert (await keystone.member.get("keystone", "/v3/domains/default")).status == 200
    for id_ in (other["id"], "unknown"):
        assert error_of(await keystone.member.get("keystone", f"/v3/domains/{id_}"))[0] == 403
    for method, path, body in (
        ("GET", "/v3/domains", None), ("POST", "/v3/domains", {"domain": {"name": "x"}}),
        ("PATCH", "/v3/domains/default", {"domain": {"name": "x"}}), ("DELETE", "/v3/domains/default", None),
    ):  # fmt: skip
        assert error_of(await keystone.member.request("keystone", method, path, json=body))[0] == 403
