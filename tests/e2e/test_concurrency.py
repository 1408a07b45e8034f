"""Many launches at once: capacity is never exceeded, nothing is shared, nothing leaks."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter

import pytest

from mockcloud.settings import HostSeed
from mockcloud.testing.client import client
from specs import DIALECTS
from tests.conftest import MakeCloud
from tests.e2e import launching

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=DIALECTS)
def make_cloud(make_cloud: MakeCloud, request: pytest.FixtureRequest) -> MakeCloud:
    """Everything here holds in both dialects."""
    return functools.partial(make_cloud, dialect=request.param)


async def test_fifty_launches_on_room_for_forty(make_cloud: MakeCloud) -> None:
    hosts = tuple(HostSeed(f"compute{n}", vcpus=64, memory_mb=512 + 10 * 512, local_gb=100) for n in range(1, 5))  # ten m1.tiny each
    cloud = await make_cloud(hosts=hosts)
    admin, member = client(cloud, "admin"), client(cloud, "member")
    quota = {"instances": 100, "cores": 100, "ram": 100 * 512}
    assert (await admin.put("nova", f"/v2.1/os-quota-sets/{member.project_id}", json={"quota_set": quota})).status == 200
    assert (await admin.put("neutron", f"/v2.0/quotas/{member.project_id}", json={"quota": {"port": 200}})).status == 200
    given = await launching.prepare(cloud, member, volume_count=0)

    answers = await asyncio.gather(*(launching.boot(member, given, name=f"vm-{n}") for n in range(50)))
    assert Counter(answer.status for answer in answers) == {202: 50}
    ids = [answer.json()["server"]["id"] for answer in answers]
    servers = await asyncio.gather(*(launching.settled(cloud, admin, server_id, 120) for server_id in ids))

    assert Counter(server["status"] for server in servers) == {"ACTIVE": 40, "ERROR": 10}
    active = [server for server in servers if server["status"] == "ACTIVE"]
    assert Counter(server["OS-EXT-SRV-ATTR:host"] for server in active) == {host.name: 10 for host in hosts}
    assert all(server["fault"]["message"].startswith("No valid host was found") for server in servers if server["status"] == "ERROR")
    addresses = [address["addr"] for server in active for nics in server["addresses"].values() for address in nics]
    assert len(addresses) == len(set(addresses)) == 40
    assert len(await launching.guests(cloud)) == 40

    await asyncio.gather(*(launching.delete(cloud, member, server_id, 120) for server_id in ids))
    await launching.nothing_left(cloud)


async def test_one_volume_is_given_to_one_of_many(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud()
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answers = await asyncio.gather(*(launching.boot(member, given, given.volume_ids[0], name=f"vm-{n}") for n in range(5)))
    ids = [answer.json()["server"]["id"] for answer in answers if answer.status == 202]
    servers = [await launching.settled(cloud, member, server_id) for server_id in ids]
    assert [server["status"] for server in servers].count("ACTIVE") == 1
    if cloud.settings.dialect == "cells_v2":  # reserved before the answer: the losers were refused
        assert Counter(answer.status for answer in answers) == {202: 1, 400: 4}
    for server_id in ids:
        await launching.delete(cloud, member, server_id)
    await launching.nothing_left(cloud)
