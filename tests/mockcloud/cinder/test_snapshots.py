"""Snapshots over REST."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal

SERVER = "11111111-1111-4111-8111-111111111111"
NOWHERE = "00000000-0000-4000-8000-000000000000"


async def test_a_snapshot_is_made_shown_renamed_and_deleted(member: Cinder) -> None:
    volume = await member.volume(size=2)
    made = await member.snapshot(volume["id"], name="s", metadata={"k": "v"})
    assert (made["status"], made["size"], made["volume_id"], made["metadata"]) == ("available", 2, volume["id"], {"k": "v"})
    assert made["os-extended-snapshot-attributes:progress"] == "100%"
    answer = await member.request("PUT", f"/snapshots/{made['id']}", {"snapshot": {"name": "t", "description": "d"}})
    assert (answer.json()["snapshot"]["name"], answer.json()["snapshot"]["description"]) == ("t", "d")
    assert (await member.get("/limits"))["limits"]["absolute"]["totalGigabytesUsed"] == 4
    assert (await member.request("DELETE", f"/snapshots/{made['id']}")).status == 202
    assert await member.settled(made["id"], "snapshot") == {}
    answer = await member.request("GET", f"/snapshots/{made['id']}")
    assert refusal(answer) == (404, "itemNotFound", f"Snapshot {made['id']} could not be found.")


@pytest.mark.parametrize(
    ("version", "force", "status"),
    [("3.65", None, 400), ("3.65", True, 202), ("3.66", None, 202), ("3.66", True, 202), ("3.66", False, 400)],
)
async def test_a_volume_in_use_needs_force_until_3_66(member: Cinder, version: str, force: bool | None, status: int) -> None:
    volume = await member.volume()
    await member.act(volume["id"], "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
    body = {"volume_id": volume["id"], **({} if force is None else {"force": force})}
    answer = await member.request("POST", "/snapshots", {"snapshot": body}, version=version)
    assert answer.status == status
    if version == "3.65" and status == 400:
        message = f"Invalid volume: Volume {volume['id']} status must be available, but current status is: in-use."
        assert refusal(answer)[2] == message


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"volume_id": NOWHERE}, 404), ({"volume_id": "x"}, 400), ({"volume_id": NOWHERE, "colour": "red"}, 400)],
)
async def test_a_bad_snapshot_is_refused(member: Cinder, body: dict[str, str], status: int) -> None:
    assert (await member.request("POST", "/snapshots", {"snapshot": body})).status == status


async def test_snapshots_are_listed_filtered_and_hidden_from_others(member: Cinder, user: Callable[[str], Cinder]) -> None:
    volume, other = await member.volume(), await member.volume()
    a = await member.snapshot(volume["id"], name="a", metadata={"k": "v"})
    b = await member.snapshot(other["id"], name="b")
    expected = {
        "": {a["id"], b["id"]},
        f"?volume_id={volume['id']}": {a["id"]},
        "?name=b": {b["id"]},
        "?status=error": set(),
        "?metadata={'k':'v'}": {a["id"]},
        "?availability_zone=nova": {a["id"], b["id"]},
        "?limit=1&sort=name": {b["id"]},
    }
    for query, ids in expected.items():
        assert {s["id"] for s in (await member.get(f"/snapshots/detail{query}"))["snapshots"]} == ids, query
    assert (await member.get("/snapshots?limit=1&with_count=1"))["count"] == 2
    assert (await user("stranger").get("/snapshots"))["snapshots"] == []
    answer = await member.request("GET", f"/snapshots?marker={NOWHERE}")
    assert refusal(answer) == (404, "itemNotFound", f"Snapshot {NOWHERE} could not be found.")


async def test_a_snapshot_is_deleted_in_the_right_status_or_by_force(member: Cinder, admin: Cinder) -> None:
    made = await member.snapshot((await member.volume())["id"])
    path = f"/snapshots/{made['id']}"
    assert (await member.request("POST", f"{path}/action", {"os-reset_status": {"status": "creating"}})).status == 403
    assert (await admin.request("POST", f"{path}/action", {"os-reset_status": {"status": "creating"}})).status == 202
    message = "Invalid snapshot: Snapshot status must be available or error and must not be part of a group."
    assert refusal(await member.request("DELETE", path)) == (400, "badRequest", message)
    answer = await admin.request("POST", f"{path}/action", {"os-reset_status": {"status": "asleep"}})
    assert answer.status == 400
    assert (await admin.request("POST", f"{path}/action", {"os-force_delete": None})).status == 202
    assert await member.settled(made["id"], "snapshot") == {}


async def test_the_progress_of_a_snapshot_is_told_from_outside(member: Cinder, admin: Cinder) -> None:
    made = await member.snapshot((await member.volume())["id"])
    path = f"/snapshots/{made['id']}/action"
    answer = await member.request("POST", path, {"os-update_snapshot_status": {"status": "available"}})
    assert refusal(answer)[2] == "Snapshot status available not allowed for update_snapshot_status"
    await admin.request("POST", path, {"os-reset_status": {"status": "creating"}})
    answer = await member.request("POST", path, {"os-update_snapshot_status": {"status": "error_deleting"}})
    assert refusal(answer)[2] == "Provided snapshot status error_deleting not allowed for snapshot with status creating."
    answer = await member.request("POST", path, {"os-update_snapshot_status": {"status": "available", "progress": "90%"}})
    assert answer.status == 202
    found = (await member.get(f"/snapshots/{made['id']}"))["snapshot"]
    assert (found["status"], found["os-extended-snapshot-attributes:progress"]) == ("available", "90%")
