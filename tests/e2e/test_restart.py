"""A cloud with a state directory is stopped, or dies, and is there again: everything goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client
from specs import DIALECTS
from tests.e2e import launching

MakeCloud = Callable[..., Awaitable[Cloud]]


async def _act(cloud: Cloud, member: Client, server: str, *actions: str) -> dict[str, Any]:
    for action in actions:
        body: dict[str, Any] = {action: {"flavorRef": "2"} if action == "resize" else None}
        answer = await member.post("nova", f"/v2.1/servers/{server}/action", json=body)
        assert answer.status in (200, 202, 204), answer.content
        shown = await launching.settled(cloud, member, server)
        for _ in range(500):  # a confirmation is no task
            if action != "confirmResize" or shown["status"] != "VERIFY_RESIZE":
                break
            await cloud.clock.sleep(0.01)
            shown = await launching.settled(cloud, member, server)
    return shown


async def _again(make_cloud: MakeCloud, cloud: Cloud, folder: Path, member: Client) -> tuple[Cloud, Client]:
    """The cloud after a restart, and its member with the token of before."""
    await cloud.stop()
    after = await make_cloud(state_dir=str(folder), dialect=cloud.settings.dialect)
    same = client(after, "member")
    same.token = member.token
    return after, same


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_server_with_its_port_and_volume_outlives_the_process(make_cloud: MakeCloud, tmp_path: Path, dialect: str) -> None:
    before = await make_cloud(state_dir=str(tmp_path), dialect=dialect)
    member = client(before, "member")
    given = await launching.prepare(before, member)
    made = await launching.boot(member, given, given.volume_ids[0])
    server = await launching.settled(before, member, made.json()["server"]["id"])
    new = {"name": "mine", "disk_format": "raw", "container_format": "bare"}
    image = (await member.post("glance", "/v2/images", json=new)).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    await member.put("glance", f"/v2/images/{image}/file", content=b"what is in it", headers=octets)

    after, member = await _again(make_cloud, before, tmp_path, member)
    shown = await launching.settled(after, member, server["id"])
    assert {**shown, "updated": ""} == {**server, "updated": ""}
    volume = (await member.get("cinder", f"/v3/volumes/{given.volume_ids[0]}")).json()["volume"]
    assert (volume["status"], volume["attachments"][0]["server_id"]) == ("in-use", server["id"])
    (port,) = (await member.get("neutron", "/v2.0/ports", params={"device_id": server["id"]})).json()["ports"]
    assert (port["status"], port["fixed_ips"][0]["ip_address"]) == ("ACTIVE", shown["addresses"]["private"][0]["addr"])
    data = await member.get("glance", f"/v2/images/{image}/file")
    assert b"".join([chunk async for chunk in data.stream] if data.stream else [data.content]) == b"what is in it"
    assert (await _act(after, member, server["id"], "os-stop", "os-start"))["status"] == "ACTIVE"
    second = await launching.boot(member, given)
    assert (await launching.settled(after, member, second.json()["server"]["id"]))["status"] == "ACTIVE"
    for one in (server["id"], second.json()["server"]["id"]):
        await launching.delete(after, member, one)
    await launching.nothing_left(after)


@pytest.mark.parametrize(
    "before,status,then",
    [
        (["os-stop"], "SHUTOFF", ["os-start"]),
        (["pause"], "PAUSED", ["unpause"]),
        (["suspend"], "SUSPENDED", ["resume"]),
        (["rescue"], "RESCUE", ["unrescue"]),
        (["resize"], "VERIFY_RESIZE", ["confirmResize"]),
        (["resize"], "VERIFY_RESIZE", ["revertResize"]),
    ],
)
async def test_a_server_in_any_state_goes_on_from_there(
    make_cloud: MakeCloud, tmp_path: Path, before: list[str], status: str, then: list[str]
) -> None:
    cloud = await make_cloud(state_dir=str(tmp_path))
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member, 0)
    server = (await launching.boot(member, given)).json()["server"]["id"]
    await launching.settled(cloud, member, server)
    await _act(cloud, member, server, *before)
    after, member = await _again(make_cloud, cloud, tmp_path, member)
    assert (await launching.settled(after, member, server))["status"] == status
    assert (await _act(after, member, server, *then))["status"] == "ACTIVE"
    await launching.delete(after, member, server)
    await launching.nothing_left(after)


@pytest.mark.parametrize(
    ("dialect", "step"), [("classic", 9), ("classic", 13), *(("cells_v2", step) for step in (8, 9, 10, 11, 12, 13, 14, 19, 22, 25, 28))]
)
async def test_a_build_that_was_cut_off_ends_in_error_and_leaves_nothing(
    make_cloud: MakeCloud, tmp_path: Path, dialect: str, step: int
) -> None:
    """The messages within the process died with it."""
    cloud = await make_cloud(state_dir=str(tmp_path), dialect=dialect)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(step, "delay", "before", seconds=30)
    post = asyncio.ensure_future(launching.boot(member, given, given.volume_ids[0]))
    while cloud.faults.armed:
        await cloud.clock.sleep(0.01)
    (server,) = await launching.server_ids(client(cloud, "admin"))
    after, member = await _again(make_cloud, cloud, tmp_path, member)
    post.cancel()
    await asyncio.gather(post, return_exceptions=True)
    shown = await launching.settled(after, member, server)
    assert (shown["status"], shown["fault"]["code"], shown["hostId"]) == ("ERROR", 500, "")
    await launching.delete(after, member, server)
    await launching.nothing_left(after)
