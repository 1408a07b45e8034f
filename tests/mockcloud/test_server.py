"""A cloud behind real sockets."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from mockcloud.cloud import MOUNTS, PORTS
from mockcloud.server import PortTaken, serving
from mockcloud.settings import Settings


async def fetch(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


@pytest.mark.parametrize("ports", ["single", "classic"])
async def test_every_service_answers_at_its_own_address(ports):
    async with serving(Settings(port=0, ports=ports)) as cloud:
        answers = {name: await fetch(cloud.urls[name] + "/") for name in MOUNTS}
        listening = {url.split("/")[2] for url in cloud.urls.values()}
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "keystone": 300, "nova": 200, "glance": 300, "neutron": 200, "cinder": 300, "placement": 200,
    }  # fmt: skip
    assert len(listening) == (1 if ports == "single" else len(PORTS))


@pytest.mark.parametrize("ports", ["single", "classic"])
@pytest.mark.parametrize("service", MOUNTS)
async def test_every_service_shows_its_document_and_a_swagger_page_that_finds_it(ports, service):
    async with serving(Settings(port=0, ports=ports)) as cloud:
        document = await fetch(f"{cloud.urls[service]}/openapi.json")
        page = await fetch(f"{cloud.urls[service]}/docs")
        named = page.text.split("url: '")[1].split("'")[0]
        followed = await fetch(str(httpx.URL(f"{cloud.urls[service]}/docs").join(named)))
    assert (document.status_code, page.status_code) == (200, 200)
    assert document.json()["openapi"].startswith("3.1")
    assert followed.json() == document.json()


async def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}"):
            async with serving(Settings(port=port)):
                pass


async def test_no_answer_waits_for_the_acknowledgement_of_its_headers(monkeypatch):
    """Without TCP_NODELAY each answer on a kept connection costs 40 ms."""
    told = []
    monkeypatch.setattr("asyncio.base_events._set_nodelay", lambda connection: told.append(connection.proto))
    async with serving(Settings(port=0)) as cloud:
        await fetch(f"{cloud.urls['keystone']}/v3")
    assert socket.IPPROTO_TCP in told


async def test_nothing_is_left_running_when_it_has_stopped():
    before = asyncio.all_tasks()
    async with serving(Settings(port=0)) as cloud:
        url = cloud.urls["keystone"]
        await fetch(f"{url}/v3")
    assert asyncio.all_tasks() == before
    with pytest.raises(httpx.ConnectError):
        await fetch(url)
