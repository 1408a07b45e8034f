"""What nova has dropped, what it hands to others, and the small lists that old clients still read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from mockcloud.nova.instance_usage_audit_log import last_period
from specs import operations
from tests.mockcloud.nova.nova_user import Nova, refusal

GONE = [operation for operation in operations("nova") if operation.gone]
DECLINED = [operation for operation in operations("nova") if operation.declined]


def _filled(path: str) -> str:
    return "/".join("x" if part.startswith("{") else part for part in path.removeprefix("/v2.1").split("/"))


async def test_what_was_removed_is_gone(member: Nova) -> None:
    assert len(GONE) > 40
    for operation in GONE:
        body: Any = {operation.action: {}} if operation.action else {}
        sent = body if operation.method in ("post", "put") else None
        answer = await member.request(operation.method.upper(), _filled(operation.path), sent)
        assert refusal(answer) == (410, "This resource is no longer available.  No forwarding address is given."), operation.id


async def test_what_was_removed_still_asks_who_you_are(user: Callable[[str], Nova]) -> None:
    assert (await user("nobody").request("GET", "/os-cells")).status == 401


ENDS = {
    "/images/x/metadata": 38,
    "/os-networks": 35,
    "/os-tenant-networks": 35,
    "/os-floating-ips": 35,
    "/os-floating-ip-pools": 35,
    "/os-security-groups": 35,
    "/os-volumes": 35,
    "/os-snapshots": 35,
    "/os-baremetal-nodes": 35,
    "/os-hosts": 42,
    "/os-volumes_boot": 102,
}


async def test_old_ways_to_other_services_are_declined_until_they_end(admin: Nova) -> None:
    for path, last in ENDS.items():
        assert (await admin.request("GET", path, version=f"2.{last}")).status == 501, path
        answer = await admin.request("GET", path, version=f"2.{last + 1}")
        assert refusal(answer) == (404, "The resource could not be found."), path


def test_every_refusal_has_its_reason() -> None:
    assert all(operation.declined and operation.declined.endswith(".") for operation in DECLINED)


async def test_extensions_are_listed_by_alias(member: Nova) -> None:
    found = (await member.get("/extensions"))["extensions"]
    assert len(found) == 99
    assert found[0]["alias"] == "NMN"
    assert (await member.get("/extensions/os-keypairs"))["extension"]["name"] == "Keypairs"
    assert refusal(await member.request("GET", "/extensions/none"))[0] == 404
    assert (await member.request("GET", "/extensions?x=1", version="2.101")).status == 200
    assert (await member.request("GET", "/extensions?x=1", version="2.102")).status == 400


@pytest.mark.parametrize(
    ("before", "begin", "end"),
    [
        (datetime(2026, 3, 15, 1), datetime(2026, 2, 1), datetime(2026, 3, 1)),
        (datetime(2026, 3, 1), datetime(2026, 1, 1), datetime(2026, 2, 1)),
        (datetime(2026, 1, 2), datetime(2025, 12, 1), datetime(2026, 1, 1)),
    ],
)
def test_an_audit_period_is_a_whole_month(before: datetime, begin: datetime, end: datetime) -> None:
    assert last_period(before) == (begin, end)


async def test_no_host_has_audited(admin: Nova, member: Nova) -> None:
    log = (await admin.get("/os-instance_usage_audit_log"))["instance_usage_audit_logs"]
    assert (log["num_hosts"], log["num_hosts_not_run"], log["overall_status"]) == (3, 3, "0 of 3 hosts done. 0 errors.")
    log = (await admin.get("/os-instance_usage_audit_log/2026-03-15%2001:00:00"))["instance_usage_audit_log"]
    assert (log["period_beginning"], log["period_ending"]) == ("2026-02-01 00:00:00", "2026-03-01 00:00:00")
    for when in ("yesterday", "2026-03-15"):
        answer = await admin.request("GET", f"/os-instance_usage_audit_log/{when}")
        assert refusal(answer) == (400, f"Invalid timestamp for date {when}")
    assert (await admin.request("GET", "/os-instance_usage_audit_log/0001-01-01%2000:00:00")).status == 400
    assert (await member.request("GET", "/os-instance_usage_audit_log")).status == 403
    assert (await member.request("GET", "/os-instance_usage_audit_log/2026-03-15%2001:00:00")).status == 403


async def test_a_version_is_shown_by_its_id(member: Nova) -> None:
    current = (await member.get("/versions/v2.1"))["version"]
    assert (current["id"], current["status"], current["version"]) == ("v2.1", "CURRENT", "2.104")
    assert current == (await member.get(""))["version"]
    assert (await member.get("/versions/v2.0"))["version"]["status"] == "DEPRECATED"
    assert refusal(await member.request("GET", "/versions/v3"))[0] == 404
