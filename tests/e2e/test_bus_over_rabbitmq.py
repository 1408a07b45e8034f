"""The whole cloud over RabbitMQ: the same launch as over the bus in the process, and no server stuck when the broker dies in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openstack
import pytest

import specs
from mockcloud.cloud import Cloud
from mockcloud.settings import default_hosts
from mockcloud.testing.client import Client, client
from tests.conftest import MakeCloud
from tests.e2e import launching
from tests.mockcloud.test_main import up
from tests.rabbitmq import RabbitMQ

RPC = ("rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer", "notification")


async def launched(cloud: Cloud) -> tuple[Client, str, dict[str, Any]]:
    """An ACTIVE server with image, network and volume; the id of the request that asked for it."""
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0])
    assert answer.status == 202, answer.content
    server = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert server["status"] == "ACTIVE", server.get("fault")
    return member, answer.headers["x-openstack-request-id"], server


def seen_on_the_bus(cloud: Cloud, request_id: str) -> Counter[tuple[Any, ...]]:
    facts = [fact for fact in cloud.recorder.facts(request_id) if fact.kind in RPC]
    return Counter(
        (f.kind, f.service, f.host, f.name if f.kind != "rpc.reply" else "", f.attributes.get("exchange"), f.attributes.get("routing_key"))
        for f in facts
    )


@pytest.mark.parametrize("dialect", specs.DIALECTS)
async def test_a_launch_over_rabbitmq_leaves_the_same_facts_as_one_in_the_process(
    make_cloud: MakeCloud, rabbitmq: RabbitMQ, bus_url: str, dialect: str
) -> None:
    seen = []
    for url in ("", bus_url):
        cloud = await make_cloud(bus_url=url, dialect=dialect, hosts=default_hosts(1))
        member, request_id, server = await launched(cloud)
        await launching.delete(cloud, member, server["id"])
        await launching.nothing_left(cloud)
        seen.append(seen_on_the_bus(cloud, request_id))
        await cloud.stop()
    assert seen[0] == seen[1]
    assert sum(seen[0].values()) > 20
    assert await asyncio.to_thread(_queues_left, rabbitmq, bus_url) == {}


def _queues_left(rabbitmq: RabbitMQ, url: str) -> dict[str, int]:
    return rabbitmq.queues(url)


@pytest.mark.timeout(400)  # a broker takes its time to start, four times
@pytest.mark.parametrize("dialect", specs.DIALECTS)
async def test_a_broker_that_dies_in_a_launch_leaves_no_server_stuck_and_nothing_behind(
    make_cloud: MakeCloud, own_rabbitmq: RabbitMQ, dialect: str
) -> None:
    url = own_rabbitmq.vhost()
    cloud = await make_cloud(bus_url=url, dialect=dialect, rpc_response_timeout=30.0)
    member, admin = client(cloud, "member"), client(cloud, "admin")
    given = await launching.prepare(cloud, member)
    ended = []
    for step in (8, 16, 28):
        cloud.faults.add(step, "delay", seconds=0.5)
        booting = asyncio.create_task(launching.boot(member, given, given.volume_ids[0]))
        await _reached(cloud)
        own_rabbitmq.kill()
        await asyncio.to_thread(own_rabbitmq.start)
        answer = await booting
        assert answer.status == 202, answer.content
        server = answer.json()["server"]["id"]
        ended.append((await launching.settled(cloud, member, server, seconds=100))["status"])
        await launching.delete(cloud, member, server, seconds=100)
        await launching.nothing_left(cloud, seconds=100)
        assert await launching.server_ids(admin) == []
    assert set(ended) <= {"ACTIVE", "ERROR"}
    await _empty(own_rabbitmq, url)


async def _reached(cloud: Cloud) -> None:
    for _ in range(3000):
        if not cloud.faults.all():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the launch never came to the step")


async def _empty(rabbitmq: RabbitMQ, url: str) -> None:
    """All queues but those of notifications, which nobody reads here."""
    for _ in range(100):
        queues = await asyncio.to_thread(rabbitmq.queues, url)
        left = {name: messages for name, messages in queues.items() if messages and "notifications" not in name}
        if not left:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"left in the queues: {left}")


def test_the_command_runs_a_cloud_over_rabbitmq_and_tells_taps_where(bus_url: str) -> None:
    with up("--bus", bus_url) as (process, url):
        sources = httpx.get(f"{url}/_mockcloud/evidence", trust_env=False).json()["sources"]
        process.send_signal(signal.SIGTERM)
        said, complained = process.communicate(timeout=60)
    assert {"kind": "amqp", "url": bus_url} in sources
    assert (process.returncode, said.splitlines()[-1], complained) == (0, "stopped", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # the SDK announces its next versions
@pytest.mark.parametrize("dialect", specs.DIALECTS)
def test_a_launch_whose_whole_cloud_is_killed_goes_on_when_it_is_back(bus_url: str, tmp_path: Path, dialect: str) -> None:
    arguments = ("--state", str(tmp_path), "--bus", bus_url, "--spawn-seconds", "0.5", "--dialect", dialect)
    with up(*arguments) as (process, url), _demo_user(url) as person:
        image, flavor, network = (
            person.image.find_image("cirros"),
            person.compute.find_flavor("m1.tiny"),
            person.network.find_network("private"),
        )
        server = person.compute.create_server(name="vm", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}])
        process.kill()
    with up(*arguments) as (process, url), _demo_user(url) as person:
        seen = person.compute.wait_for_server(server, interval=0.2, wait=60)
        assert (seen.status, seen.task_state) == ("ACTIVE", None)
        process.send_signal(signal.SIGTERM)
        _, complained = process.communicate(timeout=60)
    assert (process.returncode, complained) == (0, "")


@contextlib.contextmanager
def _demo_user(url: str) -> Iterator[Any]:
    login = {
        "auth_url": f"{url}/v3",
        "username": "demo",
        "password": "secret",
        "project_name": "demo",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    with openstack.connect(region_name="RegionOne", auth=login, load_envvars=False, load_yaml_config=False) as person:
        yield person


async def test_no_token_and_no_password_of_the_broker_is_logged(
    make_cloud: MakeCloud, own_rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud = await make_cloud(bus_url=own_rabbitmq.vhost(), rpc_response_timeout=1.0)
    member, _, _ = await launched(cloud)
    own_rabbitmq.kill()
    answer = await member.post(
        "nova", "/v2.1/servers", json={"server": {"name": "x", "flavorRef": "1", "imageRef": "", "networks": "none"}}
    )
    assert answer.status >= 400
    await cloud.stop()
    told = caplog.text + repr([fact.to_dict() for fact in cloud.recorder.facts()])
    assert "guest:guest" not in told
    assert member.token and member.token not in told
