"""Hypervisors: their ids, fields and queries by version."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from mockcloud.cloud import Cloud
from mockcloud.nova.tables import instances, services
from tests.mockcloud.nova.nova_user import Nova, refusal

PATH = "/os-hypervisors"
SIZES = {"vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb", "free_disk_gb"}
SIZES |= {"current_workload", "running_vms", "disk_available_least", "cpu_info"}


@pytest.fixture
def server(nova_cloud: Cloud) -> str:
    """A server on compute1."""
    id = str(uuid.uuid4())
    with nova_cloud.services["nova"].db.transaction() as tx:
        values = {"project_id": "p", "user_id": "u", "display_name": "s", "flavor": {}, "vcpus": 1, "memory_mb": 1, "root_gb": 1}
        tx.insert(instances, uuid=id, created_at=nova_cloud.clock.now(), host="compute1", **values)
    return id


@pytest.mark.parametrize(("version", "kind"), [("2.1", int), ("2.52", int), ("2.53", str), ("2.104", str)])
async def test_hypervisors_are_known_by_number_until_2_52(admin: Nova, version: str, kind: type) -> None:
    found = (await admin.get(PATH, version))["hypervisors"]
    assert [h["hypervisor_hostname"] for h in found] == ["compute1", "compute2", "compute3"]
    assert set(found[0]) == {"id", "hypervisor_hostname", "state", "status"}
    assert isinstance(found[0]["id"], kind)
    shown = (await admin.get(f"{PATH}/{found[0]['id']}", version))["hypervisor"]
    assert (shown["hypervisor_hostname"], shown["state"], shown["status"]) == ("compute1", "up", "enabled")
    assert isinstance(shown["service"]["id"], kind)
    assert (await admin.get(f"{PATH}/detail", version))["hypervisors"][0] == shown


@pytest.mark.parametrize(("version", "sizes", "uptime"), [("2.87", SIZES, set()), ("2.88", set(), {"uptime"})])
async def test_sizes_went_with_2_88_and_the_uptime_came(admin: Nova, version: str, sizes: set[str], uptime: set[str]) -> None:
    shown = (await admin.get(f"{PATH}/detail", version))["hypervisors"][0]
    always = {"id", "hypervisor_hostname", "state", "status", "hypervisor_type", "hypervisor_version", "host_ip", "service"}
    assert set(shown) == always | sizes | uptime
    if sizes:
        assert (shown["vcpus"], shown["memory_mb"], shown["free_disk_gb"]) == (16, 65_536, 1_024)


@pytest.mark.parametrize(("version", "kind"), [("2.27", str), ("2.28", dict)])
async def test_cpu_info_was_text_until_2_27(admin: Nova, version: str, kind: type) -> None:
    assert isinstance((await admin.get(f"{PATH}/detail", version))["hypervisors"][0]["cpu_info"], kind)


async def test_a_hypervisor_is_down_and_disabled_with_its_service(admin: Nova, nova_cloud: Cloud) -> None:
    with nova_cloud.services["nova"].db.transaction() as tx:
        gone = {"disabled": True, "disabled_reason": "repair", "last_seen_up": nova_cloud.clock.now() - timedelta(hours=1)}
        tx.execute(update(services).where(services.c.host == "compute1").values(**gone))
    shown = (await admin.get(f"{PATH}/detail"))["hypervisors"][0]
    assert (shown["state"], shown["status"], shown["service"]["disabled_reason"], shown["uptime"]) == ("down", "disabled", "repair", None)
    number = (await admin.get(PATH, "2.52"))["hypervisors"][0]["id"]
    assert (await admin.request("GET", f"{PATH}/{number}/uptime", version="2.52")).status == 400


async def test_statistics_and_uptime_had_paths_of_their_own_until_2_87(admin: Nova) -> None:
    sums = (await admin.get(f"{PATH}/statistics", "2.87"))["hypervisor_statistics"]
    assert (sums["count"], sums["vcpus"], sums["memory_mb"], sums["local_gb"]) == (3, 56, 229_376, 3_584)
    id = (await admin.get(PATH))["hypervisors"][0]["id"]
    shown = (await admin.get(f"{PATH}/{id}/uptime", "2.87"))["hypervisor"]
    assert set(shown) == {"id", "hypervisor_hostname", "state", "status", "uptime"}
    assert " up " in shown["uptime"]
    for path in (f"{PATH}/statistics", f"{PATH}/{id}/uptime"):
        assert (await admin.request("GET", path, version="2.88")).status == 404


async def test_hypervisors_are_searched_by_a_path_until_2_52_and_by_query_since(admin: Nova, server: str) -> None:
    assert len((await admin.get(f"{PATH}/compute/search", "2.52"))["hypervisors"]) == 3
    by_path = (await admin.get(f"{PATH}/compute1/servers", "2.52"))["hypervisors"][0]
    assert by_path["servers"] == [{"name": "instance-00000001", "uuid": server}]
    assert "servers" not in (await admin.get(f"{PATH}/compute2/servers", "2.52"))["hypervisors"][0]
    for path in (f"{PATH}/compute/search", f"{PATH}/compute/servers"):
        assert (await admin.request("GET", path, version="2.53")).status == 404
    (by_query,) = (await admin.get(f"{PATH}?hypervisor_hostname_pattern=ute1&with_servers=true", "2.53"))["hypervisors"]
    assert by_query["servers"] == by_path["servers"]
    missing = (404, "No hypervisor matching 'nothing' could be found.")
    assert refusal(await admin.request("GET", f"{PATH}/nothing/search", version="2.52")) == missing
    assert refusal(await admin.request("GET", f"{PATH}/nothing/servers", version="2.52")) == missing
    assert refusal(await admin.request("GET", f"{PATH}?hypervisor_hostname_pattern=nothing")) == missing


@pytest.mark.parametrize(("version", "shown"), [("2.74", False), ("2.75", True)])
async def test_no_servers_are_an_empty_list_from_2_75(admin: Nova, version: str, shown: bool) -> None:
    for path in (f"{PATH}?with_servers=1", f"{PATH}/detail?with_servers=on"):
        assert ("servers" in (await admin.get(path, version))["hypervisors"][0]) is shown
    id = (await admin.get(PATH))["hypervisors"][0]["id"]
    assert ("servers" in (await admin.get(f"{PATH}/{id}?with_servers=yes", version))["hypervisor"]) is shown


async def test_pages_follow_from_2_33(admin: Nova) -> None:
    for version in ("2.33", "2.53"):
        first = await admin.get(f"{PATH}?limit=2", version)
        marker = first["hypervisors"][1]["id"]
        assert first["hypervisors_links"][0]["href"].endswith(f"/os-hypervisors?limit=2&marker={marker}")
        rest = await admin.get(f"{PATH}?limit=2&marker={marker}", version)
        assert [h["hypervisor_hostname"] for h in rest["hypervisors"]] == ["compute3"]
        assert "hypervisors_links" not in rest
    assert len((await admin.get(f"{PATH}?limit=2", "2.32"))["hypervisors"]) == 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("marker=none", "marker [none] not found"),
        ("limit=x", "'x' does not match '^[0-9]*$'"),
        ("with_servers=maybe", "'maybe' is not one of"),
        ("hypervisor_hostname_pattern=", "should be non-empty"),
        ("hypervisor_hostname_pattern=a%20b", "'a b' does not match"),
        ("hypervisor_hostname_pattern=c&limit=1", "Paging over hypervisors with the hypervisor_hostname_pattern query parameter"),
        ("colour=red", "('colour' was unexpected)"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(admin: Nova, query: str, message: str) -> None:
    for path in (PATH, f"{PATH}/detail"):
        status, said = refusal(await admin.request("GET", f"{path}?{query}"))
        assert status == 400
        assert message in said


@pytest.mark.parametrize(
    ("version", "id", "status", "message"),
    [
        ("2.52", "99", 404, "Hypervisor with ID '99' could not be found."),
        ("2.52", "x", 404, "Hypervisor with ID 'x' could not be found."),
        ("2.53", "1", 400, "Invalid uuid 1"),
        (
            "2.53",
            "7ad08e2b-4e1c-4b52-a9d6-6a4e4b7f3b11",
            404,
            "Hypervisor with ID '7ad08e2b-4e1c-4b52-a9d6-6a4e4b7f3b11' could not be found.",
        ),
    ],
)
async def test_a_hypervisor_that_is_not_there(admin: Nova, version: str, id: str, status: int, message: str) -> None:
    for path in (f"{PATH}/{id}", f"{PATH}/{id}/uptime"):
        assert refusal(await admin.request("GET", path, version=version)) == (status, message)


async def test_hypervisors_are_the_administrators(user: Callable[[str], Nova]) -> None:
    paths: list[tuple[str, Any]] = [(p, "2.52") for p in ("", "/detail", "/statistics", "/1", "/1/uptime", "/c/search", "/c/servers")]
    for who in ("member", "reader"):
        for path, version in paths:
            assert (await user(who).request("GET", f"{PATH}{path}", version=version)).status == 403
