"""Traces of profiled requests, read back as osprofiler reads them."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockcloud.cloud import Cloud
from mockcloud.profiling.headers import sign
from mockcloud.settings import SettingsError
from mockcloud.testing.client import client
from tests.conftest import MakeCloud
from tests.e2e import launching

Json = dict[str, Any]
KEY = "SECRET_KEY"
REDIS = shutil.which("redis-server")
RECORDED = Path(__file__).parents[2] / "conformance" / "captures" / "image-volume" / "osprofiler.json"


def headers(base_id: str, key: str = KEY, **more: str) -> dict[str, str]:
    data = base64.urlsafe_b64encode(json.dumps({"base_id": base_id, "parent_id": base_id, **more}).encode())
    return {"X-Trace-Info": data.decode(), "X-Trace-HMAC": sign(data, key)}


def walk(tree: Json) -> Iterator[Json]:
    """Every point below, parents first."""
    for child in tree["children"]:
        yield child
        yield from walk(child)


def about(point: Json) -> Json:
    """What a point told at its start."""
    info = point["info"]
    found: Json = info[f"meta.raw_payload.{info['name']}-start"]["info"]
    return found


def functions(tree: Json, name: str) -> list[str]:
    return [about(point)["function"]["name"] for point in walk(tree) if point["info"]["name"] == name]


def inside(point: Json, function: str) -> Json:
    return next(found for found in walk(point) if about(found).get("function", {}).get("name") == function)


@pytest.fixture
async def cloud(make_cloud: MakeCloud) -> Cloud:
    return await make_cloud(osprofiler_connection_string="memory://")


async def report(cloud: Cloud, base_id: str) -> Json:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cloud.app), base_url="http://cloud/_mockcloud") as operator:
        answer = await operator.get(f"/osprofiler/{base_id}")
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


async def launch(cloud: Cloud, base_id: str) -> str:
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    mapping = [
        {"source_type": "image", "destination_type": "local", "uuid": given.image_id, "boot_index": 0},
        {"source_type": "volume", "destination_type": "volume", "uuid": given.volume_ids[0], "boot_index": -1},
    ]
    server = {
        "name": "vm", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}],
        "block_device_mapping_v2": mapping, "adminPass": "Very-Secret-1",
    }  # fmt: skip
    answer = await member.post("nova", "/v2.1/servers", json={"server": server}, version="2.90", headers=headers(base_id))
    assert answer.status == 202
    await launching.settled(cloud, member, answer.json()["server"]["id"])
    for _ in range(2_000):  # what a client sees as ACTIVE is not yet over for the compute
        facts = [fact for fact in cloud.recorder.facts() if fact.trace is not None]
        if all(fact.end is not None for fact in facts) and any(fact.name == "instance.create.end" for fact in facts):
            break
        await cloud.clock.sleep(0.01)
    return str(answer.json()["server"]["id"])


async def test_a_launch_is_one_tree_from_the_request_to_the_driver(cloud: Cloud) -> None:
    base_id = str(uuid.uuid4())
    server_id = await launch(cloud, base_id)
    tree = await report(cloud, base_id)
    (boot,) = tree["children"]
    assert about(boot) == {"request": {"path": "/v2.1/servers", "query": "", "method": "POST", "scheme": "http"}, "host": "controller"}
    assert (boot["info"]["project"], boot["info"]["service"], boot["info"]["name"]) == ("nova", "osapi_compute", "wsgi")
    create = inside(boot, "nova.compute.api.API.create")
    asked = inside(create, "nova.scheduler.rpcapi.SchedulerAPI.run_instance")
    assert server_id in about(asked)["function"]["kwargs"]
    chosen = inside(asked, "nova.scheduler.manager.SchedulerManager.run_instance")
    sent = inside(chosen, "nova.compute.rpcapi.ComputeAPI.run_instance")
    built = inside(sent, "nova.compute.manager.ComputeManager.run_instance")
    assert (built["info"]["service"], built["info"]["host"]) == ("nova-compute", about(built)["host"])
    assert built["info"]["host"].startswith("compute")
    read = inside(built, "nova.conductor.rpcapi.ConductorAPI.instance_get_by_uuid")
    inside(read, "nova.conductor.manager.ConductorManager.instance_get_by_uuid")
    inside(built, "nova.virt.driver.ComputeDriver.spawn")
    for name in ("neutron_api", "nova_image"):
        assert any(point["info"]["name"] == name for point in walk(built)), name
    visited = {(point["info"]["project"], point["info"]["service"]) for point in walk(built) if point["info"]["name"] == "wsgi"}
    assert visited >= {("glance", "api"), ("neutron", "neutron-server"), ("cinder", "cinder-api"), ("keystone", "public")}


async def test_a_call_ends_with_its_answer(cloud: Cloud) -> None:
    base_id = str(uuid.uuid4())
    await launch(cloud, base_id)
    tree = await report(cloud, base_id)
    asked = inside(tree, "nova.conductor.rpcapi.ConductorAPI.instance_get_by_uuid")
    served = inside(asked, "nova.conductor.manager.ConductorManager.instance_get_by_uuid")

    def times(point: Json) -> tuple[str, str]:
        name, info = point["info"]["name"], point["info"]
        return tuple(info[f"meta.raw_payload.{name}-{what}"]["timestamp"] for what in ("start", "stop"))  # type: ignore[return-value]

    assert times(asked)[0] <= times(served)[0]
    reply = next(point for point in walk(served) if about(point).get("db"))
    assert times(reply)[1] <= times(asked)[1]


async def test_every_name_of_a_point_is_one_that_a_real_cloud_has(cloud: Cloud) -> None:
    base_id = str(uuid.uuid4())
    await launch(cloud, base_id)
    real = {(p["info"]["project"], p["info"]["service"], p["info"]["name"]) for p in walk(json.loads(RECORDED.read_text()))}
    real |= {("nova", "nova-compute", "nova_image"), ("nova", "osapi_compute", "nova_image")}  # nova.image.glance.API, where it is traced
    real |= {("nova", "nova-compute", "driver")}  # as cinder's: nova traces the classes of libvirt only
    ours = {(p["info"]["project"], p["info"]["service"], p["info"]["name"]) for p in walk(await report(cloud, base_id))}
    assert {one for one in ours if one[2] != "db"} <= real


async def test_no_secret_and_no_value_of_a_statement_is_in_a_trace(cloud: Cloud) -> None:
    base_id = str(uuid.uuid4())
    await launch(cloud, base_id)
    text = json.dumps(await report(cloud, base_id))
    for secret in ("Very-Secret-1", "gAAAA", KEY, '"secret"'):
        assert secret not in text
    statements = [about(point)["db"]["statement"] for point in walk(await report(cloud, base_id)) if "db" in about(point)]
    assert any(statement.startswith("INSERT INTO instances") for statement in statements)


async def test_the_trace_info_is_in_the_context_of_messages(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from mockcloud.bus.base import Message, open_envelope

    sent: list[Json] = []
    encode = Message.encode

    def watched(self: Message) -> bytes:
        data = encode(self)
        sent.append(open_envelope(data))
        return data

    monkeypatch.setattr(Message, "encode", watched)
    base_id = str(uuid.uuid4())
    await launch(cloud, base_id)
    traced = [body["_context_trace_info"] for body in sent if body["method"] == "run_instance"]
    assert len(traced) == 2
    assert all(info["base_id"] == base_id and set(info) == {"base_id", "parent_id", "hmac_key"} for info in traced)
    assert all("_context_trace_info" not in body for body in sent if body["method"] == "service_update")


@pytest.mark.parametrize(
    "sent",
    [
        {},
        headers("b", key="another"),
        {**headers("b"), "X-Trace-HMAC": ""},
        {"X-Trace-Info": "%%%", "X-Trace-HMAC": sign(b"%%%", KEY)},
        {"X-Trace-Info": "W10=", "X-Trace-HMAC": sign(b"W10=", KEY)},
        headers("b", hmac_key="x"),
    ],
    ids=["none", "another key", "unsigned", "no base64", "no object", "an unknown part"],
)
async def test_a_request_without_good_headers_is_served_and_leaves_no_point(cloud: Cloud, sent: dict[str, str]) -> None:
    answer = await client(cloud, "member").get("nova", "/v2.1/servers", headers=sent)
    assert answer.status == 200
    assert all(not fact.point for fact in cloud.recorder.facts())


async def test_one_of_several_keys_is_enough(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(("keystone",), osprofiler_connection_string="memory://", osprofiler_hmac_key="old, new")
    await client(cloud, "nobody").get("keystone", "/v3", headers=headers("b", key="new"))
    assert [point["info"]["service"] for point in (await report(cloud, "b"))["children"]] == ["public"]


async def test_a_refused_request_is_traced_too(cloud: Cloud) -> None:
    assert (await client(cloud, "nobody").get("nova", "/v2.1/servers", headers=headers("b"))).status == 401
    assert [point["info"]["name"] for point in (await report(cloud, "b"))["children"]] == ["wsgi"]


async def test_a_trace_that_nobody_has_sent_is_an_empty_tree(cloud: Cloud) -> None:
    assert (await report(cloud, "unknown"))["children"] == []


async def test_nothing_is_profiled_unless_it_is_switched_on(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(("keystone",))
    await client(cloud, "nobody").get("keystone", "/v3", headers=headers("b"))
    assert all(fact.trace is None for fact in cloud.recorder.facts())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cloud.app), base_url="http://cloud") as operator:
        assert (await operator.get("/_mockcloud/osprofiler/b")).status_code == 404


def test_the_library_is_not_loaded_unless_it_is_used() -> None:
    code = "import sys; from mockcloud.cloud import Cloud; Cloud(); assert 'osprofiler' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_library_brings_no_green_threads() -> None:
    code = "import sys, osprofiler.drivers.base; assert 'eventlet' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("connection", ["carrier-pigeon://x", "nonsense"])
def test_a_back_end_that_nobody_knows_is_refused_at_the_start(connection: str) -> None:
    from mockcloud.settings import Settings

    with pytest.raises(SettingsError, match="cannot use the connection string"):
        Cloud(Settings(osprofiler_connection_string=connection), ("keystone",))


async def test_a_back_end_that_is_away_stops_nobody(make_cloud: MakeCloud, caplog: pytest.LogCaptureFixture) -> None:
    cloud = await make_cloud(("keystone",), osprofiler_connection_string="redis://127.0.0.1:1")
    with caplog.at_level(logging.ERROR):
        assert (await client(cloud, "nobody").get("keystone", "/v3", headers=headers("b"))).status == 200
        await cloud.stop()
    assert [record.message for record in caplog.records if "points of traces are lost" in record.message]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The URL of a redis of this test's own."""
    if REDIS is None:
        pytest.skip("needs redis: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path), "--daemonize", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(1_000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def test_osprofilers_own_driver_reads_the_trace_back_from_redis(make_cloud: MakeCloud, redis: str) -> None:
    from osprofiler.drivers import base

    cloud = await make_cloud(osprofiler_connection_string=redis)
    base_id = str(uuid.uuid4())
    await launch(cloud, base_id)
    await report(cloud, base_id)  # by then everything is written
    tree = base.get_driver(redis, conf={}).get_report(base_id)
    inside(tree, "nova.virt.driver.ComputeDriver.spawn")
    assert tree["stats"]["wsgi"]["count"] > 10
