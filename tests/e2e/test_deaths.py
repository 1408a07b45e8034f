"""A component that dies in the middle of a launch: the launch is resumed or fails, it never stays in BUILD."""

from __future__ import annotations

import asyncio

import pytest

from mockcloud.settings import default_hosts
from mockcloud.testing.client import client
from specs import DIALECTS
from tests.conftest import MakeCloud
from tests.e2e import launching

pytestmark = pytest.mark.timeout(120)

DELAYED = {  # the component that dies while its step lasts, by step
    9: "scheduler", 10: "scheduler", 11: "scheduler", 12: "scheduler", 13: "compute1", 14: "compute1", 15: "conductor", 16: "conductor",
    17: "conductor", 18: "compute1", 19: "compute1", 21: "compute1", 22: "compute1", 24: "compute1", 25: "compute1", 28: "compute1",
}  # fmt: skip
IN_CELLS = DELAYED | {8: "conductor", 12: "conductor"}


@pytest.mark.parametrize(
    ("dialect", "step", "name"),
    [*(("classic", *death) for death in sorted(DELAYED.items())), *(("cells_v2", *death) for death in sorted(IN_CELLS.items()))],
)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_component_killed_in_its_step_and_started_again(
    make_cloud: MakeCloud, dialect: str, step: int, name: str, when: str
) -> None:
    cloud = await make_cloud(dialect=dialect, hosts=default_hosts(1), rpc_response_timeout=3.0)
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(step, "delay", when, seconds=30, host=cloud.workers[name].host)
    post = asyncio.ensure_future(launching.boot(member, given, given.volume_ids[0]))
    while cloud.faults.armed:  # until the component is held up in its step
        await cloud.clock.sleep(0.01)
    await cloud.workers[name].restart()
    answer = await post
    assert answer.status in (202, 500)
    for server_id in await launching.server_ids(admin):
        server = await launching.settled(cloud, member, server_id)
        assert server["status"] in ("ACTIVE", "ERROR")
        await launching.delete(cloud, member, server_id)
    await launching.nothing_left(cloud)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["scheduler", "conductor"])
async def test_a_component_that_stays_dead_ends_the_launch_in_error(make_cloud: MakeCloud, dialect: str, name: str) -> None:
    cloud = await make_cloud(dialect=dialect, rpc_response_timeout=1.0)
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member)
    await cloud.workers[name].kill()
    answer = await launching.boot(member, given, given.volume_ids[0])
    if name == "conductor" or dialect == "cells_v2":  # nobody can write the server's end before the conductor is back
        assert answer.status == 202
        await cloud.clock.sleep(2)
    await cloud.workers[name].start()
    for server_id in await launching.server_ids(admin):
        server = await launching.settled(cloud, member, server_id)
        assert server["status"] in ("ACTIVE", "ERROR")
        await launching.delete(cloud, member, server_id)
    await launching.nothing_left(cloud)
