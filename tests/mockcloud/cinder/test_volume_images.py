"""Between cinder and glance: volumes from images, images from volumes."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.testing.client import Client, client
from tests.mockcloud.cinder.conftest import Cinder, MakeCloud, refusal

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def owner(make_cloud: MakeCloud) -> Cinder:
    cloud = await make_cloud(services=("keystone", "glance", "cinder"))
    return Cinder(cloud, client(cloud, "member"))


async def _image(glance: Client, data: bytes = b"disk", **values: Any) -> str:
    body = {"name": "tiny", "disk_format": "raw", "container_format": "bare", **values}
    made = (await glance.post("glance", "/v2/images", json=body)).json()
    if data:
        headers = {"Content-Type": "application/octet-stream"}
        answer = await glance.put("glance", f"/v2/images/{made['id']}/file", content=data, headers=headers)
        assert answer.status == 204, answer.content
    return str(made["id"])


@pytest.mark.parametrize("by", ["id", "name", "url"])
async def test_a_volume_from_an_image_reads_it_and_remembers_it(owner: Cinder, by: str) -> None:
    image_id = await _image(owner.rest, os_distro="cirros", min_ram=64)
    reference = {"id": image_id, "name": "tiny", "url": f"http://glance/v2/images/{image_id}"}[by]
    made = await owner.volume(imageRef=reference)
    assert (made["status"], made["bootable"]) == ("available", "true")
    remembered = made["volume_image_metadata"]
    assert (remembered["image_id"], remembered["image_name"], remembered["os_distro"]) == (image_id, "tiny", "cirros")
    assert (remembered["min_ram"], remembered["size"], remembered["disk_format"]) == ("64", "4", "raw")
    read = [fact for fact in owner.cloud.recorder.facts() if fact.kind == "http.server" and fact.name == f"GET /v2/images/{image_id}/file"]
    assert len(read) == 1


async def test_copies_of_a_bootable_volume_are_bootable(owner: Cinder) -> None:
    first = await owner.volume(imageRef=await _image(owner.rest))
    snapshot = await owner.snapshot(first["id"])
    for source in ({"snapshot_id": snapshot["id"]}, {"source_volid": first["id"]}):
        copy = await owner.volume(**source)
        assert (copy["bootable"], copy["volume_image_metadata"]) == ("true", first["volume_image_metadata"])


async def test_an_image_that_does_not_fit_is_refused(owner: Cinder) -> None:
    large = await _image(owner.rest, min_disk=3)
    answer = await owner.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": large}})
    message = "Invalid input received: Volume size 1GB cannot be smaller than the image minDisk size 3GB."
    assert refusal(answer) == (400, "badRequest", message)
    empty = await _image(owner.rest, data=b"")
    answer = await owner.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": empty}})
    assert refusal(answer)[::2] == (400, f"Invalid input received: Image {empty} is not active.")
    answer = await owner.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": NOWHERE}})
    assert refusal(answer)[::2] == (400, "Invalid image identifier or unable to access requested image.")
    assert (await owner.get("/volumes"))["volumes"] == []


async def test_two_sources_are_one_too_many(owner: Cinder) -> None:
    first = await owner.volume()
    body = {"size": 1, "imageRef": await _image(owner.rest), "source_volid": first["id"]}
    answer = await owner.request("POST", "/volumes", {"volume": body})
    assert refusal(answer)[2] == "Invalid input received: May specify only one of backup, imageRef, snapshot, source volume"


async def test_a_glance_that_goes_away_leaves_a_volume_in_error_and_a_message(owner: Cinder) -> None:
    image_id = await _image(owner.rest)
    worker = owner.cloud.workers["cinder-volume@controller@lvmdriver-1"]
    await worker.kill()
    made = await owner.volume(wait=False, imageRef=image_id)
    owner.cloud.down.add("glance")
    await worker.start()
    found = await owner.settled(made["id"])
    assert found["status"] == "error"
    (message,) = (await owner.get("/messages"))["messages"]
    assert message["user_message"].startswith("copy image to volume:")
    assert (await owner.request("DELETE", f"/volumes/{made['id']}")).status == 202
    assert await owner.settled(made["id"]) == {}


async def test_an_image_is_made_of_a_volume(owner: Cinder) -> None:
    made = await owner.volume(imageRef=await _image(owner.rest, os_distro="cirros"))
    body = {"image_name": "copy", "disk_format": "raw", "visibility": "private", "protected": False}
    answer = await owner.act(made["id"], "os-volume_upload_image", body)
    shown = answer.json()["os-volume_upload_image"]
    assert (answer.status, shown["status"], shown["image_name"], shown["visibility"]) == (202, "uploading", "copy", "private")
    assert (await owner.settled(made["id"]))["status"] == "available"
    image = (await owner.rest.get("glance", f"/v2/images/{shown['image_id']}")).json()
    assert (image["status"], image["name"], image["os_distro"]) == ("active", "copy", "cirros")
    data = (await owner.rest.get("glance", f"/v2/images/{shown['image_id']}/file")).content
    assert len(data) == image["size"]
    assert made["id"].encode() in data


async def test_an_image_of_a_volume_may_be_qcow2(owner: Cinder) -> None:
    made = await owner.volume()
    answer = await owner.act(made["id"], "os-volume_upload_image", {"image_name": "copy", "disk_format": "qcow2"})
    image_id = answer.json()["os-volume_upload_image"]["image_id"]
    assert (await owner.settled(made["id"]))["status"] == "available"
    image = (await owner.rest.get("glance", f"/v2/images/{image_id}")).json()
    assert (image["status"], image["disk_format"], image["virtual_size"]) == ("active", "qcow2", 2**30)


async def test_a_format_that_no_volume_can_become_leaves_no_image(owner: Cinder) -> None:
    made = await owner.volume()
    answer = await owner.act(made["id"], "os-volume_upload_image", {"image_name": "copy", "disk_format": "vmdk"})
    assert (await owner.settled(made["id"]))["status"] == "available"
    image_id = answer.json()["os-volume_upload_image"]["image_id"]
    assert (await owner.rest.get("glance", f"/v2/images/{image_id}")).status == 404
    (message,) = (await owner.get("/messages"))["messages"]
    assert message["user_message"].startswith("copy volume to image:")


async def test_an_upload_that_glance_refuses_leaves_the_volume_as_it_was(owner: Cinder) -> None:
    made = await owner.volume()
    owner.cloud.down.add("glance")
    answer = await owner.act(made["id"], "os-volume_upload_image", {"image_name": "copy"})
    assert answer.status == 400
    assert (await owner.get(f"/volumes/{made['id']}"))["volume"]["status"] == "available"
    assert (await owner.act(made["id"], "os-volume_upload_image", {})).status == 400
    answer = await owner.act(made["id"], "os-volume_upload_image", {"image_name": "copy", "visibility": "public"})
    assert refusal(answer) == (403, "forbidden", "Policy doesn't allow volume_extension:volume_actions:upload_public to be performed.")


async def test_an_image_is_written_over_a_volume_from_3_68(owner: Cinder) -> None:
    made, image_id = await owner.volume(), await _image(owner.rest)
    assert (await owner.act(made["id"], "os-reimage", {"image_id": image_id}, version="3.67")).status == 404
    assert (await owner.act(made["id"], "os-reimage", {"image_id": image_id})).status == 202
    found = await owner.settled(made["id"])
    assert (found["status"], found["volume_image_metadata"]["image_id"]) == ("available", image_id)
    answer = await owner.act(made["id"], "os-reimage", {"image_id": NOWHERE})
    assert refusal(answer) == (404, "itemNotFound", f"Image {NOWHERE} could not be found.")
    assert (await owner.get(f"/volumes/{made['id']}"))["volume"]["status"] == "available"
    await owner.act(made["id"], "os-reserve")
    answer = await owner.act(made["id"], "os-reimage", {"image_id": image_id})
    expected = f"Invalid volume: Volume {made['id']} status must be available or error, but current status is attaching."
    assert refusal(answer) == (400, "badRequest", expected)
