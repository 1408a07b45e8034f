"""Rebuilds: what they change, check and answer."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mockcloud.nova import tables
from tests.mockcloud.nova.conftest import Yard, refusal

MISSING = "11111111-1111-4111-8111-111111111111"


async def _image(yard: Yard, upload: bool = True, **values: Any) -> str:
    member = yard.user("member")
    body = {"name": "an image", "disk_format": "raw", "container_format": "bare", **values}
    image: str = (await member.post("glance", "/v2/images", json=body)).json()["id"]
    if upload:
        headers = {"Content-Type": "application/octet-stream"}
        assert (await member.put("glance", f"/v2/images/{image}/file", content=b"data", headers=headers)).status == 204
    return image


async def test_a_rebuild_changes_what_it_says_and_tells_the_compute(yard: Yard) -> None:
    server, image = yard.server(metadata={"a": "1"}, key_name="old"), await _image(yard, hw_disk_bus="scsi")
    user_data = base64.b64encode(b"#!").decode()
    body = {"imageRef": image, "name": "renamed", "description": "new", "metadata": {"b": "2"}, "adminPass": "pw", "key_name": None}
    answer = await yard.act(server, "rebuild", {**body, "user_data": user_data, "hostname": "other", "accessIPv4": "1.2.3.4"})
    assert answer.status == 202
    shown = answer.json()["server"]
    assert answer.headers["location"].endswith(f"/servers/{server}")
    assert (shown["name"], shown["adminPass"], shown["status"], shown["image"]["id"]) == ("renamed", "pw", "REBUILD", image)
    assert (shown["metadata"], shown["key_name"], shown["user_data"], shown["accessIPv4"]) == ({"b": "2"}, None, user_data, "1.2.3.4")
    row = yard.row(server)
    assert (row["task_state"], row["image_ref"], row["hostname"]) == ("rebuilding", image, "other")
    assert (row["image_properties"]["hw_disk_bus"], yard.actions(server)) == ("scsi", ["rebuild"])
    ((method, args),) = await yard.heard()
    assert (method, args["image"]["id"], args["admin_password"]) == ("rebuild_instance", image, "pw")


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [("2.1", [], ["description", "key_name"]), ("2.54", ["key_name", "tags"], ["user_data"]), ("2.57", ["user_data"], ["config_drive"]),
     ("2.75", ["config_drive", "OS-EXT-STS:vm_state"], [])],
)  # fmt: skip
async def test_each_version_answers_its_own_view(yard: Yard, version: str, has: list[str], lacks: list[str]) -> None:
    shown = (await yard.act(yard.server(), "rebuild", {"imageRef": yard.image}, version=version)).json()["server"]
    assert ([name in shown for name in has], [name in shown for name in lacks]) == ([True] * len(has), [False] * len(lacks))
    assert len(shown["adminPass"]) == 12


async def test_an_image_that_will_not_do_is_refused(yard: Yard) -> None:
    server = yard.server()
    queued, greedy = await _image(yard, upload=False), await _image(yard, min_ram=4096)
    for image, message in (
        (MISSING, "Cannot find image for rebuild"),
        (queued, f"Image {queued} is not active."),
        (greedy, "Flavor's memory is too small for requested image."),
    ):
        assert refusal(await yard.act(server, "rebuild", {"imageRef": image})) == (400, "badRequest", message)
    assert (yard.row(server)["task_state"], yard.actions(server)) == (None, [])


async def test_a_key_that_is_not_ones_own_and_bad_user_data_are_refused(yard: Yard) -> None:
    server = yard.server()
    answer = await yard.act(server, "rebuild", {"imageRef": yard.image, "key_name": "none"})
    assert refusal(answer) == (400, "badRequest", "Invalid key_name provided.")
    answer = await yard.act(server, "rebuild", {"imageRef": yard.image, "user_data": "x"})
    assert refusal(answer) == (400, "badRequest", "User data needs to be valid base 64.")


async def test_a_root_volume_keeps_its_image_before_2_93(yard: Yard) -> None:
    server = yard.server(image_ref="")
    row = {"uuid": MISSING, "instance_uuid": server, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    with yard.db.transaction() as tx:
        tx.insert(tables.block_device_mapping, created_at=yard.cloud.clock.now(), volume_id=MISSING, **row)
    message = f"Image {yard.image} is unacceptable: Unable to rebuild with a different image for a volume-backed server."
    assert refusal(await yard.act(server, "rebuild", {"imageRef": yard.image}, version="2.92")) == (400, "badRequest", message)
    assert (await yard.act(server, "rebuild", {"imageRef": yard.image}, version="2.93")).status == 202


BAD = [
    ({}, "Invalid input for field/attribute rebuild. Value: {}. 'imageRef' is a required property", "2.104"),
    ({"imageRef": "x"}, "Invalid input for field/attribute imageRef. Value: x. 'x' is not a 'uuid'", "2.104"),
    ({"imageRef": MISSING, "name": ""}, "Invalid input for field/attribute name. Value: . '' should be non-empty", "2.104"),
    ({"imageRef": MISSING, "accessIPv4": "x"}, "Invalid input for field/attribute accessIPv4. Value: x. 'x' is not a 'ipv4'", "2.104"),
    ({"imageRef": MISSING, "personality": []}, None, "2.57"),
    ({"imageRef": MISSING, "user_data": ""}, None, "2.56"),
    ({"imageRef": MISSING, "description": ""}, None, "2.18"),
    ({"imageRef": MISSING, "hostname": "ab"}, None, "2.89"),
    ({"imageRef": MISSING, "hostname": "-"}, None, "2.93"),
]


@pytest.mark.parametrize(("body", "message", "version"), BAD)
async def test_bad_bodies_are_refused(yard: Yard, body: Any, message: str | None, version: str) -> None:
    status, name, said = refusal(await yard.act(yard.server(), "rebuild", body, version=version))
    assert (status, name) == (400, "badRequest")
    assert said == message if message else "rebuild" in said or "hostname" in said


async def test_states_readers_and_strangers(yard: Yard) -> None:
    server, body = yard.server(vm_state="paused"), {"imageRef": yard.image}
    message = f"Cannot 'rebuild' instance {server} while it is in vm_state paused"
    assert refusal(await yard.act(server, "rebuild", body)) == (409, "conflictingRequest", message)
    assert (await yard.act(server, "rebuild", body, who="reader")).status == 403
    assert (await yard.act(server, "rebuild", body, who="stranger")).status == 404
