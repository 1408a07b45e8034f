"""Servers' tags."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.clients import Response
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal


async def _ask(
    yard: Yard, method: str, server: str, path: str = "", json: Any = None, who: str = "member", version: str = LATEST
) -> Response:
    return await yard.user(who).request("nova", method, f"/v2.1/servers/{server}/tags{path}", json=json, version=version)


async def test_tags_are_added_once_checked_replaced_and_dropped(yard: Yard) -> None:
    server = yard.server()
    answer = await _ask(yard, "PUT", server, "/blue")
    assert (answer.status, answer.headers["location"].endswith(f"/servers/{server}/tags/blue")) == (201, True)
    assert (await _ask(yard, "PUT", server, "/blue")).status == 204
    assert (await _ask(yard, "GET", server, "/blue")).status == 204
    assert (await _ask(yard, "PUT", server, json={"tags": ["a", "b", "a"]})).json() == {"tags": ["a", "b"]}
    assert (await _ask(yard, "DELETE", server, "/a")).status == 204
    assert (await _ask(yard, "GET", server)).json() == {"tags": ["b"]}
    assert (await _ask(yard, "DELETE", server)).status == 204
    assert yard.row(server)["tags"] == []


async def test_a_tag_that_is_not_there_is_not_found(yard: Yard) -> None:
    server = yard.server()
    assert refusal(await _ask(yard, "GET", server, "/x"))[::2] == (404, f"Server {server} has no tag 'x'")
    assert refusal(await _ask(yard, "DELETE", server, "/x"))[::2] == (404, f"Instance {server} has no tag 'x'")


async def test_bad_tags_are_refused(yard: Yard) -> None:
    server = yard.server(tags=["kept"])
    long = "x" * 61
    for path, problem in (("/a,b", "'a,b' does not match '^[^,/]*$'"), (f"/{long}", f"'{long}' is too long")):
        status, _, message = refusal(await _ask(yard, "PUT", server, path))
        assert (status, message.endswith(problem), message.startswith("Tag '")) == (400, True, True)
    bad: list[tuple[Any, str]] = [
        ({"tags": ["a/b"]}, "Invalid input for field/attribute 0. Value: a/b. 'a/b' does not match '^[^,/]*$'"),
        ({"tags": [""]}, "Invalid input for field/attribute 0. Value: . '' should be non-empty"),
        ({}, "'tags' is a required property"),
    ]
    for body, message in bad:
        assert refusal(await _ask(yard, "PUT", server, json=body)) == (400, "badRequest", message)
    assert yard.row(server)["tags"] == ["kept"]


async def test_the_fifty_first_tag_is_too_many(yard: Yard) -> None:
    server = yard.server(tags=[str(n) for n in range(50)])
    message = "The number of tags exceeded the per-server limit 50"
    assert refusal(await _ask(yard, "PUT", server, "/more")) == (400, "badRequest", message)


@pytest.mark.parametrize(
    ("method", "path", "body", "action"),
    [("PUT", "/a", None, "update tag"), ("PUT", "", {"tags": []}, "update tags"), ("DELETE", "/a", None, "delete tag"),
     ("DELETE", "", None, "delete tags")],
)  # fmt: skip
async def test_tags_of_a_building_server_stay(yard: Yard, method: str, path: str, body: Any, action: str) -> None:
    server = yard.server(vm_state="building")
    message = f"Cannot '{action}' instance {server} while it is in vm_state building"
    assert refusal(await _ask(yard, method, server, path, body)) == (409, "conflictingRequest", message)
    assert (await _ask(yard, method, server, path, body, who="reader")).status == 403
    assert (await _ask(yard, method, server, path, body, who="stranger")).status == 404


async def test_before_2_26_there_are_no_tags(yard: Yard) -> None:
    assert (await _ask(yard, "GET", yard.server(), version="2.25")).status == 404
