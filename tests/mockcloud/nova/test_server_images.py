"""Images of servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockcloud.nova import tables
from tests.mockcloud.nova.conftest import Yard, refusal

MISSING = "11111111-1111-4111-8111-111111111111"


async def _images(yard: Yard) -> list[dict[str, Any]]:
    answer = await yard.user("member").get("glance", "/v2/images", params={"visibility": "private"})
    found: list[dict[str, Any]] = answer.json()["images"]
    return found


async def test_an_image_is_queued_in_the_users_name_and_filled_by_the_compute(yard: Yard) -> None:
    server = yard.server(image_properties={"os_distro": "cirros", "img_signature": "x"}, root_gb=3)
    answer = await yard.act(server, "createImage", {"name": "shot", "metadata": {"purpose": "test"}})
    assert answer.status == 202
    (image,) = await _images(yard)
    assert answer.json() == {"image_id": image["id"]}
    assert (image["status"], image["name"], image["owner"], image["min_disk"]) == ("queued", "shot", yard.user("member").project_id, 3)
    known = {name: image.get(name) for name in ("instance_uuid", "image_type", "base_image_ref", "os_distro", "purpose", "img_signature")}
    assert known == {
        "instance_uuid": server, "image_type": "snapshot", "base_image_ref": yard.image, "os_distro": "cirros", "purpose": "test",
        "img_signature": None,
    }  # fmt: skip
    assert (yard.row(server)["task_state"], yard.actions(server)) == ("image_snapshot_pending", ["createImage"])
    assert [(method, args["image_id"]) for method, args in await yard.heard()] == [("snapshot_instance", image["id"])]


async def test_until_2_44_the_image_is_found_by_its_location(yard: Yard) -> None:
    answer = await yard.act(yard.server(), "createImage", {"name": "shot"}, version="2.44")
    (image,) = await _images(yard)
    assert (answer.status, answer.content) == (202, b"")
    assert answer.headers["location"].endswith(f"/images/{image['id']}")


@pytest.mark.parametrize(
    ("action", "body"), [("createImage", {"name": "x"}), ("createBackup", {"name": "x", "backup_type": "d", "rotation": 1})]
)
async def test_a_busy_server_makes_no_image_and_only_members_ask(yard: Yard, action: str, body: Any) -> None:
    server = yard.server(task_state="rebooting")
    message = f"Cannot '{action}' instance {server} while it is in task_state rebooting"
    assert refusal(await yard.act(server, action, body)) == (409, "conflictingRequest", message)
    assert await _images(yard) == []
    assert (await yard.act(server, action, body, who="reader")).status == 403
    assert (await yard.act(server, action, body, who="stranger")).status == 404


async def test_a_locked_server_may_be_copied(yard: Yard) -> None:
    assert (await yard.act(yard.server(locked=True), "createImage", {"name": "x"})).status == 202


async def test_an_image_of_volumes_is_made_of_snapshots(yard: Yard) -> None:
    member = yard.user("member")
    volume = (await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]["id"]
    for _ in range(200):
        await yard.cloud.clock.sleep(0)
    server = yard.server(image_ref="")
    row = {"uuid": MISSING, "instance_uuid": server, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    with yard.db.transaction() as tx:
        values = {**row, "volume_id": volume, "volume_size": 1, "device_name": "/dev/vda"}
        tx.insert(tables.block_device_mapping, created_at=yard.cloud.clock.now(), **values)
    image_id = (await yard.act(server, "createImage", {"name": "shot"})).json()["image_id"]
    image = (await member.get("glance", f"/v2/images/{image_id}")).json()
    (snapshot,) = (await member.get("cinder", "/v3/snapshots")).json()["snapshots"]
    assert (image["status"], image["size"], image["bdm_v2"], image["root_device_name"]) == ("active", 0, "True", "/dev/vda")
    (mapping,) = json.loads(image["block_device_mapping"])
    named = {name: mapping[name] for name in ("source_type", "destination_type", "snapshot_id", "boot_index", "volume_size", "volume_id")}
    assert named == {
        "source_type": "snapshot", "destination_type": "volume", "snapshot_id": snapshot["id"], "boot_index": 0, "volume_size": 1,
        "volume_id": None,
    }  # fmt: skip
    assert snapshot["name"] == "snapshot for shot"
    assert (yard.row(server)["task_state"], yard.actions(server)) == (None, ["createImage"])
    message = "Backup is not supported for volume-backed instances."
    answer = await yard.act(server, "createBackup", {"name": "x", "backup_type": "daily", "rotation": 1})
    assert refusal(answer) == (400, "badRequest", message)


async def test_of_backups_the_newest_of_each_kind_are_kept(yard: Yard) -> None:
    server, member = yard.server(), yard.user("member")
    headers = {"Content-Type": "application/octet-stream"}
    for number in range(3):
        answer = await yard.act(server, "createBackup", {"name": f"b{number}", "backup_type": "daily", "rotation": "2"})
        assert answer.status == 202
        image = answer.json()["image_id"]
        formats = [
            {"op": "add", "path": f"/{name}", "value": value} for name, value in (("disk_format", "raw"), ("container_format", "bare"))
        ]
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        assert (await member.patch("glance", f"/v2/images/{image}", json=formats, headers=patch)).status == 200
        assert (await member.put("glance", f"/v2/images/{image}/file", content=b"data", headers=headers)).status == 204
        yard.change(server, task_state=None)
    assert sorted(image["name"] for image in await _images(yard)) == ["b1", "b2"]
    assert yard.actions(server) == ["createBackup"] * 3


BAD = [
    ("createImage", {}, "Invalid input for field/attribute createImage. Value: {}. 'name' is a required property"),
    ("createImage", {"name": ""}, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
    ("createImage", {"name": "x", "metadata": {"a": 1}}, "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"),
    ("createBackup", {"name": "x", "backup_type": "daily"},
     "Invalid input for field/attribute createBackup. Value: {'name': 'x', 'backup_type': 'daily'}. 'rotation' is a required property"),
    ("createBackup", {"name": "x", "backup_type": "daily", "rotation": -1},
     "Invalid input for field/attribute rotation. Value: -1. -1 is less than the minimum of 0"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "body", "message"), BAD)
async def test_bad_bodies_are_refused(yard: Yard, action: str, body: Any, message: str) -> None:
    assert refusal(await yard.act(yard.server(), action, body)) == (400, "badRequest", message)
    assert await _images(yard) == []


async def test_what_glance_refuses_is_answered(yard: Yard) -> None:
    server = yard.server()
    answer = await yard.act(server, "createImage", {"name": "x", "metadata": {"status": "active"}})
    assert refusal(answer)[:2] == (403, "forbidden")
    assert yard.row(server)["task_state"] is None


async def test_an_administrators_image_is_shared_with_the_servers_project(yard: Yard) -> None:
    image_id = (await yard.act(yard.server(), "createImage", {"name": "shot"}, who="admin")).json()["image_id"]
    answer = await yard.user("admin").get("glance", f"/v2/images/{image_id}/members")
    assert [member["member_id"] for member in answer.json()["members"]] == [yard.user("member").project_id]


async def test_until_2_38_an_images_metadata_counts_as_a_servers(yard: Yard) -> None:
    body = {"name": "x", "metadata": {f"k{n}": "" for n in range(129)}}
    answer = await yard.act(yard.server(), "createImage", body, version="2.38")
    assert refusal(answer) == (403, "forbidden", "Image metadata limit exceeded")
    later = refusal(await yard.act(yard.server(), "createImage", body, version="2.39"))
    assert (later[0], later[2].startswith("The limit has been exceeded on the number of allowed image properties.")) == (403, True)
