"""oslo.messaging itself takes part in the mock's bus, as client and as server."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from mockcloud.context import RequestContext
from mockcloud.testing.client import client
from tests.e2e import launching

PEER = Path(__file__).parent.parent / "oslo_peer.py"
ITS_OWN = Path(sys.prefix) / "oslo" / "bin" / "python"  # not among our own requirements: it brings eventlet
TIMEOUT = 90

Call = Callable[..., Any]


@pytest.fixture(scope="session")
def python() -> str:
    """One that can import oslo.messaging."""
    if importlib.util.find_spec("oslo_messaging"):
        return sys.executable
    if ITS_OWN.exists():
        return str(ITS_OWN)
    pytest.skip("oslo.messaging is not here: .venv/bin/python -m venv .venv/oslo && .venv/oslo/bin/pip install oslo.messaging brings it")


@pytest.fixture
def oslo_call(python: str, bus_url: str) -> Call:
    async def call(topic: str, method: str, monitor: str = "", **arguments: Any) -> Any:
        command = [python, str(PEER), "call", bus_url, topic, method, json.dumps(arguments), *([monitor] if monitor else [])]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


@pytest.fixture
def oslo_server(python: str, bus_url: str) -> Iterator[str]:
    """The topic that an oslo.messaging server named `there` serves."""
    command = [python, str(PEER), "serve", bus_url, "oslo_topic", "there"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as peer:
        assert peer.stdout is not None
        try:
            assert peer.stdout.readline() == "ready\n", peer.communicate(timeout=TIMEOUT)[1]
            yield "oslo_topic"
            _, complained = peer.communicate(timeout=TIMEOUT)
            assert peer.returncode == 0, complained
        finally:
            peer.kill()


async def test_its_client_asks_our_conductor_for_a_server_and_gets_it(oslo_call, bus_url, make_cloud):
    cloud = await make_cloud(bus_url=bus_url)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0])
    server = await launching.settled(cloud, member, answer.json()["server"]["id"])
    said = (await oslo_call("conductor", "instance_get_by_uuid", instance_uuid=server["id"]))["result"]
    assert (said["uuid"], said["vm_state"], said["flavor"]["flavorid"]) == (server["id"], "active", "1")
    asked = next(f for f in cloud.recorder.facts() if f.request_id == "req-from-oslo")
    assert (asked.kind, asked.service, asked.name) == ("rpc.deliver", "nova-conductor", "instance_get_by_uuid")


async def test_its_client_is_told_our_errors_by_name(oslo_call, bus_url, make_cloud):
    await make_cloud(bus_url=bus_url)
    absent = "00000000-0000-0000-0000-000000000000"
    said = await oslo_call("conductor", "instance_get_by_uuid", instance_uuid=absent)
    assert said["error"] == "InstanceNotFound" and absent in said["message"]


async def test_its_client_waits_for_a_slow_answer_as_long_as_it_hears_signs_of_life(oslo_call, bus_url, make_cloud):
    cloud = await make_cloud(bus_url=bus_url)

    class Slow:
        async def work(self, ctx: RequestContext) -> str:
            await cloud.clock.sleep(5)
            return "done"

    cloud.bus.serve("slow", "s", Slow())
    await cloud.bus.ready()
    assert await oslo_call("slow", "work", monitor="2") == {"result": "done"}


async def test_its_server_and_ours_share_a_topic(oslo_server, bus_url, make_cloud):
    cloud = await make_cloud(services=("keystone",), bus_url=bus_url, amqp_durable_queues=False)

    class Ours:
        async def double(self, ctx: RequestContext, number: int) -> str:
            return "ours"

    cloud.bus.serve(oslo_server, "here", Ours())
    said = [await cloud.bus.call(RequestContext("r", user_id="me"), oslo_server, "double", args={"number": 1}) for _ in range(8)]
    assert "ours" in said and {"doubled": 2, "user_id": "me"} in said


async def test_our_bus_calls_its_server_and_is_told_its_errors(oslo_server, bus_url, make_cloud):
    cloud = await make_cloud(services=("keystone",), bus_url=bus_url)
    ctx = RequestContext("req-1", user_id="me", token="t")
    for server in (None, "there"):
        assert await cloud.bus.call(ctx, oslo_server, "double", server=server, args={"number": 21}) == {"doubled": 42, "user_id": "me"}
    with pytest.raises(RemoteError) as caught:
        await cloud.bus.call(ctx, oslo_server, "fail")
    assert (caught.value.type, caught.value.message) == ("LookupError", "nothing here")
    with pytest.raises(RemoteError) as caught:
        await cloud.bus.call(ctx, oslo_server, "double", version="9.0", args={"number": 1})
    assert caught.value.type == "UnsupportedVersion"
