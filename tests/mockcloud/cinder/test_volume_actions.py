"""Size, type, flags, statuses, and a step back in time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal

SERVER = "11111111-1111-4111-8111-111111111111"


async def test_a_volume_grows(member: Cinder) -> None:
    made = await member.volume()
    assert (await member.act(made["id"], "os-extend", {"new_size": "3"})).status == 202
    assert (await member.settled(made["id"]))["size"] == 3
    assert (await member.get("/limits"))["limits"]["absolute"]["totalGigabytesUsed"] == 3


@pytest.mark.parametrize(("version", "status"), [("3.41", 400), ("3.42", 202)])
async def test_a_volume_in_use_grows_from_3_42(member: Cinder, version: str, status: int) -> None:
    made = await member.volume()
    await member.act(made["id"], "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
    answer = await member.act(made["id"], "os-extend", {"new_size": 2}, version=version)
    assert answer.status == status
    found = await member.settled(made["id"])
    assert (found["status"], found["size"]) == ("in-use", 2 if status == 202 else 1)
    if status == 400:
        message = f"Invalid volume: Volume {made['id']} status must be '{{'status': 'available'}}' to extend, currently in-use."
        assert refusal(answer)[2] == message


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1, "Invalid input received: New size for extend must be greater than current size. (current: 1, extended: 1)."),
        (0, ""),
        ("big", ""),
        (None, ""),
    ],
)
async def test_a_volume_never_shrinks(member: Cinder, size: object, message: str) -> None:
    made = await member.volume()
    answer = await member.act(made["id"], "os-extend", {"new_size": size})
    assert answer.status == 400
    assert message in refusal(answer)[2]
    assert (await member.get(f"/volumes/{made['id']}"))["volume"]["status"] == "available"


async def test_a_volume_is_made_bootable_and_readonly(member: Cinder) -> None:
    made = await member.volume()
    assert (await member.act(made["id"], "os-set_bootable", {"bootable": "true"})).status == 200
    assert (await member.act(made["id"], "os-update_readonly_flag", {"readonly": True})).status == 202
    found = (await member.get(f"/volumes/{made['id']}"))["volume"]
    assert (found["bootable"], found["metadata"]) == ("true", {"readonly": "True"})
    assert (await member.act(made["id"], "os-set_bootable", {"bootable": "perhaps"})).status == 400


async def test_a_volume_changes_its_type(member: Cinder) -> None:
    made = await member.volume()
    answer = await member.act(made["id"], "os-retype", {"new_type": "lvmdriver-1", "migration_policy": "never"})
    assert answer.status == 202
    found = await member.settled(made["id"])
    assert (found["volume_type"], found["status"]) == ("lvmdriver-1", "available")
    answer = await member.act(made["id"], "os-retype", {"new_type": "lvmdriver-1"})
    assert refusal(answer)[2].startswith("Invalid volume: Retype needs volume to be in available or in-use state")
    assert (await member.act(made["id"], "os-retype", {"new_type": "gold"})).status == 404


async def test_a_volume_goes_back_to_its_latest_snapshot_only(member: Cinder) -> None:
    made = await member.volume()
    message = f"Volume {made['id']} doesn't have any snapshots."
    assert refusal(await member.act(made["id"], "revert", {"snapshot_id": None})) == (400, "badRequest", message)
    first, latest = await member.snapshot(made["id"]), await member.snapshot(made["id"])
    answer = await member.act(made["id"], "revert", {"snapshot_id": first["id"]})
    assert refusal(answer)[2] == f"Specified snapshot {first['id']} is None or not the latest one of volume {made['id']}."
    assert (await member.act(made["id"], "revert", {"snapshot_id": latest["id"]})).status == 202
    assert (await member.settled(made["id"]))["status"] == "available"
    assert (await member.settled(latest["id"], "snapshot"))["status"] == "available"
    assert (await member.act(made["id"], "revert", {"snapshot_id": latest["id"]}, version="3.39")).status == 404


async def test_only_administrators_reset_statuses(member: Cinder, admin: Cinder) -> None:
    made = await member.volume()
    assert (await member.act(made["id"], "os-reset_status", {"status": "error"})).status == 403
    assert (await admin.act(made["id"], "os-reset_status", {"status": "ERROR"})).status == 202
    assert (await member.get(f"/volumes/{made['id']}"))["volume"]["status"] == "error"


async def test_resetting_to_detached_forgets_the_attachments(member: Cinder, admin: Cinder) -> None:
    made = await member.volume()
    await member.act(made["id"], "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
    answer = await admin.act(made["id"], "os-reset_status", {"status": "available", "attach_status": "detached"})
    assert answer.status == 202
    found = (await member.get(f"/volumes/{made['id']}"))["volume"]
    assert (found["status"], found["attachments"], found["metadata"]) == ("available", [], {"readonly": "False"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Must specify 'status', 'attach_status' or 'migration_status' for update."),
        ({"status": "deleting"}, "Cannot reset-state to deleting"),
        ({"status": "in-use"}, "Cannot reset-state to in-use because volume does not have any attachments."),
        ({"status": "asleep"}, "Volume status: asleep is invalid, valid statuses are: "),
        ({"attach_status": "glued"}, "Volume attach status: glued is invalid, valid statuses are: "),
        ({"migration_status": "flying"}, "Volume migration status: flying is invalid, valid statuses are: "),
    ],
)
async def test_a_status_that_cannot_be_set_is_refused(member: Cinder, admin: Cinder, body: dict[str, Any], message: str) -> None:
    made = await member.volume()
    answer = await admin.act(made["id"], "os-reset_status", body)
    assert answer.status == 400
    assert refusal(answer)[2].startswith(message)


@pytest.mark.parametrize("action", ["os-migrate_volume", "os-unmanage", "os-extend_volume_completion"])
async def test_what_is_not_served_says_so(member: Cinder, admin: Cinder, action: str) -> None:
    made = await member.volume()
    assert refusal(await admin.act(made["id"], action, {}))[:2] == (501, "notImplemented")


async def test_image_metadata_of_a_volume_is_set_shown_and_dropped(member: Cinder) -> None:
    made = await member.volume()
    body = {"metadata": {"os_type": "linux", "hw_disk_bus": "virtio"}}
    assert (await member.act(made["id"], "os-set_image_metadata", body)).json() == body
    assert (await member.act(made["id"], "os-show_image_metadata")).json() == body
    found = (await member.get(f"/volumes/{made['id']}"))["volume"]
    assert found["volume_image_metadata"] == body["metadata"]
    assert (await member.act(made["id"], "os-unset_image_metadata", {"key": "os_type"})).status == 200
    assert (await member.act(made["id"], "os-show_image_metadata")).json() == {"metadata": {"hw_disk_bus": "virtio"}}
    answer = await member.act(made["id"], "os-unset_image_metadata", {"key": "os_type"})
    assert refusal(answer) == (404, "itemNotFound", f"Glance metadata for volume/snapshot {made['id']} cannot be found.")
