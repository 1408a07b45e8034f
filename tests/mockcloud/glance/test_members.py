"""Sharing: the owner adds, the member accepts, nobody else knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.glance.conftest import Glance, refusal


@pytest.fixture
async def shared(member: Glance, stranger: Glance) -> str:
    """The path of an image that the stranger's project is a member of."""
    path = f"/images/{(await member.image(b'data'))['id']}"
    answer = await member.request("POST", f"{path}/members", {"member": stranger.project_id})
    assert answer.status == 200
    return path


async def test_a_new_member_is_pending_and_sees_the_image(member: Glance, stranger: Glance, shared: str) -> None:
    found = await member.get(f"{shared}/members")
    assert found["schema"] == "/v2/schemas/members"
    (one,) = found["members"]
    assert {name: one[name] for name in ("member_id", "image_id", "status", "schema")} == {
        "member_id": stranger.project_id, "image_id": shared.rsplit("/", 1)[1], "status": "pending", "schema": "/v2/schemas/member",
    }  # fmt: skip
    assert await member.get(f"{shared}/members/{stranger.project_id}") == one
    assert await stranger.get(f"{shared}/members/{stranger.project_id}") == one
    assert (await stranger.request("GET", f"{shared}/file")).content == b"data"


async def test_only_the_member_itself_accepts(member: Glance, stranger: Glance, shared: str) -> None:
    path = f"{shared}/members/{stranger.project_id}"
    said = (403, "You are not authorized to complete modify_member action.")
    assert refusal(await member.request("PUT", path, {"status": "accepted"})) == said
    for status in ("accepted", "rejected", "pending"):
        answer = await stranger.request("PUT", path, {"status": status})
        assert (answer.status, answer.json()["status"]) == (200, status)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"status": "maybe"}, 'Incorrect request: Status must be "pending", "accepted" or "rejected".'),
        ({"status": ["accepted"]}, 'Incorrect request: Status must be "pending", "accepted" or "rejected".'),
        ({}, "Status not specified"),
        ([], 'Expected a status in the form: {"status": "status"}'),
    ],
)
async def test_a_member_cannot_answer_anything_else(stranger: Glance, shared: str, body: Any, sentence: str) -> None:
    path = f"{shared}/members/{stranger.project_id}"
    assert refusal(await stranger.request("PUT", path, body)) == (400, sentence)
    assert (await stranger.get(path))["status"] == "pending"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Member to be added not specified"),
        ({"member": ""}, "Member can't be empty"),
        ([], 'Expected a member in the form: {"member": "image_id"}'),
        ({"member": "x" * 256}, "Invalid value "),
        ({"member": {"id": 5}}, "Invalid value "),
    ],
)
async def test_a_member_must_be_a_project(member: Glance, shared: str, body: Any, sentence: str) -> None:
    status, message = refusal(await member.request("POST", f"{shared}/members", body))
    assert status == 400
    assert message.startswith(sentence)
    assert len((await member.get(f"{shared}/members"))["members"]) == 1


async def test_a_member_is_added_once(member: Glance, stranger: Glance, shared: str) -> None:
    said = f"Member {stranger.project_id} is duplicated for image {shared.rsplit('/', 1)[1]}"
    assert refusal(await member.request("POST", f"{shared}/members", {"member": stranger.project_id})) == (409, said)


async def test_a_member_shares_no_further_and_removes_nobody(member: Glance, stranger: Glance, shared: str) -> None:
    add = await stranger.request("POST", f"{shared}/members", {"member": "friend"})
    assert refusal(add) == (403, "You are not authorized to complete add_member action.")
    drop = await stranger.request("DELETE", f"{shared}/members/{stranger.project_id}")
    assert refusal(drop) == (403, "You are not authorized to complete delete_member action.")


async def test_a_member_knows_of_no_other_member(member: Glance, stranger: Glance, shared: str) -> None:
    await member.request("POST", f"{shared}/members", {"member": "friend"})
    assert len((await member.get(f"{shared}/members"))["members"]) == 2
    assert [one["member_id"] for one in (await stranger.get(f"{shared}/members"))["members"]] == [stranger.project_id]
    assert (await stranger.request("GET", f"{shared}/members/friend")).status == 404
    assert (await stranger.request("PUT", f"{shared}/members/friend", {"status": "accepted"})).status == 404


async def test_a_member_that_is_removed_sees_nothing_any_more(member: Glance, stranger: Glance, shared: str) -> None:
    path = f"{shared}/members/{stranger.project_id}"
    assert (await member.request("DELETE", path)).status == 204
    assert (await stranger.request("GET", shared)).status == 404
    image_id = shared.rsplit("/", 1)[1]
    said = f"{stranger.project_id} not found in the member list of the image {image_id}."
    assert refusal(await member.request("DELETE", path)) == (404, said)
    assert refusal(await member.request("GET", path)) == (404, said)


async def test_only_shared_images_have_members(member: Glance) -> None:
    image_id = (await member.image(visibility="private"))["id"]
    path = f"/images/{image_id}/members"
    listed = f"Not allowed to list members for image {image_id}: Only shared images have members."
    assert refusal(await member.request("GET", path)) == (403, listed)
    assert refusal(await member.request("GET", f"{path}/x")) == (404, "Only shared images have members.")
    for method, target, verb in (("POST", path, "create"), ("PUT", f"{path}/x", "update"), ("DELETE", f"{path}/x", "delete")):
        answer = await member.request(method, target, {"member": "x", "status": "accepted"})
        assert refusal(answer) == (403, f"Not allowed to {verb} members for image {image_id}.")


async def test_there_are_at_most_128_members(member: Glance) -> None:
    path = f"/images/{(await member.image())['id']}/members"
    for n in range(128):
        assert (await member.request("POST", path, {"member": f"p{n}"})).status == 200
    assert refusal(await member.request("POST", path, {"member": "one more"}))[0] == 413
