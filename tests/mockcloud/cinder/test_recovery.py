"""A cloud that was killed in the middle of its work, and started again."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from mockcloud.cinder.tables import snapshots, volumes
from mockcloud.cloud import Cloud
from mockcloud.testing.client import client
from tests.mockcloud.cinder.conftest import Cinder, MakeCloud

SERVER = "11111111-1111-4111-8111-111111111111"
ENDS = {
    "available": "available", "error": "error", "creating": "error", "downloading": "error", "extending": "error_extending",
    "reverting": "error", "uploading": "available", "retyping": "available", "attaching": "attaching",
}  # fmt: skip


def _interrupt(cloud: Cloud, volume_id: str, status: str) -> None:
    with cloud.services["cinder"].db.transaction() as tx:
        tx.execute(update(volumes).where(volumes.c.id == volume_id).values(status=status, new_size=5, previous_status="available"))


async def test_work_under_way_is_over_after_a_restart(make_cloud: MakeCloud, tmp_path: Path) -> None:
    first = await make_cloud(services=("keystone", "cinder"), state_dir=str(tmp_path))
    member = Cinder(first, client(first, "member"))
    made = {status: (await member.volume(size=3, metadata={"a": "b"}))["id"] for status in ENDS}
    for status, volume_id in made.items():
        _interrupt(first, volume_id, status)
    await first.stop()
    second = await make_cloud(services=("keystone", "cinder"), state_dir=str(tmp_path))
    member = Cinder(second, client(second, "member"))
    found = {volume["id"]: volume for volume in (await member.get("/volumes/detail"))["volumes"]}
    assert {status: found[volume_id]["status"] for status, volume_id in made.items()} == ENDS
    assert all((volume["size"], volume["metadata"]) == (3, {"a": "b"}) for volume in found.values())
    assert (await member.request("DELETE", f"/volumes/{made['extending']}")).status == 202
    assert await member.settled(made["extending"]) == {}


async def test_what_was_being_deleted_is_gone_after_a_restart(make_cloud: MakeCloud, tmp_path: Path) -> None:
    first = await make_cloud(services=("keystone", "cinder"), state_dir=str(tmp_path))
    member = Cinder(first, client(first, "member"))
    going, kept = await member.volume(), await member.volume()
    await member.snapshot(going["id"])
    halves = [await member.snapshot(kept["id"]) for _ in range(2)]
    _interrupt(first, going["id"], "deleting")
    with first.services["cinder"].db.transaction() as tx:
        for snapshot, status in zip(halves, ("creating", "deleting"), strict=True):
            tx.execute(update(snapshots).where(snapshots.c.id == snapshot["id"]).values(status=status))
    await first.stop()
    second = await make_cloud(services=("keystone", "cinder"), state_dir=str(tmp_path))
    member = Cinder(second, client(second, "member"))
    assert [volume["id"] for volume in (await member.get("/volumes"))["volumes"]] == [kept["id"]]
    assert [(one["id"], one["status"]) for one in (await member.get("/snapshots"))["snapshots"]] == [(halves[0]["id"], "error")]


async def test_attachments_outlive_a_restart(make_cloud: MakeCloud, tmp_path: Path) -> None:
    first = await make_cloud(services=("keystone", "cinder"), state_dir=str(tmp_path))
    member = Cinder(first, client(first, "member"))
    volume = await member.volume()
    await member.act(volume["id"], "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb", "mode": "rw"})
    _interrupt(first, volume["id"], "uploading")
    await first.stop()
    second = await make_cloud(services=("keystone", "cinder"), state_dir=str(tmp_path))
    found = (await Cinder(second, client(second, "member")).get(f"/volumes/{volume['id']}"))["volume"]
    assert found["status"] == "in-use"
    assert [one["server_id"] for one in found["attachments"]] == [SERVER]
