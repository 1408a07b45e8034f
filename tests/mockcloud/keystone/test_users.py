"""Users: made, found, changed, and changing their own password."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of, project, token_of


async def test_a_user_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    user = await keystone.made("user", name="eve", password="secret", email="eve@example.org", description="curious")
    assert user["links"]["self"].endswith(f"/v3/users/{user['id']}")
    assert (user["domain_id"], user["enabled"], user["email"], user["options"]) == ("default", True, "eve@example.org", {})
    assert user["password_expires_at"] is None
    assert "password" not in user
    path = f"/v3/users/{user['id']}"
    assert (await keystone.admin.get("keystone", path)).json()["user"] == user
    listed = (await keystone.admin.get("keystone", "/v3/users", params={"name": "eve"})).json()
    assert listed["users"] == [user]
    changed = await keystone.admin.patch("keystone", path, json={"user": {"name": "eva", "email": "eva@example.org"}})
    assert changed.json()["user"] == user | {"name": "eva", "email": "eva@example.org"}
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.get("keystone", path)) == (404, f"Could not find user: {user['id']}.")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 256},
        {"name": 5},
        {"name": None},
        {"name": "eve", "enabled": "yes"},
        {"name": "eve", "password": 5},
        {"name": "eve", "domain_id": "with space"},
        {"name": "eve", "domain_id": None},
        {"name": "eve", "default_project_id": 5},
        {"name": "eve", "default_project_id": "default"},
        {"name": "eve", "options": []},
    ],
)
async def test_a_bad_user_is_a_bad_request_and_is_not_made(keystone: Keystone, given: Any) -> None:
    before = (await keystone.admin.get("keystone", "/v3/users")).json()["users"]
    assert error_of(await keystone.admin.post("keystone", "/v3/users", json={"user": given}))[0] == 400
    assert (await keystone.admin.get("keystone", "/v3/users")).json()["users"] == before


@pytest.mark.parametrize("body", [{}, {"user": []}, {"user": {"name": "a"}, "more": 1}, [], 5])
async def test_a_body_of_another_form_is_a_bad_request(keystone: Keystone, body: Any) -> None:
    assert error_of(await keystone.admin.post("keystone", "/v3/users", json=body))[0] == 400


async def test_a_name_is_unique_in_its_domain(keystone: Keystone) -> None:
    again = await keystone.admin.post("keystone", "/v3/users", json={"user": {"name": "demo"}})
    assert error_of(again) == (
        409,
        "Conflict occurred attempting to store user - Duplicate entry found with name demo at domain ID default.",
    )
    domain = await keystone.made("domain", name="elsewhere")
    other = await keystone.made("user", name="demo", domain_id=domain["id"])
    rename = await keystone.admin.patch("keystone", f"/v3/users/{keystone.id('user', 'stranger')}", json={"user": {"name": "demo"}})
    assert error_of(rename)[0] == 409
    assert other["domain_id"] == domain["id"]


async def test_a_user_needs_a_domain_that_is_there(keystone: Keystone) -> None:
    answer = await keystone.admin.post("keystone", "/v3/users", json={"user": {"name": "eve", "domain_id": "nowhere"}})
    assert error_of(answer) == (404, "Could not find domain: nowhere.")


@pytest.mark.parametrize(
    ("change", "message"), [({"id": "other"}, "Cannot change ID"), ({"domain_id": "other"}, "Cannot change Domain ID"), ({}, None)]
)
async def test_id_and_domain_stay(keystone: Keystone, change: Any, message: str | None) -> None:
    answer = await keystone.admin.patch("keystone", f"/v3/users/{keystone.id('user', 'demo')}", json={"user": change})
    assert error_of(answer)[0] == 400
    assert message in (None, error_of(answer)[1])


async def test_an_own_id_is_not_taken(keystone: Keystone) -> None:
    assert (await keystone.made("user", name="eve", id="chosen"))["id"] != "chosen"


async def test_who_may_not_hears_403_whether_it_is_there_or_not(keystone: Keystone) -> None:
    for id_ in (keystone.id("user", "admin"), "unknown"):
        for method, body in (("GET", None), ("PATCH", {"user": {"name": "x"}}), ("DELETE", None)):
            assert error_of(await keystone.member.request("keystone", method, f"/v3/users/{id_}", json=body))[0] == 403
    assert error_of(await keystone.member.get("keystone", "/v3/users")) == (
        403,
        "You are not authorized to perform the requested action: identity:list_users.",
    )
    assert error_of(await keystone.member.post("keystone", "/v3/users", json={"user": {"name": "eve"}}))[0] == 403
    for method, body in (("GET", None), ("PATCH", {"user": {"name": "x"}}), ("DELETE", None)):
        answer = await keystone.admin.request("keystone", method, "/v3/users/unknown", json=body)
        assert error_of(answer) == (404, "Could not find user: unknown.")


async def test_everybody_may_see_himself(keystone: Keystone) -> None:
    shown = await keystone.member.get("keystone", f"/v3/users/{keystone.member.user_id}")
    assert shown.json()["user"]["name"] == "demo"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=demo", {"demo"}),
        ("name=Demo", set()),
        ("name__contains=emo", {"demo", "demo-reader"}),
        ("name__startswith=demo-", {"demo-reader"}),
        ("name__endswith=ova", {"nova"}),
        ("name__icontains=DEMO", {"demo", "demo-reader"}),
        ("name__contains=%", set()),
        ("enabled=false", {"off"}),
        ("enabled=0&name=off", {"off"}),
        ("domain_id=nowhere", set()),
        ("name=demo&unknown=1", {"demo"}),
    ],
)
async def test_filters(keystone: Keystone, query: str, names: set[str]) -> None:
    await keystone.made("user", name="off", enabled=False)
    answer = await keystone.admin.get("keystone", f"/v3/users?{query}")
    assert {user["name"] for user in answer.json()["users"]} == names


async def test_pages_lead_through_the_whole_list(keystone: Keystone) -> None:
    everybody = {user["id"] for user in (await keystone.admin.get("keystone", "/v3/users")).json()["users"]}
    seen: list[str] = []
    path = "/v3/users?limit=4&enabled=true"
    while path:
        page = (await keystone.admin.get("keystone", path)).json()
        assert len(page["users"]) <= 4
        assert page.get("truncated", False) is (page["links"]["next"] is not None)
        seen += [user["id"] for user in page["users"]]
        path = page["links"]["next"].removeprefix(keystone.cloud.urls["keystone"]) if page["links"]["next"] else ""
    assert len(seen) == len(set(seen))
    assert set(seen) == everybody


@pytest.mark.parametrize(("query", "status"), [("limit=x", 400), ("limit=-1", 400), ("marker=unknown", 404), ("enabled=perhaps", 400)])
async def test_bad_queries(keystone: Keystone, query: str, status: int) -> None:
    assert error_of(await keystone.admin.get("keystone", f"/v3/users?{query}"))[0] == status


# passwords


async def change(keystone: Keystone, user: str, body: Any) -> Any:
    return await keystone.nobody.post("keystone", f"/v3/users/{user}/password", json={"user": body})


async def test_a_wrong_old_password_and_an_unknown_user_look_the_same(keystone: Keystone) -> None:
    body = {"original_password": "wrong", "password": "new"}
    one, other = await change(keystone, keystone.id("user", "demo"), body), await change(keystone, "unknown", body)
    assert error_of(one) == error_of(other) == (401, "The request you have made requires authentication.")
    assert (await keystone.login("demo", project("demo"))).status == 201


@pytest.mark.parametrize(
    "body", [{}, {"password": "new"}, {"original_password": "secret"}, {"original_password": "secret", "password": 5},
             {"original_password": "secret", "password": "new", "more": 1}]
)  # fmt: skip
async def test_half_a_change_of_password_is_a_bad_request(keystone: Keystone, body: Any) -> None:
    assert error_of(await change(keystone, keystone.id("user", "demo"), body))[0] == 400
    assert (await keystone.login("demo", project("demo"))).status == 201


async def test_a_disabled_user_changes_no_password(keystone: Keystone) -> None:
    user = await keystone.made("user", name="off", enabled=False, password="secret")
    assert error_of(await change(keystone, user["id"], {"original_password": "secret", "password": "new"}))[0] == 401


async def test_a_user_without_a_password_cannot_log_in(keystone: Keystone) -> None:
    await keystone.made("user", name="eve")
    for password in ("", "secret"):
        assert error_of(await keystone.login("eve", password=password))[0] == 401


# what a user has


async def test_the_groups_and_projects_of_a_user(keystone: Keystone) -> None:
    group = await keystone.made("group", name="crew")
    assert (await keystone.admin.put("keystone", f"/v3/groups/{group['id']}/users/{keystone.member.user_id}")).status == 204
    for who in (keystone.admin, keystone.member):
        groups = (await who.get("keystone", f"/v3/users/{keystone.member.user_id}/groups")).json()
        assert [found["name"] for found in groups["groups"]] == ["crew"]
        projects = (await who.get("keystone", f"/v3/users/{keystone.member.user_id}/projects")).json()
        assert [found["name"] for found in projects["projects"]] == ["demo"]
    for what in ("groups", "projects"):
        assert error_of(await keystone.stranger.get("keystone", f"/v3/users/{keystone.member.user_id}/{what}"))[0] == 403
        assert error_of(await keystone.admin.get("keystone", f"/v3/users/unknown/{what}"))[0] == 404


# a domain's own people


async def test_a_domain_manager_manages_his_domain_and_no_other(keystone: Keystone) -> None:
    domain = await keystone.made("domain", name="elsewhere")
    boss = await keystone.made("user", name="boss", password="secret", domain_id=domain["id"])
    path = f"/v3/domains/{domain['id']}/users/{boss['id']}/roles/{keystone.id('role', 'manager')}"
    assert (await keystone.admin.put("keystone", path)).status == 204
    where = {"id": domain["id"]}
    manager = keystone.as_token(token_of(await keystone.login("boss", {"domain": where}, domain=where)))
    made = await manager.post("keystone", "/v3/users", json={"user": {"name": "worker"}})
    assert made.status == 201
    assert made.json()["user"]["domain_id"] == domain["id"]
    assert {user["name"] for user in (await manager.get("keystone", "/v3/users")).json()["users"]} == {"boss", "worker"}
    assert (await manager.delete("keystone", f"/v3/users/{made.json()['user']['id']}")).status == 204
    foreign = await manager.post("keystone", "/v3/users", json={"user": {"name": "worker", "domain_id": "default"}})
    assert error_of(foreign)[0] == 403
    assert error_of(await manager.get("keystone", f"/v3/users/{keystone.member.user_id}"))[0] == 403
    project_made = await manager.post("keystone", "/v3/projects", json={"project": {"name": "home"}})
    assert project_made.json()["project"]["domain_id"] == domain["id"]
    grant = f"/v3/projects/{project_made.json()['project']['id']}/users/{boss['id']}/roles"
    assert (await manager.put("keystone", f"{grant}/{keystone.id('role', 'member')}")).status == 204
    assert error_of(await manager.put("keystone", f"{grant}/{keystone.id('role', 'admin')}"))[0] == 403


async def test_a_system_reader_sees_all_and_changes_nothing(keystone: Keystone) -> None:
    auditor = await keystone.made("user", name="auditor", password="secret")
    path = f"/v3/system/users/{auditor['id']}/roles/{keystone.id('role', 'reader')}"
    assert (await keystone.admin.put("keystone", path)).status == 204
    reader = keystone.as_token(token_of(await keystone.login("auditor", {"system": {"all": True}})))
    for what in ("users", "projects", "groups", "domains", "roles", "services", "endpoints", "regions", "role_assignments"):
        assert (await reader.get("keystone", f"/v3/{what}")).status == 200, what
    assert error_of(await reader.post("keystone", "/v3/users", json={"user": {"name": "x"}}))[0] == 403
    assert error_of(await reader.delete("keystone", f"/v3/users/{keystone.member.user_id}"))[0] == 403
