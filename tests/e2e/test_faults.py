"""A fault at any step, of any kind, ends in a clean state: the server runs, or failed with a reason, or was refused."""

from __future__ import annotations

import contextlib

import pytest

from mockcloud.cloud import Cloud
from mockcloud.faults import KINDS
from mockcloud.testing.client import client
from tests.conftest import MakeCloud
from tests.e2e import launching

pytestmark = pytest.mark.timeout(60)

STEPS = range(1, 29)


async def launch_and_clean(cloud: Cloud, step: int, kind: str, when: str, **options: object) -> str:
    """How the launch ended; an AssertionError when something of it stays after its deletion."""
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member)
    await admin.login()
    cloud.faults.foreign = await cloud.foreign_identity()
    cloud.faults.add(step, kind, when, **options)
    end = "refused"
    with contextlib.suppress(PermissionError):
        await member.login()
        await launching.boot(member, given, given.volume_ids[0])
    await admin.get("nova", "/v2.1/servers")  # after step 3 comes step 4 of the next request: let it be this one
    for server_id in await launching.server_ids(admin):
        end = await ended(cloud, server_id)
    struck = {fault.count for fault in cloud.faults.all()} <= {None}
    assert struck or when == "after", "nobody came by"
    cloud.faults.clear()
    for server_id in await launching.server_ids(admin):
        await launching.delete(cloud, admin, server_id)
    await launching.nothing_left(cloud)
    return end


async def ended(cloud: Cloud, server_id: str) -> str:
    """Its status, which is never BUILD; one that failed says why."""
    server = await launching.settled(cloud, client(cloud, "admin"), server_id)
    if server["status"] == "ERROR":
        assert server["fault"]["code"] == 500
        assert server["fault"]["message"]
    return str(server["status"])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_fault_at_any_step_leaves_nothing_behind(cloud: Cloud, step: int, when: str) -> None:
    end = await launch_and_clean(cloud, step, "fail", when)
    assert end in ("ACTIVE", "ERROR", "refused")


@pytest.mark.parametrize("step", [*range(13, 20), 21, 22, 24, 25, 27, 28])
async def test_a_step_that_always_fails_ends_in_error(cloud: Cloud, step: int) -> None:
    assert await launch_and_clean(cloud, step, "fail", "before", count=None) == "ERROR"


@pytest.mark.parametrize("step", [20, 23, 26])
async def test_a_service_that_never_validates_a_token_is_met_before_there_is_a_server(cloud: Cloud, step: int) -> None:
    """nova-api looks at image, network and volume in the user's name before it writes anything."""
    assert await launch_and_clean(cloud, step, "fail", "before", count=None) == "refused"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"fail"}))
@pytest.mark.parametrize("step", STEPS)
async def test_no_other_kind_of_fault_leaves_anything_behind(cloud: Cloud, step: int, kind: str, when: str) -> None:
    await launch_and_clean(cloud, step, kind, when, seconds=0.05)


# the same in the dialect cells_v2: each step and kind once, before or after the step by turns


CELLS = "cells_v2"
ONCE = [(step, kind, ("before", "after")[(step + number) % 2]) for step in STEPS for number, kind in enumerate(sorted(KINDS))]


@pytest.mark.parametrize(("step", "kind", "when"), ONCE)
async def test_in_cells_no_fault_at_any_step_leaves_anything_behind(make_cloud: MakeCloud, step: int, kind: str, when: str) -> None:
    end = await launch_and_clean(await make_cloud(dialect=CELLS), step, kind, when, seconds=0.05)
    assert end in ("ACTIVE", "ERROR", "refused")


@pytest.mark.parametrize("step", [*range(9, 20), 21, 22, 24, 25, 27, 28])
async def test_in_cells_a_step_that_always_fails_ends_in_error(make_cloud: MakeCloud, step: int) -> None:
    assert await launch_and_clean(await make_cloud(dialect=CELLS), step, "fail", "before", count=None) == "ERROR"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_in_cells_a_conductor_that_fails_to_ask_the_scheduler_leaves_nothing_behind(
    make_cloud: MakeCloud, kind: str, when: str
) -> None:
    """nova-api's cast to the conductor is step 8 too, so that this one needs the conductor's host."""
    end = await launch_and_clean(await make_cloud(dialect=CELLS), 8, kind, when, seconds=0.05, host="controller")
    assert end in ("ACTIVE", "ERROR")
