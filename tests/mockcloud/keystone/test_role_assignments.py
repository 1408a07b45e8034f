"""Who has which role where: given, taken, and listed as it was given or as it comes out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of, token_of

PLACES = [
    "/v3/projects/{project}/users/{user}/roles",
    "/v3/projects/{project}/groups/{group}/roles",
    "/v3/domains/default/users/{user}/roles",
    "/v3/domains/default/groups/{group}/roles",
    "/v3/system/users/{user}/roles",
    "/v3/system/groups/{group}/roles",
]
INHERITED = ["/v3/OS-INHERIT" + place.removeprefix("/v3") for place in PLACES[:4]]


async def names(keystone: Keystone) -> dict[str, str]:
    crew = await keystone.made("group", name="crew")
    return {"project": keystone.id("project", "other"), "user": keystone.id("user", "demo"), "group": crew["id"]}


@pytest.mark.parametrize("place", PLACES + INHERITED)
async def test_a_role_is_given_checked_listed_and_taken(keystone: Keystone, place: str) -> None:
    known = await names(keystone)
    end = "/inherited_to_projects" if "OS-INHERIT" in place else ""
    path = place.format(**known) + f"/{keystone.id('role', 'reader')}{end}"
    admin = keystone.admin
    assert error_of(await admin.get("keystone", path))[0] == 404
    for _ in range(2):  # again is no mistake
        assert (await admin.put("keystone", path)).status == 204
    for method in ("GET", "HEAD"):
        assert (await admin.request("keystone", method, path)).status == 204
    if "OS-INHERIT/projects" not in place:
        listed = (await admin.get("keystone", place.format(**known) + end)).json()
        assert [role["name"] for role in listed["roles"]] == ["reader"]
    assert (await admin.delete("keystone", path)).status == 204
    assert error_of(await admin.delete("keystone", path))[0] == 404


@pytest.mark.parametrize("place", PLACES + INHERITED)
async def test_unknown_things_are_not_found_and_members_kept_out(keystone: Keystone, place: str) -> None:
    known = await names(keystone)
    end = "/inherited_to_projects" if "OS-INHERIT" in place else ""
    role = keystone.id("role", "reader")
    paths = [place.format(**known | {name: "unknown"}) + f"/{role}{end}" for name in known if "{" + name + "}" in place]
    paths.append(place.format(**known) + f"/unknown{end}")
    for path in paths:
        for method in ("GET", "PUT", "DELETE"):
            assert error_of(await keystone.admin.request("keystone", method, path))[0] == 404
            assert error_of(await keystone.member.request("keystone", method, path))[0] == 403
    for method in ("GET", "PUT", "DELETE"):
        own = place.format(**known) + f"/{keystone.id('role', 'admin')}{end}"
        assert error_of(await keystone.member.request("keystone", method, own))[0] == 403


async def listed(keystone: Keystone, query: str) -> list[dict[str, Any]]:
    answer = await keystone.admin.get("keystone", f"/v3/role_assignments?{query}")
    assert answer.status == 200, answer.message()
    return answer.json()["role_assignments"]  # type: ignore[no-any-return]


async def test_a_direct_assignment_as_it_was_given(keystone: Keystone) -> None:
    user, home, role = keystone.id("user", "demo"), keystone.id("project", "demo"), keystone.id("role", "member")
    path = f"{keystone.cloud.urls['keystone']}/v3/projects/{home}/users/{user}/roles/{role}"
    assert await listed(keystone, f"user.id={user}") == [
        {"user": {"id": user}, "scope": {"project": {"id": home}}, "role": {"id": role}, "links": {"assignment": path}}
    ]


async def test_names_on_demand(keystone: Keystone) -> None:
    (found,) = await listed(keystone, f"user.id={keystone.id('user', 'demo')}&include_names")
    domain = {"id": "default", "name": "Default"}
    assert found["user"] == {"id": keystone.id("user", "demo"), "name": "demo", "domain": domain}
    assert found["scope"]["project"] == {"id": keystone.id("project", "demo"), "name": "demo", "domain": domain}
    assert found["role"]["name"] == "member"


async def test_the_filters_find_each_kind(keystone: Keystone) -> None:
    known = await names(keystone)
    role = keystone.id("role", "reader")
    for place in PLACES:
        assert (await keystone.admin.put("keystone", place.format(**known) + f"/{role}")).status == 204
    assert len(await listed(keystone, f"group.id={known['group']}")) == 3
    assert len(await listed(keystone, f"user.id={known['user']}&role.id={role}")) == 3
    assert len(await listed(keystone, f"scope.project.id={known['project']}&role.id={role}")) == 2
    assert len(await listed(keystone, "scope.domain.id=default")) == 2
    assert {one["scope"]["system"]["all"] for one in await listed(keystone, "scope.system=all")} == {True}
    assert await listed(keystone, "user.id=unknown") == []


async def test_what_comes_out_through_group_inheritance_and_implication(keystone: Keystone) -> None:
    known = await names(keystone)
    assert (await keystone.admin.put("keystone", f"/v3/groups/{known['group']}/users/{known['user']}")).status == 204
    path = f"/v3/OS-INHERIT/domains/default/groups/{known['group']}/roles/{keystone.id('role', 'member')}/inherited_to_projects"
    assert (await keystone.admin.put("keystone", path)).status == 204
    found = await listed(keystone, f"user.id={known['user']}&scope.project.id={known['project']}&effective&include_names=1")
    assert {one["role"]["name"] for one in found} == {"member", "reader"}
    for one in found:
        assert one["user"]["name"] == "demo"
        assert one["scope"]["OS-INHERIT:inherited_to"] == "projects"
        assert one["links"]["assignment"].endswith(path.removeprefix("/v3"))
        assert one["links"]["membership"].endswith(f"/groups/{known['group']}/users/{known['user']}")
        assert ("prior_role" in one["links"]) is (one["role"]["name"] == "reader")
    assert "group" not in str([sorted(one) for one in await listed(keystone, "effective")])
    shown = await listed(keystone, f"group.id={known['group']}&scope.OS-INHERIT:inherited_to=projects")
    assert [one["scope"] for one in shown] == [{"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}]


async def test_a_subtree(keystone: Keystone) -> None:
    child = await keystone.made("project", name="child", parent_id=keystone.id("project", "demo"))
    await keystone.grant(keystone.id("user", "stranger"), child["id"], "reader")
    found = await listed(keystone, f"scope.project.id={keystone.id('project', 'demo')}&include_subtree=true")
    assert child["id"] in {one["scope"]["project"]["id"] for one in found}
    assert keystone.id("project", "other") not in {one["scope"]["project"]["id"] for one in found}


@pytest.mark.parametrize(
    "query",
    [
        "scope.domain.id=a&scope.project.id=b",
        "scope.domain.id=a&scope.system=all",
        "scope.project.id=a&scope.system=all",
        "user.id=a&group.id=b",
        "effective&group.id=a",
        "effective&scope.domain.id=a&scope.OS-INHERIT:inherited_to=projects",
        "include_subtree",
    ],
)
async def test_what_cannot_be_asked_together(keystone: Keystone, query: str) -> None:
    assert error_of(await keystone.admin.get("keystone", f"/v3/role_assignments?{query}"))[0] == 400


async def test_the_list_is_not_for_members(keystone: Keystone) -> None:
    assert error_of(await keystone.member.get("keystone", "/v3/role_assignments"))[0] == 403


async def test_a_domain_s_reader_sees_his_domain(keystone: Keystone) -> None:
    path = f"/v3/domains/default/users/{keystone.id('user', 'demo')}/roles/{keystone.id('role', 'reader')}"
    assert (await keystone.admin.put("keystone", path)).status == 204
    domain = await keystone.made("domain", name="elsewhere")
    home = await keystone.made("project", name="home", domain_id=domain["id"])
    await keystone.grant(keystone.id("user", "stranger"), home["id"], "reader")
    reader = keystone.as_token(token_of(await keystone.login("demo", {"domain": {"id": "default"}})))
    found = (await reader.get("keystone", "/v3/role_assignments")).json()["role_assignments"]
    assert found
    assert home["id"] not in str(found)
    assert "system" not in {kind for one in found for kind in one["scope"]}
