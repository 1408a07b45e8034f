"""Data of images: up, down, part of it, and what a failure leaves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mockcloud import qcow2
from mockcloud.glance.store import CHUNK, Store
from mockcloud.testing.client import client
from tests.mockcloud.glance.conftest import OCTETS, Glance, MakeCloud, refusal

DATA = b"0123456789"


def files(glance: Glance) -> set[str]:
    return {path.name for path in glance.cloud.services["glance"].part(Store).path("x").parent.iterdir()}


async def test_uploaded_data_are_measured_and_come_back(member: Glance) -> None:
    image = await member.image(DATA)
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", 10, 10)
    assert image["checksum"] == hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    answer = await member.request("GET", f"/images/{image['id']}/file")
    assert (answer.status, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == OCTETS
    assert (answer.headers["content-length"], answer.headers["content-md5"]) == ("10", image["checksum"])


async def test_no_data_are_data_too(member: Glance) -> None:
    image = await member.image(b"")
    assert (image["status"], image["size"]) == ("active", 0)
    assert (await member.request("GET", f"/images/{image['id']}/file")).content == b""


async def test_an_image_that_waits_for_data_has_none_to_give(member: Glance) -> None:
    image = await member.image()
    answer = await member.request("GET", f"/images/{image['id']}/file")
    assert (answer.status, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("asked", "data", "said"),
    [
        ("bytes=0-4", b"01234", "bytes 0-4/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-50", DATA, "bytes 0-9/10"),
        ("bytes=8-50", b"89", "bytes 8-9/10"),
    ],
)
async def test_a_range_is_a_part(member: Glance, asked: str, data: bytes, said: str) -> None:
    image = await member.image(DATA)
    answer = await member.request("GET", f"/images/{image['id']}/file", headers={"Range": asked})
    assert (answer.status, answer.content, answer.headers["content-range"]) == (206, data, said)
    assert answer.headers["content-length"] == str(len(data))


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=10-", 416),
        ("bytes=5-2", 416),
        ("bytes=" + "9" * 5000 + "-", 416),
        ("bytes=-", 416),
        ("lines=1-2", 416),
        ("bytes=0-1,3-4", 400),
    ],
)
async def test_a_range_that_is_not_there_is_refused(member: Glance, asked: str, status: int) -> None:
    image = await member.image(DATA)
    assert refusal(await member.request("GET", f"/images/{image['id']}/file", headers={"Range": asked}))[0] == status


async def test_there_is_no_store_to_prefer(member: Glance) -> None:
    image = await member.image(DATA)
    assert refusal(await member.request("GET", f"/images/{image['id']}/file?prefer=fast"))[0] == 400


async def test_data_come_once(member: Glance) -> None:
    image = await member.image(DATA)
    answer = await member.upload(image["id"], b"other")
    assert refusal(answer) == (409, "Image status transition from active to saving is not allowed")
    assert (await member.request("GET", f"/images/{image['id']}/file")).content == DATA


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ({"disk_format": None}, "Property disk_format must be set prior to saving data."),
        ({"disk_format": None, "container_format": None}, "Properties disk_format, container_format must be set prior to saving data."),
    ],
)
async def test_data_need_a_format(member: Glance, missing: Any, sentence: str) -> None:
    image = await member.image(**missing)
    assert refusal(await member.upload(image["id"], DATA)) == (400, sentence)
    assert (await member.get(f"/images/{image['id']}"))["status"] == "queued"


@pytest.mark.parametrize("media", ["application/json", "text/plain"])
@pytest.mark.parametrize("path", ["file", "stage"])
async def test_data_are_octets(member: Glance, path: str, media: str) -> None:
    image = await member.image()
    answer = await member.request("PUT", f"/images/{image['id']}/{path}", content=DATA, headers={"Content-Type": media})
    assert refusal(answer) == (415, f"Invalid content type {media}")


async def test_an_announced_size_is_a_number(member: Glance) -> None:
    image = await member.image()
    answer = await member.upload(image["id"], DATA, **{"X-OpenStack-Image-Size": "big"})
    assert refusal(answer) == (400, "Invalid or missing image size in request headers.")


async def test_data_go_to_an_image_that_is_there(member: Glance) -> None:
    assert refusal(await member.upload("nowhere", DATA)) == (404, "No image found with ID nowhere")
    assert refusal(await member.request("GET", "/images/nowhere/file")) == (404, "No image found with ID nowhere")


@pytest.mark.parametrize(
    ("disk_format", "data", "sentence"),
    [
        ("qcow2", DATA, "Image disk_format qcow2 does not match stream data raw"),
        ("vmdk", qcow2.empty(1), "Image disk_format vmdk does not match stream data qcow2"),
        ("qcow2", b"QFI\xfb\0\0\0\2" + b"\1" * 30, "Image failed safety checks"),
    ],
)
async def test_data_that_are_not_what_the_record_says_are_refused(member: Glance, disk_format: str, data: bytes, sentence: str) -> None:
    before, image = files(member), await member.image(disk_format=disk_format)
    assert refusal(await member.upload(image["id"], data)) == (415, sentence)
    assert (await member.get(f"/images/{image['id']}")) == image | {
        "updated_at": (await member.get(f"/images/{image['id']}"))["updated_at"]
    }
    assert files(member) == before


async def test_a_qcow2_tells_the_size_of_its_disk(member: Glance) -> None:
    image = await member.image(qcow2.empty(5 * 2**30), disk_format="qcow2")
    assert (image["virtual_size"], image["size"]) == (5 * 2**30, len(qcow2.empty(5 * 2**30)))


async def _chunks(count: int, then: Callable[[], Any] | None = None) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * CHUNK
    if then is not None:
        await then()


async def test_a_large_upload_passes_through_in_pieces(member: Glance) -> None:
    image = await member.image()
    assert (await member.stream(image["id"], _chunks(100))).status == 204
    assert (await member.get(f"/images/{image['id']}"))["size"] == 100 * CHUNK
    answer = await member.cloud.transport.send(
        "GET", f"{member.cloud.urls['glance']}/v2/images/{image['id']}/file", {"X-Auth-Token": member.rest.token}, b"", True
    )
    assert answer.stream is not None
    assert [len(chunk) async for chunk in answer.stream] == [CHUNK] * 100


async def test_a_client_that_goes_away_leaves_a_waiting_image_and_no_file(member: Glance) -> None:
    async def vanish() -> None:
        raise ConnectionError("gone")

    before, image = files(member), await member.image()
    await member.stream(image["id"], _chunks(3, vanish))
    found = await member.get(f"/images/{image['id']}")
    assert (found["status"], found["size"], found["checksum"]) == ("queued", None, None)
    assert files(member) == before
    assert (await member.upload(image["id"], DATA)).status == 204


async def test_an_image_that_is_deleted_while_its_data_come_is_gone(member: Glance) -> None:
    before, image = files(member), await member.image()

    async def delete() -> None:
        assert (await member.get(f"/images/{image['id']}"))["status"] == "saving"
        assert (await member.request("DELETE", f"/images/{image['id']}")).status == 204

    answer = await member.stream(image["id"], _chunks(3, delete))
    assert answer.status == 410
    assert files(member) == before


async def test_of_two_uploads_one_wins(member: Glance) -> None:
    image = await member.image()
    answers = await asyncio.gather(*(member.stream(image["id"], _chunks(5)) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [204, 409, 409, 409, 409]


async def test_more_data_than_the_cap_are_refused(member: Glance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member.cloud.services["glance"].part(Store), "_cap", 5)
    before, image = files(member), await member.image()
    assert refusal(await member.upload(image["id"], DATA))[0] == 413
    assert (await member.get(f"/images/{image['id']}"))["status"] == "queued"
    assert files(member) == before


async def test_the_seeded_image_is_small_and_true(member: Glance) -> None:
    (image,) = (await member.get("/images?name=cirros"))["images"]
    assert (image["status"], image["visibility"], image["virtual_size"]) == ("active", "public", 112 * 2**20)
    data = (await member.request("GET", f"/images/{image['id']}/file")).content
    assert len(data) == image["size"] < 2**20
    assert hashlib.md5(data, usedforsecurity=False).hexdigest() == image["checksum"]
    assert hashlib.sha512(data).hexdigest() == image["os_hash_value"]


async def test_a_temporary_folder_goes_with_the_cloud(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(services=("keystone", "glance"))
    folder = cloud.services["glance"].part(Store).path("x").parent
    assert folder.exists()
    await cloud.stop()
    assert not folder.exists()


async def test_images_and_their_data_outlive_a_restart(make_cloud: MakeCloud, tmp_path: Path) -> None:
    first = await make_cloud(services=("keystone", "glance"), state_dir=str(tmp_path))
    member = Glance(first, client(first, "member"))
    kept, waiting = await member.image(DATA), await member.image(name="waiting")
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(member.stream(waiting["id"], _chunks(3, hang)))
    await started.wait()
    second = await make_cloud(services=("keystone", "glance"), state_dir=str(tmp_path))  # as after a kill: the first says nothing more
    member = Glance(second, client(second, "member"))
    assert await member.get(f"/images/{kept['id']}") == kept
    assert (await member.request("GET", f"/images/{kept['id']}/file")).content == DATA
    assert (await member.get(f"/images/{waiting['id']}"))["status"] == "queued"
    assert not [name for name in files(member) if name.endswith(".part")]
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
