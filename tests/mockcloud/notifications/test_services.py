"""What glance, cinder, neutron and keystone tell, and that telling never gets in the way."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.bus.memory import MemoryBus
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client
from tests.conftest import MakeCloud
from tests.e2e import launching

Json = dict[str, Any]
IMAGE = {"name": "i", "disk_format": "raw", "container_format": "bare"}


@pytest.fixture
def member(cloud: Cloud) -> Client:
    return client(cloud, "member")


def told(cloud: Cloud, prefix: str) -> list[tuple[str, Json]]:
    facts = [fact for fact in cloud.recorder.facts() if fact.kind == "notification" and fact.name.startswith(prefix)]
    return [(fact.name, fact.attributes["payload"]) for fact in facts]


async def test_the_life_of_an_image_is_told(cloud: Cloud, member: Client) -> None:
    image = (await member.post("glance", "/v2/images", json=IMAGE)).json()["id"]
    stream = {"Content-Type": "application/octet-stream"}
    await member.request("glance", "PUT", f"/v2/images/{image}/file", content=b"12345", headers=stream)
    await member.get("glance", f"/v2/images/{image}/file")
    await member.delete("glance", f"/v2/images/{image}")
    events = [(name, payload) for name, payload in told(cloud, "image.") if image in (payload.get("id"), payload.get("image_id"))]
    assert [name for name, _ in events] == [
        "image.create", "image.prepare", "image.upload", "image.activate", "image.send", "image.delete",
    ]  # fmt: skip
    by_name = dict(events)
    assert by_name["image.send"] == {
        "bytes_sent": 5, "image_id": image, "owner_id": member.project_id, "receiver_tenant_id": member.project_id,
        "receiver_user_id": member.user_id,
    }  # fmt: skip
    assert (by_name["image.activate"]["status"], by_name["image.activate"]["size"]) == ("active", 5)
    assert by_name["image.delete"]["deleted"] is True


async def test_a_part_of_an_image_is_told_as_what_it_is(cloud: Cloud, member: Client) -> None:
    image = (await member.get("glance", "/v2/images", params={"name": "cirros"})).json()["images"][0]["id"]
    await member.request("glance", "GET", f"/v2/images/{image}/file", headers={"Range": "bytes=0-9"})
    ((_, payload),) = told(cloud, "image.send")
    assert payload["bytes_sent"] == 10


@pytest.mark.parametrize(("password", "outcome"), [("secret", "success"), ("wrong", "failure")])
async def test_a_login_is_told_with_its_outcome(cloud: Cloud, password: str, outcome: str) -> None:
    user = {"name": "demo", "domain": {"id": "default"}, "password": password}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    answer = await client(cloud, "nobody").post("keystone", "/v3/auth/tokens", json=body)
    event = next(payload for _, payload in told(cloud, "identity.") if payload["initiator"].get("username") == "demo")
    assert (event["action"], event["outcome"], event["eventType"]) == ("authenticate", outcome, "activity")
    assert event["initiator"]["request_id"] == answer.headers["x-openstack-request-id"]
    assert event["initiator"]["user_id"] == cloud.id_for("user", "demo")
    assert password not in str(event)


async def test_a_login_of_nobody_that_is_known_is_not_told(cloud: Cloud) -> None:
    user = {"name": "nobody", "domain": {"id": "default"}, "password": "x"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    assert (await client(cloud, "nobody").post("keystone", "/v3/auth/tokens", json=body)).status == 401
    assert {payload["outcome"] for _, payload in told(cloud, "identity.")} <= {"success"}, "the services' own logins"


async def test_a_token_shown_again_is_no_login(cloud: Cloud, member: Client) -> None:
    token = await member.login()
    before = len(told(cloud, "identity."))
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    assert (await client(cloud, "nobody").post("keystone", "/v3/auth/tokens", json=body)).status == 201
    assert len(told(cloud, "identity.")) == before


async def test_the_life_of_a_volume_is_told_by_its_host(cloud: Cloud, member: Client) -> None:
    volume = await launching.create_volume(cloud, member)
    await member.delete("cinder", f"/v3/volumes/{volume}")
    for _ in range(200):
        if (await member.get("cinder", f"/v3/volumes/{volume}")).status == 404:
            break
        await cloud.clock.sleep(0.01)
    events = told(cloud, "volume.")
    assert [name for name, _ in events] == ["volume.create.start", "volume.create.end", "volume.delete.start", "volume.delete.end"]
    assert [payload["status"] for _, payload in events] == ["creating", "available", "deleting", "deleting"]
    publishers = {f.attributes["publisher_id"] for f in cloud.recorder.facts() if f.name.startswith("volume.") and f.kind == "notification"}
    assert all(one.startswith("volume.") and "@" in one for one in publishers)


async def test_every_change_of_a_network_is_told_as_asked_and_as_done(cloud: Cloud, member: Client) -> None:
    made = await member.post("neutron", "/v2.0/networks", json={"network": {"name": "n"}})
    network = made.json()["network"]["id"]
    await member.put("neutron", f"/v2.0/networks/{network}", json={"network": {"name": "m"}})
    await member.delete("neutron", f"/v2.0/networks/{network}")
    events = told(cloud, "network.")
    assert [name for name, _ in events] == [
        f"network.{what}.{when}" for what in ("create", "update", "delete") for when in ("start", "end")
    ]
    assert [payload for _, payload in events][:2] == [{"network": {"name": "n"}}, made.json()]
    assert events[2][1] == {"network": {"name": "m"}, "id": network}
    assert events[4][1] == {"network_id": network}
    assert (events[5][1]["network_id"], events[5][1]["network"]["name"]) == (network, "m")


async def test_what_is_refused_has_a_start_and_no_end(cloud: Cloud, member: Client) -> None:
    answer = await member.post("neutron", "/v2.0/ports", json={"port": {"network_id": "00000000-0000-0000-0000-000000000000"}})
    assert answer.status == 404
    assert [name for name, _ in told(cloud, "port.")] == ["port.create.start"]


async def test_a_bus_that_takes_nothing_stops_nobody(
    make_cloud: MakeCloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: MemoryBus, *args: Any) -> None:
        raise ConnectionError("the broker is away")

    monkeypatch.setattr(MemoryBus, "notify", broken)
    cloud = await make_cloud()
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0])
    server = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert server["status"] == "ACTIVE"
    assert "was lost" in caplog.text
