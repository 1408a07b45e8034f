"""Servers' metadata."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.clients import Response
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal


async def _ask(yard: Yard, method: str, server: str, path: str = "", json: Any = None, who: str = "member", **rest: Any) -> Response:
    return await yard.user(who).request("nova", method, f"/v2.1/servers/{server}/metadata{path}", json=json, version=LATEST, **rest)


async def test_items_are_merged_replaced_set_shown_and_dropped(yard: Yard) -> None:
    server = yard.server(metadata={"a": "1"})
    assert (await _ask(yard, "GET", server)).json() == {"metadata": {"a": "1"}}
    answer = await _ask(yard, "POST", server, json={"metadata": {"b": "2"}})
    assert (answer.status, answer.json()) == (200, {"metadata": {"a": "1", "b": "2"}})
    assert (await _ask(yard, "PUT", server, "/b", {"meta": {"b": "3"}})).json() == {"meta": {"b": "3"}}
    assert (await _ask(yard, "GET", server, "/b")).json() == {"meta": {"b": "3"}}
    assert (await _ask(yard, "DELETE", server, "/a")).status == 204
    assert yard.row(server)["metadata"] == {"b": "3"}
    assert (await _ask(yard, "PUT", server, json={"metadata": {"c": "4"}})).json() == {"metadata": {"c": "4"}}
    assert yard.row(server)["metadata"] == {"c": "4"}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_item_that_is_not_there_is_not_found(yard: Yard, method: str) -> None:
    answer = await _ask(yard, method, yard.server(), "/none")
    assert refusal(answer) == (404, "itemNotFound", "Metadata item was not found")


BAD = [
    ("POST", "", {}, "'metadata' is a required property"),
    ("POST", "", {"metadata": {"k": 1}}, "Invalid input for field/attribute k. Value: 1. 1 is not of type 'string'"),
    ("PUT", "", {"metadata": None}, "Invalid input for field/attribute metadata. Value: None. None is not of type 'object'"),
    ("PUT", "/k", {"meta": {"other": "x"}}, "Request body and URI mismatch"),
    ("PUT", "/k", {"meta": {}}, "Invalid input for field/attribute meta. Value: {}. {} should be non-empty"),
    ("PUT", "/k", {"meta": {"k": "v", "l": "w"}},
     "Invalid input for field/attribute meta. Value: {'k': 'v', 'l': 'w'}. {'k': 'v', 'l': 'w'} has too many properties"),
    ("POST", "", {"metadata": {"k!": "x"}}, "Invalid input for field/attribute metadata. Value: {'k!': 'x'}. "
     "'k!' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "message"), BAD)
async def test_bad_bodies_are_refused_and_change_nothing(yard: Yard, method: str, path: str, body: Any, message: str) -> None:
    server = yard.server(metadata={"a": "1"})
    assert refusal(await _ask(yard, method, server, path, body)) == (400, "badRequest", message)
    assert yard.row(server)["metadata"] == {"a": "1"}


async def test_more_items_than_the_quota_are_refused(yard: Yard) -> None:
    answer = await _ask(yard, "POST", yard.server(), json={"metadata": {f"k{n}": "" for n in range(129)}})
    assert refusal(answer) == (403, "forbidden", "Maximum number of metadata items exceeds 128")


async def test_only_a_settled_unlocked_server_is_described(yard: Yard) -> None:
    building, locked = yard.server(vm_state="building", metadata={"a": "1"}), yard.server(locked=True, metadata={"a": "1"})
    message = f"Cannot 'update metadata' instance {building} while it is in vm_state building"
    assert refusal(await _ask(yard, "POST", building, json={"metadata": {}}))[::2] == (409, message)
    message = f"Cannot 'delete metadata' instance {building} while it is in vm_state building"
    assert refusal(await _ask(yard, "DELETE", building, "/a"))[::2] == (409, message)
    assert refusal(await _ask(yard, "DELETE", locked, "/a"))[::2] == (409, f"Instance {locked} is locked")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "", {"metadata": {}}), ("PUT", "", {"metadata": {}}), ("PUT", "/a", {"meta": {"a": "2"}}), ("DELETE", "/a", None)],
)
async def test_readers_only_read_and_strangers_see_nothing(yard: Yard, method: str, path: str, body: Any) -> None:
    server = yard.server(metadata={"a": "1"})
    assert (await _ask(yard, method, server, path, body, who="reader")).status == 403
    assert (await _ask(yard, method, server, path, body, who="stranger")).status == 404
    assert (await _ask(yard, "GET", server, "/a", who="reader")).status == 200
    assert (await _ask(yard, "GET", server, who="stranger")).status == 404
