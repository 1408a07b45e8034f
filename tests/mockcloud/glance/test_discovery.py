"""Versions, schemas, and what this glance can do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.mockcloud.glance.conftest import Glance, refusal


@pytest.mark.parametrize(("path", "status"), [("/", 300), ("/versions", 200)])
async def test_versions_are_told_to_anybody(user: Callable[[str], Glance], path: str, status: int) -> None:
    nobody = user("nobody")
    answer = await nobody.rest.get("glance", path)
    assert answer.status == status
    versions = answer.json()["versions"]
    assert [version["id"] for version in versions][:3] == ["v2.15", "v2.9", "v2.17"]
    (current,) = [version for version in versions if version["status"] == "CURRENT"]
    assert current == {"id": "v2.17", "status": "CURRENT", "links": [{"rel": "self", "href": f"{nobody.cloud.urls['glance']}/v2/"}]}


@pytest.mark.parametrize("name", ["image", "images", "member", "members"])
async def test_a_schema_describes_what_is_shown(member: Glance, name: str) -> None:
    schema = await member.get(f"/schemas/{name}")
    assert schema["name"] == name
    if name == "image":
        assert set(await member.image()) <= set(schema["properties"])
        assert schema["additionalProperties"] == {"type": "string"}
        assert schema["properties"]["status"]["readOnly"] is True
    if name == "images":
        assert schema["properties"]["images"]["items"]["name"] == "image"


async def test_data_are_imported_directly_only(member: Glance) -> None:
    assert (await member.get("/info/import"))["import-methods"]["value"] == ["glance-direct"]


@pytest.mark.parametrize("path", ["/info/stores", "/info/stores/detail"])
async def test_there_are_no_several_stores(member: Glance, path: str) -> None:
    assert refusal(await member.request("GET", path)) == (404, "Multi backend is not supported at this site.")


async def test_there_is_no_store_to_delete_from(member: Glance) -> None:
    assert refusal(await member.request("DELETE", "/stores/fast/5"))[0] == 404


async def test_no_quota_has_a_use(member: Glance) -> None:
    assert await member.get("/info/usage") == {"usage": {}}


@pytest.mark.parametrize("path", ["/tasks", "/metadefs/namespaces", "/cache", "/images/x/locations"])
async def test_what_is_declined_says_so(member: Glance, path: str) -> None:
    status, sentence = refusal(await member.request("GET", path))
    assert (status, sentence.endswith(".")) == (501, True)


async def test_an_unknown_path_is_a_404(member: Glance) -> None:
    assert refusal(await member.request("GET", "/nothing")) == (404, "The resource could not be found.")
