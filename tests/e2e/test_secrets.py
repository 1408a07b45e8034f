"""What nobody may find where the cloud tells about itself: facts, logs, violations."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client
from specs import DIALECTS
from tests.conftest import MakeCloud
from tests.e2e import launching

As = Callable[[str], Client]


@pytest.fixture(params=DIALECTS)
def make_cloud(make_cloud: MakeCloud, request: pytest.FixtureRequest) -> MakeCloud:
    """Each dialect has messages of its own."""
    return functools.partial(make_cloud, dialect=request.param)


FILE, DATA = (base64.b64encode(text).decode() for text in (b"what stands in the file", b"#!/bin/sh\necho what the guest is told"))
BORN, CHANGED, REBUILT, RESCUED = "born-with-0a1", "changed-to-1b2", "rebuilt-with-2c3", "rescued-with-3d4"
LOGIN, ROBOT = "another-login-4e5", "secret-of-a-robot-5f6"


async def _sent(sending: Any, *statuses: int) -> Any:
    answer = await sending
    assert answer.status in statuses, (answer.status, answer.content)
    return answer


async def _live(cloud: Cloud, member: Client) -> str:
    """A server's life with every kind of secret that nova is told; its private key's middle."""
    given = await launching.prepare(cloud, member)
    pair = await _sent(member.post("nova", "/v2.1/os-keypairs", json={"keypair": {"name": "mine"}}), 200)
    told = {"user_data": DATA, "adminPass": BORN, "key_name": "mine", "personality": [{"path": "/etc/motd", "contents": FILE}]}
    disk = {"source_type": "volume", "destination_type": "volume", "uuid": given.volume_ids[0], "boot_index": -1}
    image = {"source_type": "image", "destination_type": "local", "uuid": given.image_id, "boot_index": 0}
    body = {"name": "vm", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}], **told}
    body["block_device_mapping_v2"] = [image, disk]
    server = (await _sent(member.post("nova", "/v2.1/servers", json={"server": body}), 202)).json()["server"]["id"]
    await launching.settled(cloud, member, server)
    again = {"imageRef": given.image_id, "adminPass": REBUILT, "personality": told["personality"]}
    for action in (
        {"changePassword": {"adminPass": CHANGED}}, {"rebuild": again}, {"rescue": {"adminPass": RESCUED}}, {"unrescue": None},
    ):  # fmt: skip
        await _sent(member.post("nova", f"/v2.1/servers/{server}/action", json=action), 200, 202)
        await launching.settled(cloud, member, server)
    await launching.delete(cloud, member, server)
    key: str = pair.json()["keypair"]["private_key"]
    return key[len(key) // 2 :][:40]


async def _log_in(cloud: Cloud, admin: Client, member: Client) -> list[str]:
    """Every kind of login there is; the tokens."""
    own = await cloud.runtime.login("nova").token()
    mine = f"/v3/users/{member.user_id}"
    robot = {"name": "robot", "secret": ROBOT}
    await _sent(member.post("keystone", f"{mine}/application_credentials", json={"application_credential": robot}), 201)
    user = {"name": "demo", "domain": {"id": "default"}}
    identity = {"methods": ["application_credential"], "application_credential": {**robot, "user": user}}
    as_robot = await _sent(member.post("keystone", "/v3/auth/tokens", json={"auth": {"identity": identity}}), 201)
    token: str = as_robot.headers["x-subject-token"]
    again = {"methods": ["token"], "token": {"id": member.token}}
    rescoped = await _sent(member.post("keystone", "/v3/auth/tokens", json={"auth": {"identity": again}}), 201)
    for path in ("/v3/auth/tokens", f"{mine}"):
        await _sent(admin.get("keystone", path, headers={"X-Subject-Token": token}), 200)
    await _sent(member.get("nova", "/v2.1/servers", headers={"X-Auth-Token": token, "X-Service-Token": own}), 200)
    await _sent(member.get("nova", "/v2.1/servers", headers={"X-Auth-Token": token + "x"}), 401)
    used = [own, member.token, admin.token, token, rescoped.headers["x-subject-token"]]
    change = {"original_password": "secret", "password": LOGIN}
    await _sent(member.post("keystone", f"{mine}/password", json={"user": change}), 204)
    wrong = {"methods": ["password"], "password": {"user": {**user, "password": LOGIN + "x"}}}
    await _sent(member.post("keystone", "/v3/auth/tokens", json={"auth": {"identity": wrong}}), 401)
    return used


async def test_no_secret_is_told_in_facts_logs_or_violations(cloud: Cloud, as_: As, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    member, admin = as_("member"), as_("admin")
    await admin.login()
    key = await _live(cloud, member)
    tokens = await _log_in(cloud, admin, member)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cloud.app), base_url="http://cloud") as operator:
        facts = (await operator.get("/_mockcloud/facts")).text
    told = {"facts": facts, "logs": caplog.text, "violations": str([dataclasses.asdict(one) for one in cloud.violations])}
    assert "run_instance" in facts and "injected_files" in facts and "is to be launched" in caplog.text
    for secret in (FILE, DATA, BORN, CHANGED, REBUILT, RESCUED, LOGIN, ROBOT, key, *tokens):
        assert [where for where, text in told.items() if secret in text] == [], secret[:10]


async def test_a_launch_that_fails_tells_no_secret_either(cloud: Cloud, as_: As, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    member = as_("member")
    given = await launching.prepare(cloud, member, 0)
    for step in (8, 9, 13, 14, 28):
        cloud.faults.add(step, "fail", count=None)
        told = {"user_data": DATA, "adminPass": BORN, "personality": [{"path": "/etc/motd", "contents": FILE}]}
        body = {"name": "vm", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}], **told}
        answer = await member.post("nova", "/v2.1/servers", json={"server": body})
        if answer.status == 202:
            await launching.settled(cloud, member, answer.json()["server"]["id"])
        cloud.faults.clear()
    text = caplog.text + json.dumps([fact.to_dict() for fact in cloud.recorder.facts()], default=str)
    assert [secret for secret in (FILE, DATA, BORN, member.token) if secret in text] == []
