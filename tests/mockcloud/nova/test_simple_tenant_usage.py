"""Usage: hours of a period, by project and server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.nova.simple_tenant_usage import Period
from mockcloud.nova.tables import instances
from tests.mockcloud.nova.nova_user import Nova, refusal

PATH = "/os-simple-tenant-usage"
FLAVOR = {"name": "m1.small", "vcpus": 2, "memory_mb": 512, "root_gb": 10, "ephemeral_gb": 5}
NOON = datetime(2026, 1, 1, 12)


@pytest.mark.parametrize(
    ("launched", "terminated", "hours"),
    [(None, None, 0), (-1, None, 2), (1, None, 1), (-3, -1, 0), (-1, 1, 1), (0, 5, 2), (3, None, 0)],
)
def test_only_hours_of_the_period_count(launched: int | None, terminated: int | None, hours: float) -> None:
    def at(offset: int | None) -> datetime | None:
        return None if offset is None else NOON + timedelta(hours=offset)

    server = {"launched_at": at(launched), "terminated_at": at(terminated)}
    assert Period(NOON, NOON + timedelta(hours=2)).hours_of(server) == hours


def _server(cloud: Cloud, nova: Nova, hours: float, **values: Any) -> str:
    """A server that was launched so many hours ago."""
    id, now = str(uuid.uuid4()), cloud.clock.now()
    row = {"project_id": nova.project_id, "user_id": nova.user_id, "display_name": "s", "flavor": FLAVOR, "vm_state": "active"}
    with cloud.services["nova"].db.transaction() as tx:
        launched = now - timedelta(hours=hours)
        tx.insert(instances, uuid=id, created_at=now, vcpus=2, memory_mb=512, root_gb=10, **{"launched_at": launched, **row, **values})
    return id


def _since(cloud: Cloud, hours: int) -> str:
    return f"start={(cloud.clock.now() - timedelta(hours=hours)):%Y-%m-%dT%H:%M:%S.%f}"


async def test_a_projects_usage_is_the_sum_of_its_servers(member: Nova, nova_cloud: Cloud) -> None:
    running = _server(nova_cloud, member, 2)
    ended = nova_cloud.clock.now() - timedelta(hours=1)
    gone = _server(nova_cloud, member, 3, launched_at=ended - timedelta(hours=2), terminated_at=ended, deleted_at=ended, vm_state="deleted")
    _server(nova_cloud, member, 1, launched_at=None)
    usage = (await member.get(f"{PATH}/{member.project_id}?{_since(nova_cloud, 10)}"))["tenant_usage"]
    assert usage["total_hours"] == pytest.approx(4, abs=0.01)
    assert usage["total_vcpus_usage"] == pytest.approx(8, abs=0.02)
    assert usage["total_memory_mb_usage"] == pytest.approx(2048, abs=5)
    assert usage["total_local_gb_usage"] == pytest.approx(60, abs=0.2)
    servers = {server["instance_id"]: server for server in usage["server_usages"]}
    assert set(servers) == {running, gone}
    assert (servers[running]["state"], servers[running]["ended_at"], servers[running]["flavor"]) == ("active", None, "m1.small")
    assert (servers[gone]["state"], servers[gone]["uptime"]) == ("terminated", 7200)


async def test_a_project_without_servers_has_an_empty_usage(member: Nova, nova_cloud: Cloud) -> None:
    assert await member.get(f"{PATH}/{member.project_id}?{_since(nova_cloud, 1)}") == {"tenant_usage": {}}


async def test_without_a_period_there_is_no_usage_in_it(member: Nova, nova_cloud: Cloud) -> None:
    _server(nova_cloud, member, 2)
    usage = (await member.get(f"{PATH}/{member.project_id}"))["tenant_usage"]
    assert (usage["total_hours"], len(usage["server_usages"])) == (0, 1)


async def test_administrators_list_all_projects(user: Callable[[str], Nova], nova_cloud: Cloud) -> None:
    member, stranger, admin = user("member"), user("stranger"), user("admin")
    _server(nova_cloud, member, 2)
    _server(nova_cloud, stranger, 1)
    found = (await admin.get(f"{PATH}?{_since(nova_cloud, 10)}"))["tenant_usages"]
    assert {usage["tenant_id"] for usage in found} == {member.project_id, stranger.project_id}
    assert "server_usages" not in found[0]
    detailed = (await admin.get(f"{PATH}?detailed=1&{_since(nova_cloud, 10)}"))["tenant_usages"]
    assert len(detailed[0]["server_usages"]) == 1
    assert (await member.request("GET", PATH)).status == 403
    assert (await stranger.request("GET", f"{PATH}/{member.project_id}")).status == 403
    assert (await user("reader").get(f"{PATH}/{member.project_id}?{_since(nova_cloud, 10)}"))["tenant_usage"]["total_hours"] > 1


async def test_pages_are_of_servers_from_2_40(member: Nova, admin: Nova, nova_cloud: Cloud) -> None:
    ids = sorted(_server(nova_cloud, member, 2) for _ in range(3))
    path = f"{PATH}/{member.project_id}"
    query = _since(nova_cloud, 10)
    first = await member.get(f"{path}?{query}&limit=2")
    assert [server["instance_id"] for server in first["tenant_usage"]["server_usages"]] == ids[:2]
    link = first["tenant_usage_links"][0]["href"]
    assert f"{path}?limit=2&start=" in link
    assert link.endswith(f"&marker={ids[1]}")
    rest = await member.get(f"{path}?{query}&limit=2&marker={ids[1]}")
    assert [server["instance_id"] for server in rest["tenant_usage"]["server_usages"]] == ids[2:]
    assert "tenant_usages_links" in await admin.get(f"{PATH}?{query}&limit=2")
    assert len((await member.get(f"{path}?{query}&limit=2", "2.39"))["tenant_usage"]["server_usages"]) == 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("start=yesterday", "Invalid datetime string: Datetime is in invalid format"),
        ("start=2026-01-02T00:00:00&end=2026-01-01T00:00:00", "Invalid start time. The start time cannot occur after the end time."),
        ("start=2026-01-02T00:00:00&marker=none", "Marker none could not be found."),
        ("start=2026-01-02T00:00:00&limit=x", "'x' does not match '^[0-9]*$'"),
        ("start=2026-01-02T00:00:00&colour=red", "('colour' was unexpected)"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(admin: Nova, query: str, message: str) -> None:
    for path in (PATH, f"{PATH}/{admin.project_id}"):
        status, said = refusal(await admin.request("GET", f"{path}?{query}"))
        assert status == 400
        assert message in said
