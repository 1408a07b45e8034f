"""The version documents: read without a token, with and without a last slash."""

from __future__ import annotations

import pytest

from mockcloud.cloud import Cloud
from mockcloud.testing.client import client


@pytest.mark.parametrize("path", ["/v2.1", "/v2.1/"])
async def test_the_version_document_is_there_with_and_without_a_slash(nova_cloud: Cloud, path: str) -> None:
    answer = await client(nova_cloud, "nobody").get("nova", path)
    version = answer.json()["version"]
    assert (answer.status, version["id"], version["version"], version["min_version"]) == (200, "v2.1", "2.104", "2.1")


async def test_a_slash_behind_anything_else_is_another_path(nova_cloud: Cloud) -> None:
    assert (await client(nova_cloud, "member").get("nova", "/v2.1/servers/")).status == 404


async def test_the_root_lists_both_versions(nova_cloud: Cloud) -> None:
    answer = await client(nova_cloud, "nobody").get("nova", "/")
    assert [(v["id"], v["status"]) for v in answer.json()["versions"]] == [("v2.0", "DEPRECATED"), ("v2.1", "CURRENT")]


async def test_a_path_without_a_version_is_answered_with_choices(nova_cloud: Cloud) -> None:
    answer = await client(nova_cloud, "nobody").get("nova", "/servers")
    links = [choice["links"][0]["href"].partition("/compute")[2] for choice in answer.json()["choices"]]
    assert (answer.status, links) == (300, ["/v2/servers", "/v2.1/servers"])
