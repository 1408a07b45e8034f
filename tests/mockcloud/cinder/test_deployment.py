"""Versions, services, zones, pools, extensions, filters, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal


@pytest.mark.parametrize(("path", "status"), [("/", 300), ("/v3/", 200)])
async def test_versions_need_no_token(user: Callable[[str], Cinder], path: str, status: int) -> None:
    answer = await user("nobody").rest.get("cinder", path)
    assert answer.status == status
    (version,) = answer.json()["versions"]
    assert (version["id"], version["version"], version["min_version"]) == ("v3.0", "3.71", "3.0")


async def test_the_path_without_its_slash_points_to_the_version_document(user: Callable[[str], Cinder]) -> None:
    answer = await user("nobody").rest.get("cinder", "/v3")
    assert (answer.status, answer.headers["location"].rsplit("/", 2)[1:]) == (302, ["v3", ""])


async def test_an_unsupported_version_is_refused(member: Cinder) -> None:
    answer = await member.request("GET", "/volumes", version="3.99")
    assert refusal(answer)[:2] == (406, "computeFault")


async def test_the_services_are_up_and_can_be_switched_off(member: Cinder, admin: Cinder) -> None:
    assert (await member.request("GET", "/os-services")).status == 403
    services = (await admin.get("/os-services"))["services"]
    assert [(s["binary"], s["state"], s["status"]) for s in services] == [
        ("cinder-scheduler", "up", "enabled"), ("cinder-volume", "up", "enabled"),
    ]  # fmt: skip
    host = services[1]["host"]
    body = {"host": host, "binary": "cinder-volume", "disabled_reason": "tea"}
    answer = await admin.request("PUT", "/os-services/disable-log-reason", body)
    assert (answer.json()["status"], answer.json()["disabled_reason"]) == ("disabled", "tea")
    assert (await admin.get("/os-services?binary=cinder-volume"))["services"][0]["disabled_reason"] == "tea"
    assert (await member.volume())["status"] == "error"
    assert (await admin.request("PUT", "/os-services/enable", {"host": host, "binary": "cinder-volume"})).status == 200
    assert (await member.volume())["status"] == "available"
    answer = await admin.request("PUT", "/os-services/disable", {"host": "nowhere", "binary": "cinder-volume"})
    assert answer.status == 404


async def test_a_service_that_stops_reporting_is_down(admin: Cinder) -> None:
    await admin.cloud.workers["cinder-volume@controller@lvmdriver-1"].kill()
    admin.cloud.clock.advance(61)
    assert (await admin.get("/os-services?binary=cinder-volume"))["services"][0]["state"] == "down"


async def test_zones_come_from_the_services(member: Cinder) -> None:
    expected = [{"zoneName": "nova", "zoneState": {"available": True}}]
    assert (await member.get("/os-availability-zone"))["availabilityZoneInfo"] == expected


async def test_pools_tell_what_is_left(member: Cinder, admin: Cinder) -> None:
    await member.volume(size=5)
    assert (await member.request("GET", "/scheduler-stats/get_pools")).status == 403
    assert (await admin.get("/scheduler-stats/get_pools"))["pools"] == [{"name": "controller@lvmdriver-1#lvmdriver-1"}]
    (pool,) = (await admin.get("/scheduler-stats/get_pools?detail=true&volume_type=lvmdriver-1"))["pools"]
    assert pool["capabilities"]["allocated_capacity_gb"] == 5
    assert (await admin.get("/scheduler-stats/get_pools?name=x"))["pools"] == []


async def test_extensions_are_listed_and_shown(member: Cinder) -> None:
    aliases = {extension["alias"] for extension in (await member.get("/extensions"))["extensions"]}
    assert {"os-volume-actions", "os-quota-sets", "os-vol-tenant-attr"} <= aliases
    assert (await member.get("/extensions/os-services"))["extension"]["name"] == "Services"
    assert (await member.request("GET", "/extensions/os-tea")).status == 404


async def test_the_filters_that_users_may_use_are_listed(member: Cinder) -> None:
    (found,) = (await member.get("/resource_filters?resource=attachment"))["resource_filters"]
    assert found == {"resource": "attachment", "filters": ["volume_id", "status", "instance_id", "attach_status"]}
    assert (await member.request("GET", "/resource_filters", version="3.32")).status == 404


async def test_messages_are_the_projects_own_and_can_be_deleted(member: Cinder, admin: Cinder, user: Callable[[str], Cinder]) -> None:
    assert (await member.get("/messages"))["messages"] == []
    await admin.request("POST", "/types", {"volume_type": {"name": "elsewhere", "extra_specs": {"volume_backend_name": "x"}}})
    first, second = [await member.volume(volume_type="elsewhere") for _ in range(2)]
    found = (await member.get(f"/messages?resource_uuid={first['id']}"))["messages"]
    assert [message["resource_uuid"] for message in found] == [first["id"]]
    assert len((await member.get("/messages?limit=1"))["messages_links"]) == 1
    path = f"/messages/{found[0]['id']}"
    assert (await user("stranger").request("GET", path)).status == 404
    assert (await member.get(path))["message"] == found[0]
    assert (await member.request("DELETE", path)).status == 204
    assert refusal(await member.request("GET", path))[2] == f"Message {found[0]['id']} could not be found."
    assert [message["resource_uuid"] for message in (await member.get("/messages"))["messages"]] == [second["id"]]
    assert (await member.request("GET", "/messages", version="3.2")).status == 404
