"""Metadata of volumes and of snapshots: the same rules for both."""

from __future__ import annotations

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal


async def _owner(member: Cinder, kind: str) -> tuple[str, str]:
    volume = await member.volume(metadata={"a": "1"})
    made = volume if kind == "volume" else await member.snapshot(volume["id"], metadata={"a": "1"})
    return made["id"], f"/{kind}s/{made['id']}/metadata"


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
async def test_metadata_is_merged_replaced_and_dropped(member: Cinder, kind: str) -> None:
    _, path = await _owner(member, kind)
    answer = await member.request("POST", path, {"metadata": {"b": "2"}})
    assert (answer.status, answer.json()) == (200, {"metadata": {"a": "1", "b": "2"}})
    assert (await member.request("PUT", f"{path}/b", {"meta": {"b": "3"}})).json() == {"meta": {"b": "3"}}
    assert await member.get(f"{path}/b") == {"meta": {"b": "3"}}
    assert (await member.request("DELETE", f"{path}/a")).status == 200
    assert await member.get(path) == {"metadata": {"b": "3"}}
    await member.request("PUT", path, {"metadata": {"c": "4"}})
    assert await member.get(path) == {"metadata": {"c": "4"}}


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
async def test_a_key_that_is_not_there_is_not_found(member: Cinder, kind: str) -> None:
    id, path = await _owner(member, kind)
    message = f"{kind.capitalize()} {id} has no metadata with key z."
    for method in ("GET", "DELETE"):
        assert refusal(await member.request(method, f"{path}/z")) == (404, "itemNotFound", message)


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
@pytest.mark.parametrize(
    ("method", "key", "body"),
    [
        ("PUT", "/a", {"meta": {"b": "1"}}),
        ("PUT", "/a", {"meta": {"a": "1", "b": "2"}}),
        ("PUT", "/a", {"metadata": {"a": "1"}}),
        ("POST", "", {"metadata": {"a": 1}}),
        ("POST", "", {"metadata": {"a": "x" * 256}}),
        ("PUT", "", {"metadata": {"k" * 256: "x"}}),
        ("PUT", "", {"metadata": None}),
    ],
)
async def test_bad_metadata_is_refused_and_changes_nothing(member: Cinder, kind: str, method: str, key: str, body: object) -> None:
    _, path = await _owner(member, kind)
    assert (await member.request(method, path + key, body)).status == 400
    assert await member.get(path) == {"metadata": {"a": "1"}}


async def test_an_etag_guards_against_lost_updates(member: Cinder) -> None:
    _, path = await _owner(member, "volume")
    tag = (await member.request("GET", path)).headers["etag"]
    assert (await member.request("PUT", path, {"metadata": {"b": "2"}}, headers={"If-Match": "stale"})).status == 412
    assert (await member.request("PUT", path, {"metadata": {"b": "2"}}, headers={"If-Match": tag})).status == 200
    assert (await member.request("PUT", f"{path}/b", {"meta": {"b": "3"}}, headers={"If-Match": tag})).status == 412
    assert "etag" not in (await member.request("GET", path, version="3.14")).headers
