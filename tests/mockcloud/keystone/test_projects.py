"""Projects, their tree and their tags."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of


async def test_a_project_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    made = await keystone.made("project", name="lab", description="a place", colour="red")
    assert made["parent_id"] == made["domain_id"] == "default"
    assert (made["enabled"], made["is_domain"], made["tags"], made["options"], made["colour"]) == (True, False, [], {}, "red")
    path = f"/v3/projects/{made['id']}"
    assert (await keystone.admin.get("keystone", path)).json()["project"] == made
    assert (await keystone.admin.get("keystone", "/v3/projects?name=lab")).json()["projects"] == [made]
    changed = await keystone.admin.patch("keystone", path, json={"project": {"description": None, "name": "labor"}})
    assert changed.json()["project"] == made | {"description": "", "name": "labor"}
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.get("keystone", path)) == (404, f"Could not find project: {made['id']}.")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "  "}, 400),
        ({"name": "x" * 65}, 400),
        ({"name": 5}, 400),
        ({"name": "p", "enabled": "yes"}, 400),
        ({"name": "p", "domain_id": "nowhere"}, 400),
        ({"name": "p", "domain_id": 5}, 400),
        ({"name": "p", "parent_id": "nowhere"}, 400),
        ({"name": "p", "tags": "a"}, 400),
        ({"name": "p", "tags": ["a,b"]}, 400),
        ({"name": "p", "tags": ["a", "a"]}, 400),
        ({"name": "p", "tags": [str(n) for n in range(81)]}, 400),
        ({"name": "p", "description": 5}, 400),
        ({"name": "demo"}, 409),
    ],
)
async def test_a_bad_project_is_refused_and_not_made(keystone: Keystone, given: Any, status: int) -> None:
    before = (await keystone.admin.get("keystone", "/v3/projects")).json()["projects"]
    assert error_of(await keystone.admin.post("keystone", "/v3/projects", json={"project": given}))[0] == status
    assert (await keystone.admin.get("keystone", "/v3/projects")).json()["projects"] == before


async def test_a_member_sees_his_own_project_only(keystone: Keystone) -> None:
    own, other = keystone.id("project", "demo"), keystone.id("project", "other")
    assert (await keystone.member.get("keystone", f"/v3/projects/{own}")).status == 200
    for id_ in (other, "unknown"):
        assert error_of(await keystone.member.get("keystone", f"/v3/projects/{id_}"))[0] == 403
    assert error_of(await keystone.member.get("keystone", "/v3/projects"))[0] == 403
    assert error_of(await keystone.member.patch("keystone", f"/v3/projects/{own}", json={"project": {"name": "x"}}))[0] == 403
    assert error_of(await keystone.member.delete("keystone", f"/v3/projects/{own}"))[0] == 403
    assert error_of(await keystone.member.post("keystone", "/v3/projects", json={"project": {"name": "x"}}))[0] == 403


async def tree(keystone: Keystone) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    top = await keystone.made("project", name="top")
    middle = await keystone.made("project", name="middle", parent_id=top["id"])
    return top, middle, await keystone.made("project", name="leaf", parent_id=middle["id"])


async def test_a_tree_is_shown_by_ids(keystone: Keystone) -> None:
    top, middle, leaf = await tree(keystone)
    shown = (await keystone.admin.get("keystone", f"/v3/projects/{leaf['id']}?parents_as_ids")).json()["project"]
    assert shown["parents"] == {middle["id"]: {top["id"]: {"default": None}}}
    shown = (await keystone.admin.get("keystone", f"/v3/projects/{top['id']}?subtree_as_ids=1")).json()["project"]
    assert shown["subtree"] == {middle["id"]: {leaf["id"]: None}}


async def test_a_tree_as_a_list_shows_where_the_caller_has_a_role(keystone: Keystone) -> None:
    top, middle, leaf = await tree(keystone)
    await keystone.grant(keystone.id("user", "admin"), middle["id"], "reader")
    shown = (await keystone.admin.get("keystone", f"/v3/projects/{top['id']}?subtree_as_list")).json()["project"]
    assert [found["project"]["id"] for found in shown["subtree"]] == [middle["id"]]
    shown = (await keystone.admin.get("keystone", f"/v3/projects/{leaf['id']}?parents_as_list")).json()["project"]
    assert [found["project"]["id"] for found in shown["parents"]] == [middle["id"]]


@pytest.mark.parametrize("kind", ["parents", "subtree"])
async def test_list_and_ids_exclude_each_other(keystone: Keystone, kind: str) -> None:
    path = f"/v3/projects/{keystone.id('project', 'demo')}?{kind}_as_list&{kind}_as_ids"
    assert error_of(await keystone.admin.get("keystone", path))[0] == 400


async def test_the_tree_holds_together(keystone: Keystone) -> None:
    top, middle, leaf = await tree(keystone)
    patch, delete = keystone.admin.patch, keystone.admin.delete
    assert error_of(await delete("keystone", f"/v3/projects/{top['id']}"))[0] == 403
    assert error_of(await patch("keystone", f"/v3/projects/{top['id']}", json={"project": {"enabled": False}}))[0] == 403
    move = {"project": {"parent_id": top["id"]}}
    assert error_of(await patch("keystone", f"/v3/projects/{leaf['id']}", json=move)) == (403, "Update of `parent_id` is not allowed.")
    for one in (leaf, middle, top):
        assert (await patch("keystone", f"/v3/projects/{one['id']}", json={"project": {"enabled": False}})).status == 200
    under = {"project": {"name": "late", "parent_id": leaf["id"]}}
    assert error_of(await keystone.admin.post("keystone", "/v3/projects", json=under))[0] == 400


async def test_a_tree_has_a_height(keystone: Keystone) -> None:
    parent = "default"
    for depth in range(5):
        parent = (await keystone.made("project", name=f"level{depth}", parent_id=parent))["id"]
    deeper = {"project": {"name": "too-deep", "parent_id": parent}}
    assert error_of(await keystone.admin.post("keystone", "/v3/projects", json=deeper)) == (
        403,
        f"Max hierarchy depth reached for {parent} branch.",
    )


async def test_a_parent_of_another_domain_is_refused(keystone: Keystone) -> None:
    domain = await keystone.made("domain", name="elsewhere")
    for parent in (keystone.id("project", "demo"), "default"):
        wish = {"project": {"name": "p", "domain_id": domain["id"], "parent_id": parent}}
        assert error_of(await keystone.admin.post("keystone", "/v3/projects", json=wish))[0] == 400


async def test_a_domain_is_a_project_too(keystone: Keystone) -> None:
    (found,) = (await keystone.admin.get("keystone", "/v3/projects?is_domain=true")).json()["projects"]
    assert (found["id"], found["name"], found["is_domain"], found["parent_id"]) == ("default", "Default", True, None)
    assert (await keystone.admin.get("keystone", "/v3/projects/default")).json()["project"] == found
    assert error_of(await keystone.member.get("keystone", "/v3/projects/default"))[0] == 403
    plain = (await keystone.admin.get("keystone", "/v3/projects?is_domain=false")).json()["projects"]
    assert plain == (await keystone.admin.get("keystone", "/v3/projects")).json()["projects"]


async def test_an_inherited_role_reaches_the_whole_tree(keystone: Keystone) -> None:
    top, _, leaf = await tree(keystone)
    role = keystone.id("role", "reader")
    path = f"/v3/OS-INHERIT/projects/{top['id']}/users/{keystone.member.user_id}/roles/{role}/inherited_to_projects"
    assert (await keystone.admin.put("keystone", path)).status == 204
    assert (await keystone.login("demo", {"project": {"id": leaf["id"]}})).status == 201
    assert (await keystone.login("demo", {"project": {"id": top["id"]}})).status == 401
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert (await keystone.login("demo", {"project": {"id": leaf["id"]}})).status == 401


# tags


async def test_tags_are_added_listed_replaced_and_removed(keystone: Keystone) -> None:
    path = f"/v3/projects/{keystone.id('project', 'demo')}/tags"
    admin = keystone.admin
    added = await admin.put("keystone", f"{path}/blue")
    assert (added.status, added.headers["location"]) == (201, keystone.cloud.urls["keystone"] + f"{path}/blue")
    assert (await admin.get("keystone", path)).json()["tags"] == ["blue"]
    assert (await admin.get("keystone", f"{path}/blue")).status == 204
    assert error_of(await admin.get("keystone", f"{path}/red"))[0] == 404
    assert (await admin.put("keystone", path, json={"tags": ["a", "b"]})).json()["tags"] == ["a", "b"]
    assert (await admin.delete("keystone", f"{path}/a")).status == 204
    assert error_of(await admin.delete("keystone", f"{path}/a")) == (404, "Could not find project tag: a.")
    assert (await admin.delete("keystone", path)).status == 204
    assert (await admin.get("keystone", path)).json()["tags"] == []


async def test_a_member_reads_his_project_s_tags_only(keystone: Keystone) -> None:
    own, other = (f"/v3/projects/{keystone.id('project', name)}/tags" for name in ("demo", "other"))
    await keystone.admin.put("keystone", f"{own}/blue")
    assert (await keystone.member.get("keystone", own)).status == 200
    assert (await keystone.member.get("keystone", f"{own}/blue")).status == 204
    for path in (other, f"{other}/blue", "/v3/projects/unknown/tags"):
        assert error_of(await keystone.member.get("keystone", path))[0] == 403
    for method, path, body in (
        ("PUT", own, {"tags": []}),
        ("DELETE", own, None),
        ("PUT", f"{own}/x", None),
        ("DELETE", f"{own}/blue", None),
    ):
        assert error_of(await keystone.member.request("keystone", method, path, json=body))[0] == 403
    assert error_of(await keystone.admin.get("keystone", "/v3/projects/unknown/tags"))[0] == 404


@pytest.mark.parametrize("body", [{}, {"tags": "a"}, {"tags": [1]}, {"tags": ["a/b"]}, {"tags": [""]}, {"tags": ["x" * 256]}])
async def test_bad_tags_are_refused(keystone: Keystone, body: Any) -> None:
    path = f"/v3/projects/{keystone.id('project', 'demo')}/tags"
    assert error_of(await keystone.admin.put("keystone", path, json=body))[0] == 400
    assert error_of(await keystone.admin.put("keystone", f"{path}/{'x' * 256}"))[0] == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tags=a", {"one", "both"}),
        ("tags=a,b", {"both"}),
        ("tags-any=a,b", {"one", "both"}),
        ("not-tags=a,b&name__contains=o", {"one", "none", "demo", "other"}),
        ("not-tags-any=a&name__contains=on", {"none"}),
    ],
)
async def test_projects_are_found_by_tags(keystone: Keystone, query: str, names: set[str]) -> None:
    await keystone.made("project", name="one", tags=["a"])
    await keystone.made("project", name="both", tags=["a", "b"])
    await keystone.made("project", name="none")
    found = (await keystone.admin.get("keystone", f"/v3/projects?{query}")).json()["projects"]
    assert {one["name"] for one in found} == names
