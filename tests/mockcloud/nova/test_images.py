"""Nova's own way to images, that old clients still take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client
from tests.mockcloud.nova.nova_user import Nova, refusal

OLD = "2.1"


@pytest.fixture
def nova(cloud: Cloud) -> Callable[[str], Nova]:
    return lambda who: Nova(cloud, client(cloud, who))


async def image(rest: Client, **fields: Any) -> str:
    body = {"name": "mine", "disk_format": "raw", "container_format": "bare", **fields}
    answer = await rest.post("glance", "/v2/images", json=body)
    assert answer.status == 201, answer.content
    return str(answer.json()["id"])


async def test_an_image_is_shown_in_novas_form(nova: Callable[[str], Nova]) -> None:
    member = nova("member")
    made = await image(member.rest, min_ram=64, min_disk=2, instance_uuid="of-a-server", auto_disk_config="yes", os_type="linux")
    shown = (await member.get(f"/images/{made}", OLD))["image"]
    assert (shown["id"], shown["name"], shown["status"], shown["progress"]) == (made, "mine", "SAVING", 25)
    assert (shown["minRam"], shown["minDisk"], shown["OS-EXT-IMG-SIZE:size"], shown["OS-DCF:diskConfig"]) == (64, 2, None, "AUTO")
    assert shown["metadata"]["os_type"] == "linux"
    assert shown["server"]["id"] == "of-a-server"
    assert [link["rel"] for link in shown["links"]] == ["self", "bookmark", "alternate"]
    assert shown["created"].endswith("Z")


async def test_lists_are_filtered_and_paged(nova: Callable[[str], Nova]) -> None:
    member = nova("member")
    mine = await image(member.rest, instance_uuid="s1", image_type="snapshot", min_ram=64, os_type="linux")
    everything = [found["name"] for found in (await member.get("/images", OLD))["images"]]
    assert sorted(everything) == ["cirros", "mine"]
    wanted = (
        "name=mine",
        "server=s1",
        "server=http://cloud/servers/s1",
        "type=snapshot",
        "minRam=64",
        "status=QUEUED",
        "property-os_type=linux",
    )
    for query in wanted:
        assert [found["id"] for found in (await member.get(f"/images/detail?{query}", OLD))["images"]] == [mine], query
    assert (await member.get("/images?changes-since=2100-01-01T00:00:00Z", OLD))["images"] == []
    first = await member.get("/images?limit=1", OLD)
    ((link),) = first["images_links"]
    assert (link["rel"], "/v2.1/images?limit=1&marker=" in link["href"]) == ("next", True)
    second = await member.get("/images?" + link["href"].partition("?")[2], OLD)
    assert {first["images"][0]["name"], second["images"][0]["name"]} == {"cirros", "mine"}
    answer = await member.request("GET", "/images?marker=nothing", version=OLD)
    assert answer.status == 400


async def test_an_image_is_deleted_by_its_owner(nova: Callable[[str], Nova]) -> None:
    member, stranger = nova("member"), nova("stranger")
    made = await image(member.rest)
    assert refusal(await stranger.request("DELETE", f"/images/{made}", version=OLD)) == (404, "Image not found.")
    assert (await member.request("DELETE", f"/images/{made}", version=OLD)).status == 204
    for method in ("GET", "DELETE"):
        assert refusal(await member.request(method, f"/images/{made}", version=OLD)) == (404, "Image not found.")
    kept = await image(member.rest, protected=True)
    answer = await member.request("DELETE", f"/images/{kept}", version=OLD)
    assert refusal(answer) == (403, "You are not allowed to delete the image.")


@pytest.mark.parametrize("path", ["/images", "/images/detail", "/images/x"])
async def test_it_ends_with_2_35(nova: Callable[[str], Nova], path: str) -> None:
    member = nova("member")
    assert (await member.request("GET", path, version="2.36")).status == 404
    assert (await nova("nobody").request("GET", path, version="2.35")).status == 401
