"""Staged data and their import."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.glance.store import Store
from tests.mockcloud.glance.conftest import Glance, refusal

DIRECT = {"method": {"name": "glance-direct"}}


async def _settled(glance: Glance, image_id: str) -> dict[str, Any]:
    for _ in range(500):
        image: dict[str, Any] = await glance.get(f"/images/{image_id}")
        if image["status"] != "importing":
            return image
        await glance.cloud.clock.sleep(0.002)
    raise AssertionError("still importing")


async def test_staged_data_are_imported_in_the_background(member: Glance) -> None:
    image = await member.image()
    path = f"/images/{image['id']}"
    assert (await member.upload(image["id"], b"data", "stage")).status == 204
    assert (await member.get(path))["status"] == "uploading"
    assert (await member.request("GET", f"{path}/file")).status == 204
    assert (await member.request("POST", f"{path}/import", DIRECT)).status == 202
    found = await _settled(member, image["id"])
    assert (found["status"], found["size"]) == ("active", 4)
    assert (await member.request("GET", f"{path}/file")).content == b"data"
    assert not member.cloud.services["glance"].part(Store).exists(f"{image['id']}.staged")


async def test_staged_data_of_the_wrong_format_are_dropped(member: Glance) -> None:
    image = await member.image(disk_format="qcow2")
    await member.upload(image["id"], b"data", "stage")
    assert (await member.request("POST", f"/images/{image['id']}/import", DIRECT)).status == 202
    assert (await _settled(member, image["id"]))["status"] == "queued"
    store = member.cloud.services["glance"].part(Store)
    assert not store.exists(image["id"])
    assert not store.exists(f"{image['id']}.staged")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Import request requires a 'method' field."),
        ([], "Import request requires a 'method' field."),
        ({"method": {}}, "Import request requires a 'name' field."),
        ({"method": {"name": "web-download", "uri": "http://127.0.0.1/"}}, "Unknown import method name 'web-download'."),
        ({**DIRECT, "all_stores": "yes"}, "'all_stores' must be boolean value only"),
        ({**DIRECT, "all_stores_must_succeed": 1}, "'all_stores_must_succeed' must be boolean value only"),
        ({**DIRECT, "all_stores_must_succeed": False}, "All_stores_must_succeed can only be set with enabled_backends None"),
    ],
)
async def test_an_import_that_is_not_understood_changes_nothing(member: Glance, body: Any, sentence: str) -> None:
    image = await member.image()
    await member.upload(image["id"], b"data", "stage")
    assert refusal(await member.request("POST", f"/images/{image['id']}/import", body)) == (400, sentence)
    assert (await member.get(f"/images/{image['id']}"))["status"] == "uploading"


async def test_an_import_needs_staged_data(member: Glance) -> None:
    waiting, done = await member.image(), await member.image(b"data")
    for image, sentence in (
        (waiting, "Image needs to be staged before 'glance-direct' method can be used"),
        (done, "Image with status active cannot be target for import"),
    ):
        assert refusal(await member.request("POST", f"/images/{image['id']}/import", DIRECT)) == (409, sentence)


async def test_an_import_needs_a_format(member: Glance) -> None:
    image = await member.image(disk_format=None)
    assert (await member.upload(image["id"], b"data", "stage")).status == 204
    said = (409, "'disk_format' needs to be set before import")
    assert refusal(await member.request("POST", f"/images/{image['id']}/import", DIRECT)) == said


async def test_data_are_staged_once(member: Glance) -> None:
    image = await member.image()
    await member.upload(image["id"], b"data", "stage")
    said = (409, "Image status transition from uploading to uploading is not allowed")
    assert refusal(await member.upload(image["id"], b"data", "stage")) == said


async def test_nobody_imports_for_another(member: Glance, reader: Glance, stranger: Glance) -> None:
    image = await member.image()
    await member.upload(image["id"], b"data", "stage")
    path = f"/images/{image['id']}/import"
    assert refusal(await reader.request("POST", path, DIRECT)) == (403, "You are not authorized to complete modify_image action.")
    assert refusal(await stranger.request("POST", path, DIRECT)) == (404, f"No image found with ID {image['id']}")


async def test_a_deleted_image_takes_its_staged_data_along(member: Glance) -> None:
    image = await member.image()
    await member.upload(image["id"], b"data", "stage")
    assert (await member.request("DELETE", f"/images/{image['id']}")).status == 204
    assert not member.cloud.services["glance"].part(Store).exists(f"{image['id']}.staged")
