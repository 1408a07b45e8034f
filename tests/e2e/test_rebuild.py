"""A server that boots from a volume, rebuilt from another image: nova, cinder and glance together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client
from tests.e2e import launching

As = Callable[[str], Client]


async def _boot_from_volume(cloud: Cloud, member: Client, image_id: str, network_id: str) -> tuple[str, str]:
    """A server and its root volume, which is made for it."""
    root = {"source_type": "image", "destination_type": "volume", "uuid": image_id, "boot_index": 0, "volume_size": 1}
    body = {"name": "vm", "flavorRef": "1", "networks": [{"uuid": network_id}], "block_device_mapping_v2": [root]}
    answer = await member.post("nova", "/v2.1/servers", json={"server": body})
    server = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert server["status"] == "ACTIVE", server
    return server["id"], server["os-extended-volumes:volumes_attached"][0]["id"]


async def _image(member: Client, size: int = 0) -> str:
    new = {"name": "another", "disk_format": "raw", "container_format": "bare", "min_disk": size}
    image: str = (await member.post("glance", "/v2/images", json=new)).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    assert (await member.put("glance", f"/v2/images/{image}/file", content=b"data", headers=octets)).status == 204
    return image


async def _volume(member: Client, volume_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await member.get("cinder", f"/v3/volumes/{volume_id}")).json()["volume"]
    return found


async def test_another_image_is_written_over_a_root_volume(cloud: Cloud, as_: As) -> None:
    member = as_("member")
    given = await launching.prepare(cloud, member, 0)
    server, volume = await _boot_from_volume(cloud, member, given.image_id, given.network_id)
    before, image = (await _volume(member, volume))["attachments"], await _image(member)
    answer = await member.post("nova", f"/v2.1/servers/{server}/action", json={"rebuild": {"imageRef": image}}, version="2.93")
    assert answer.status == 202, answer.content
    shown = await launching.settled(cloud, member, server)
    after = await _volume(member, volume)
    assert (shown["status"], shown["image"], after["status"]) == ("ACTIVE", "", "in-use")
    assert after["volume_image_metadata"]["image_id"] == image
    assert [one["server_id"] for one in after["attachments"]] == [server]
    assert after["attachments"][0]["attachment_id"] != before[0]["attachment_id"]
    (known,) = (await member.get("nova", f"/v2.1/servers/{server}/os-volume_attachments", version="2.89")).json()["volumeAttachments"]
    assert known["attachment_id"] == after["attachments"][0]["attachment_id"]
    await launching.delete(cloud, member, server)
    await launching.nothing_left(cloud)


@pytest.mark.parametrize("version", ["2.1", "2.92"])
async def test_before_2_93_a_root_volume_keeps_its_image(cloud: Cloud, as_: As, version: str) -> None:
    member = as_("member")
    given = await launching.prepare(cloud, member, 0)
    server, _ = await _boot_from_volume(cloud, member, given.image_id, given.network_id)
    body = {"rebuild": {"imageRef": await _image(member)}}
    answer = await member.post("nova", f"/v2.1/servers/{server}/action", json=body, version=version)
    assert answer.status == 400
    assert "Unable to rebuild with a different image for a volume-backed server." in answer.message()
    same = await member.post("nova", f"/v2.1/servers/{server}/action", json={"rebuild": {"imageRef": given.image_id}}, version=version)
    assert same.status == 202
    assert (await launching.settled(cloud, member, server))["status"] == "ACTIVE"


async def test_an_image_that_cinder_refuses_fails_the_server_and_it_can_be_deleted(cloud: Cloud, as_: As) -> None:
    member = as_("member")
    given = await launching.prepare(cloud, member, 0)
    server, _ = await _boot_from_volume(cloud, member, given.image_id, given.network_id)
    image = await _image(member, size=2)  # GiB at least; the volume has 1
    answer = await member.post("nova", f"/v2.1/servers/{server}/action", json={"rebuild": {"imageRef": image}}, version="2.93")
    assert answer.status == 202, answer.content
    shown = await launching.settled(cloud, member, server)
    assert (shown["status"], "minDisk" in shown["fault"]["message"]) == ("ERROR", True), shown["fault"]
    await launching.delete(cloud, member, server)
    await launching.nothing_left(cloud)
