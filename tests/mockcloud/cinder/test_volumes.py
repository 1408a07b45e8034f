"""Volumes over REST, with the scheduler and the manager behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from tests.mockcloud.cinder.conftest import Cinder, MakeCloud, refusal

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def test_a_new_volume_becomes_available_and_shows_what_clients_read(member: Cinder, admin: Cinder) -> None:
    made = await member.volume(wait=False, name=" data ", description="d", metadata={"k": "v"})
    assert (made["status"], made["name"], made["volume_type"], made["attachments"]) == ("creating", "data", "__DEFAULT__", [])
    found = await member.settled(made["id"])
    assert (found["status"], found["bootable"], found["metadata"], found["size"]) == ("available", "false", {"k": "v"}, 1)
    assert found["os-vol-tenant-attr:tenant_id"] == member.project_id
    assert not {"os-vol-host-attr:host", "migration_status", "provider_id"} & set(found)
    as_admin = (await admin.get(f"/volumes/{made['id']}"))["volume"]
    assert as_admin["os-vol-host-attr:host"] == "controller@lvmdriver-1#lvmdriver-1"
    assert {"os-vol-mig-status-attr:migstat", "migration_status", "provider_id", "cluster_name"} <= set(as_admin)


@pytest.mark.parametrize(
    ("version", "absent", "present"),
    [
        ("3.0", {"group_id", "service_uuid", "shared_targets", "volume_type_id", "consumes_quota"}, {"volume_type"}),
        ("3.48", {"volume_type_id", "consumes_quota"}, {"group_id", "service_uuid", "shared_targets"}),
        ("3.65", set(), {"volume_type_id", "consumes_quota"}),
    ],
)
async def test_a_volume_shows_what_the_version_knows(member: Cinder, version: str, absent: set[str], present: set[str]) -> None:
    made = await member.volume()
    found = set((await member.get(f"/volumes/{made['id']}", version=version))["volume"])
    assert present <= found
    assert not absent & found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Invalid input received: Volume size 'None' must be an integer and greater than 0"),
        ({"size": 1, "availability_zone": "mars"}, "Availability zone 'mars' is invalid."),
        ({"size": 1, "multiattach": True}, "multiattach parameter has been removed."),
    ],
)
async def test_a_volume_that_cannot_be_is_refused_in_cinders_words(member: Cinder, body: dict[str, Any], message: str) -> None:
    answer = await member.request("POST", "/volumes", {"volume": body})
    status, name, said = refusal(answer)
    assert (status, name) == (400, "badRequest")
    assert said.startswith(message)
    assert (await member.get("/volumes"))["volumes"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"size": 1, "volume_type": "gold"}, "Volume type with name gold could not be found."),
        ({"snapshot_id": NOWHERE}, f"Snapshot {NOWHERE} could not be found."),
        ({"source_volid": NOWHERE}, f"Volume {NOWHERE} could not be found."),
        ({"size": 1, "group_id": NOWHERE}, f"Group {NOWHERE} could not be found."),
    ],
)
async def test_what_a_new_volume_names_must_be_there(member: Cinder, body: dict[str, Any], message: str) -> None:
    assert refusal(await member.request("POST", "/volumes", {"volume": body})) == (404, "itemNotFound", message)


@pytest.mark.parametrize(("version", "status"), [("3.52", 202), ("3.53", 400)])
async def test_unknown_fields_are_refused_from_3_53(member: Cinder, version: str, status: int) -> None:
    body = {"volume": {"size": 1, "colour": "red"}}
    assert (await member.request("POST", "/volumes", body, version=version)).status == status


@pytest.mark.parametrize("size", ["0", 0, -1, "ten", 1.5, ""])
async def test_a_size_must_be_a_positive_whole_number(member: Cinder, size: object) -> None:
    assert (await member.request("POST", "/volumes", {"volume": {"size": size}})).status == 400


async def test_a_copy_inherits_type_size_and_zone(member: Cinder) -> None:
    first = await member.volume(size=2, volume_type="lvmdriver-1")
    snapshot = await member.snapshot(first["id"])
    answer = await member.request("POST", "/volumes", {"volume": {"snapshot_id": snapshot["id"]}})
    second = await member.settled(answer.json()["volume"]["id"])
    assert (second["size"], second["volume_type"], second["snapshot_id"]) == (2, "lvmdriver-1", snapshot["id"])
    answer = await member.request("POST", "/volumes", {"volume": {"source_volid": first["id"], "size": 3}})
    third = await member.settled(answer.json()["volume"]["id"])
    assert (third["size"], third["source_volid"]) == (3, first["id"])
    answer = await member.request("POST", "/volumes", {"volume": {"source_volid": first["id"], "size": 1}})
    assert refusal(answer)[2] == (
        "Invalid input received: Volume size '1'GB cannot be smaller than original volume size  2GB. They must be >= original volume size."
    )


async def test_another_project_sees_no_volume(member: Cinder, user: Callable[[str], Cinder]) -> None:
    made = await member.volume()
    stranger = user("stranger")
    answer = await stranger.request("GET", f"/volumes/{made['id']}")
    assert refusal(answer) == (404, "itemNotFound", f"Volume {made['id']} could not be found.")
    assert (await stranger.get("/volumes/detail"))["volumes"] == []
    assert (await stranger.get("/volumes/detail?all_tenants=1"))["volumes"] == []
    admin = user("admin")
    assert [v["id"] for v in (await admin.get("/volumes/detail?all_tenants=1"))["volumes"]] == [made["id"]]
    assert (await admin.get("/volumes/detail"))["volumes"] == []


async def test_a_reader_reads_and_changes_nothing(member: Cinder, user: Callable[[str], Cinder]) -> None:
    made = await member.volume()
    reader = user("reader")
    assert (await reader.get(f"/volumes/{made['id']}"))["volume"]["id"] == made["id"]
    answer = await reader.request("POST", "/volumes", {"volume": {"size": 1}})
    assert refusal(answer) == (403, "forbidden", "Policy doesn't allow volume:create to be performed.")
    assert (await reader.request("DELETE", f"/volumes/{made['id']}")).status == 403


async def test_the_project_may_stand_in_the_path(member: Cinder) -> None:
    made = await member.volume()
    assert (await member.get(f"/{member.project_id}/volumes/{made['id']}"))["volume"]["id"] == made["id"]


@pytest.mark.parametrize(("method", "path"), [("PATCH", "/volumes"), ("GET", "/nothing"), ("GET", "/volumes/")])
async def test_wrong_methods_and_unknown_paths_are_404(member: Cinder, method: str, path: str) -> None:
    assert (await member.request(method, path)).status == 404


async def test_lists_are_cut_into_pages_with_links_and_counts(member: Cinder) -> None:
    made = [(await member.volume(name=f"v{n}"))["id"] for n in range(3)]
    first = await member.get("/volumes?limit=2&sort=name:asc&with_count=true")
    assert [v["id"] for v in first["volumes"]] == made[:2]
    assert first["count"] == 3
    (link,) = first["volumes_links"]
    assert link["rel"] == "next"
    assert f"marker={made[1]}" in link["href"]
    second = await member.get(f"/volumes?limit=2&sort=name:asc&marker={made[1]}")
    assert [v["id"] for v in second["volumes"]] == made[2:]
    assert "volumes_links" not in second
    assert [v["id"] for v in (await member.get("/volumes"))["volumes"]] == made[::-1]
    assert [v["id"] for v in (await member.get("/volumes?offset=1&sort_key=name&sort_dir=asc"))["volumes"]] == made[1:]
    assert (await member.get("/volumes?limit=0"))["volumes"] == []


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        (f"marker={NOWHERE}", 404, f"Volume {NOWHERE} could not be found."),
        ("sort=colour", 400, "Invalid input received: Invalid sort key"),
        ("sort=name:up", 400, "Invalid input received: Unknown sort direction, must be one of: asc, desc"),
        (
            "sort=name&sort_key=name",
            400,
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
        ),
        ("colour=red", 400, "Invalid filters colour are found in query options."),
        ("bootable=perhaps", 400, "Invalid input received: 'bootable = perhaps'"),
        ("created_at=after:2020-01-01T00:00:00", 400, "Invalid after operator"),
        ("created_at=gt:noon", 400, "Invalid noon value"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(member: Cinder, query: str, status: int, message: str) -> None:
    answer = await member.request("GET", f"/volumes?{query}")
    assert (answer.status, refusal(answer)[2]) == (status, message)


@pytest.mark.parametrize("limit", ["-1", "many", "--1", "9" * 5000])
async def test_a_limit_must_be_a_number_of_volumes(member: Cinder, limit: str) -> None:
    assert (await member.request("GET", f"/volumes?limit={limit}")).status == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=a", {"a"}),
        ("status=available", {"a", "b"}),
        ("status=error", set()),
        ("bootable=true", {"b"}),
        ("bootable=false", {"a"}),
        ("metadata=%7B%22k%22%3A%20%22v%22%7D", {"a"}),
        ("metadata=%7B'k'%3A'w'%7D", set()),
        ("metadata=k", set()),
        ("name~=b", {"b"}),
        ("created_at=gt:2020-01-01T00:00:00", {"a", "b"}),
        ("created_at=lt:2020-01-01T00:00:00", set()),
        ("consumes_quota=false", set()),
        ("size=1", {"a", "b"}),
        ("group_id=x", set()),
    ],
)
async def test_lists_are_filtered(member: Cinder, query: str, names: set[str]) -> None:
    await member.volume(name="a", metadata={"k": "v"})
    b = await member.volume(name="b")
    await member.act(b["id"], "os-set_bootable", {"bootable": True})
    assert {v["name"] for v in (await member.get(f"/volumes?{query}"))["volumes"]} == names


async def test_before_3_31_unknown_filters_of_users_go_unheard(member: Cinder) -> None:
    await member.volume(name="a")
    assert len((await member.get("/volumes?colour=red", version="3.30"))["volumes"]) == 1


async def test_a_volume_is_renamed_and_redescribed(member: Cinder) -> None:
    made = await member.volume(name="old", metadata={"a": "1"})
    answer = await member.request("PUT", f"/volumes/{made['id']}", {"volume": {"name": "new", "metadata": {"b": "2"}}})
    assert answer.status == 200
    found = (await member.get(f"/volumes/{made['id']}"))["volume"]
    assert (found["name"], found["metadata"]) == ("new", {"b": "2"})
    assert found["updated_at"] is not None
    assert (await member.request("PUT", f"/volumes/{made['id']}", {"volume": {"size": 2}})).status == 400
    assert (await member.request("PUT", f"/volumes/{made['id']}", {"volume": {}})).status == 400


async def test_a_deleted_volume_is_gone_with_its_quota(member: Cinder) -> None:
    made = await member.volume()
    assert (await member.request("DELETE", f"/volumes/{made['id']}")).status == 202
    assert await member.settled(made["id"]) == {}
    assert (await member.get("/limits"))["limits"]["absolute"]["totalVolumesUsed"] == 0
    assert (await member.request("DELETE", f"/volumes/{made['id']}")).status == 404


async def test_a_volume_with_snapshots_goes_only_with_them(member: Cinder) -> None:
    made = await member.volume()
    snapshot = await member.snapshot(made["id"])
    status, _, message = refusal(await member.request("DELETE", f"/volumes/{made['id']}"))
    assert status == 400
    assert message.startswith("Invalid volume: Volume status must be available or error or error_restoring or error_extending or ")
    assert (await member.get(f"/volumes/{made['id']}"))["volume"]["status"] == "available"
    assert (await member.request("DELETE", f"/volumes/{made['id']}?cascade=true")).status == 202
    assert await member.settled(made["id"]) == {}
    assert await member.settled(snapshot["id"], "snapshot") == {}


async def test_only_administrators_delete_by_force(member: Cinder, admin: Cinder) -> None:
    made = await member.volume()
    await admin.act(made["id"], "os-reset_status", {"status": "uploading"})
    assert (await member.request("DELETE", f"/volumes/{made['id']}")).status == 400
    assert (await member.request("DELETE", f"/volumes/{made['id']}?force=true")).status == 403
    assert (await member.act(made["id"], "os-force_delete")).status == 403
    assert (await admin.act(made["id"], "os-force_delete")).status == 202
    assert await member.settled(made["id"]) == {}


async def test_the_summary_adds_up(member: Cinder) -> None:
    await member.volume(size=1, metadata={"k": "v"})
    await member.volume(size=2, metadata={"k": "w"})
    summary = (await member.get("/volumes/summary"))["volume-summary"]
    assert summary == {"total_count": 2, "total_size": 3, "metadata": {"k": ["v", "w"]}}
    assert "metadata" not in (await member.get("/volumes/summary", version="3.12"))["volume-summary"]
    assert (await member.request("GET", "/volumes/summary", version="3.11")).status == 404


async def test_a_volume_that_no_backend_takes_is_in_error_with_a_message(member: Cinder, admin: Cinder) -> None:
    body = {"volume_type": {"name": "elsewhere", "extra_specs": {"volume_backend_name": "elsewhere"}}}
    assert (await admin.request("POST", "/types", body)).status == 200
    made = await member.volume(volume_type="elsewhere")
    assert made["status"] == "error"
    (message,) = (await member.get("/messages"))["messages"]
    assert message["user_message"] == "schedule allocate volume:Could not find any available weighted backend."
    assert (message["resource_uuid"], message["event_id"]) == (made["id"], "VOLUME_VOLUME_001_003")
    assert (await member.request("DELETE", f"/volumes/{made['id']}")).status == 202
    assert (await member.request("GET", f"/volumes/{made['id']}")).status == 404


async def test_a_killed_manager_finishes_its_work_when_it_is_back(make_cloud: MakeCloud) -> None:
    from mockcloud.testing.client import client

    cloud: Cloud = await make_cloud(services=("keystone", "cinder"), volume_seconds=100.0)
    member = Cinder(cloud, client(cloud, "member"))
    made = await member.volume(wait=False)
    worker = cloud.workers["cinder-volume@controller@lvmdriver-1"]
    await cloud.clock.sleep(0.05)
    await worker.kill()
    assert (await member.get(f"/volumes/{made['id']}"))["volume"]["status"] == "creating"
    await worker.start()
    await cloud.clock.sleep(0.05)
    cloud.clock.advance(101)
    assert (await member.settled(made["id"]))["status"] == "available"


async def test_an_unencrypted_volume_has_no_key(member: Cinder) -> None:
    made = await member.volume()
    assert await member.get(f"/volumes/{made['id']}/encryption") == {"encryption_key_id": None}
