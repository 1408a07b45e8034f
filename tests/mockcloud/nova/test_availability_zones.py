"""Zones as services stand in them."""

from __future__ import annotations

from sqlalchemy import update

from mockcloud.cloud import Cloud
from mockcloud.nova.tables import services
from tests.mockcloud.nova.nova_user import Nova

PATH = "/os-availability-zone"


async def test_users_see_the_zones_without_their_hosts(member: Nova) -> None:
    wanted = [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
    assert (await member.get(PATH))["availabilityZoneInfo"] == wanted


async def test_administrators_see_hosts_and_services(admin: Nova, member: Nova, nova_cloud: Cloud) -> None:
    await nova_cloud.clock.sleep(0)
    zones = {zone["zoneName"]: zone for zone in (await admin.get(f"{PATH}/detail"))["availabilityZoneInfo"]}
    assert "nova" in zones
    assert set(zones["nova"]["hosts"]) == {"compute1", "compute2", "compute3"}
    shown = zones["nova"]["hosts"]["compute1"]["nova-compute"]
    assert (shown["active"], shown["available"]) == (True, True)
    assert (await member.request("GET", f"{PATH}/detail")).status == 403


async def test_controllers_are_in_the_internal_zone(admin: Nova, member: Nova, nova_cloud: Cloud) -> None:
    now = nova_cloud.clock.now()
    with nova_cloud.services["nova"].db.transaction() as tx:
        tx.insert(services, uuid="u", created_at=now, host="ctl", binary="nova-scheduler", topic="scheduler", last_seen_up=now)
    zones = {zone["zoneName"]: zone for zone in (await admin.get(f"{PATH}/detail"))["availabilityZoneInfo"]}
    assert "nova-scheduler" in zones["internal"]["hosts"]["ctl"]
    assert "internal" not in {zone["zoneName"] for zone in (await member.get(PATH))["availabilityZoneInfo"]}


async def test_a_zone_of_disabled_hosts_is_not_available(admin: Nova, nova_cloud: Cloud) -> None:
    with nova_cloud.services["nova"].db.transaction() as tx:
        tx.execute(update(services).where(services.c.binary == "nova-compute").values(disabled=True))
    wanted = {"zoneName": "nova", "zoneState": {"available": False}, "hosts": None}
    assert (await admin.get(PATH))["availabilityZoneInfo"] == [wanted]
    assert wanted in (await admin.get(f"{PATH}/detail"))["availabilityZoneInfo"]


async def test_an_aggregate_puts_its_hosts_into_its_zone(admin: Nova, member: Nova) -> None:
    await admin.post("/os-aggregates", {"aggregate": {"name": "e", "availability_zone": "east"}})
    await admin.post("/os-aggregates/1/action", {"add_host": {"host": "compute1"}})
    assert [zone["zoneName"] for zone in (await member.get(PATH))["availabilityZoneInfo"]] == ["east", "nova"]


async def test_unknown_queries_are_refused_from_2_102(admin: Nova) -> None:
    for path in (PATH, f"{PATH}/detail"):
        assert (await admin.request("GET", f"{path}?x=1", version="2.101")).status == 200
        assert (await admin.request("GET", f"{path}?x=1", version="2.102")).status == 400
