"""The agents' part: bound ports become ACTIVE, and nova is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mockcloud.clients import EndpointDown, Response
from mockcloud.testing.client import client
from tests.mockcloud.neutron.conftest import Json, Neutron

SERVER = "11111111-1111-4111-8111-111111111111"
BOUND = {"device_id": SERVER, "device_owner": "compute:nova", "binding:host_id": "compute1"}


class Nova:
    """Answers in nova's place, and keeps what it was told."""

    def __init__(self, cloud: Any) -> None:
        self.batches: list[list[Json]] = []
        self.down = False
        self._send = cloud.transport.send
        cloud.transport.send = self.send

    async def send(self, method: str, url: str, headers: Any, content: Any, stream: bool) -> Response:
        if not url.endswith("/v2.1/os-server-external-events"):
            answer: Response = await self._send(method, url, headers, content, stream)
            return answer
        if self.down:
            raise EndpointDown("nova is away")
        assert (method, bool(headers["X-Auth-Token"])) == ("POST", True)
        self.batches.append(orjson.loads(content)["events"])
        return Response(200, {}, b'{"events": []}')

    @property
    def events(self) -> list[str]:
        return [event["name"] for batch in self.batches for event in batch]


@pytest.fixture
def told(neutron_cloud: Any) -> Nova:
    return Nova(neutron_cloud)


async def settled(user: Neutron, port_id: str, status: str) -> Json:
    for _ in range(200):
        port = await user.show("port", port_id)
        if port["status"] == status:
            return port
        await user.cloud.clock.sleep(0)
    raise AssertionError(f"the port is not {status}")


async def quiet(user: Neutron) -> None:
    """Until neutron has nothing more to say."""
    for _ in range(200):
        if not user.cloud.runtime.tasks:
            return
        await user.cloud.clock.sleep(0.001)
    raise AssertionError("neutron is still busy")


async def test_a_bound_server_port_becomes_active_and_nova_learns_it(told: Nova, member: Neutron, nova: Neutron) -> None:
    network = await member.network()
    port = await member.port(network["id"], device_id=SERVER)
    assert (await nova.update("port", port["id"], **BOUND))["status"] == "DOWN"
    await settled(member, port["id"], "ACTIVE")
    await quiet(nova)
    assert told.events == ["network-changed", "network-vif-plugged"]
    plugged = told.batches[-1][-1]
    assert plugged == {"name": "network-vif-plugged", "server_uuid": SERVER, "tag": port["id"], "status": "completed"}


async def test_an_agent_that_is_down_wires_nothing_until_it_is_up_again(told: Nova, member: Neutron, nova: Neutron) -> None:
    agent = nova.cloud.workers["neutron-ovs-agent"]
    await agent.kill()
    network = await member.network()
    port = await nova.port(network["id"], project_id=member.project_id, **BOUND)
    await quiet(nova)
    assert (await member.show("port", port["id"]))["status"] == "DOWN"
    assert told.events == []
    await agent.start()
    await settled(member, port["id"], "ACTIVE")
    await quiet(nova)
    assert told.events == ["network-vif-plugged"]


async def test_unbinding_and_deleting_are_told_too(told: Nova, member: Neutron, nova: Neutron) -> None:
    network = await member.network()
    port = await nova.port(network["id"], project_id=member.project_id, **BOUND)
    await settled(member, port["id"], "ACTIVE")
    await quiet(nova)
    assert told.events == ["network-vif-plugged"]
    assert (await nova.update("port", port["id"], **{"binding:host_id": None}))["status"] == "DOWN"
    await nova.request("DELETE", f"/ports/{port['id']}")
    await quiet(nova)
    assert told.events == ["network-vif-plugged", "network-changed", "network-vif-unplugged", "network-vif-deleted"]


async def test_other_ports_are_no_business_of_novas(told: Nova, nova: Neutron) -> None:
    network = await nova.network()
    port = await nova.port(network["id"], device_id="x", device_owner="network:dhcp", **{"binding:host_id": "compute1"})
    await settled(nova, port["id"], "ACTIVE")
    idle = await nova.port(network["id"], **{"binding:host_id": "compute1"})
    await nova.update("port", idle["id"], name="n")
    await quiet(nova)
    assert (await nova.show("port", idle["id"]))["status"] == "DOWN"
    assert told.events == []


async def test_a_port_that_could_not_be_bound_stays_down(told: Nova, nova: Neutron) -> None:
    network = await nova.network()
    port = await nova.port(network["id"], **BOUND | {"binding:host_id": "nowhere"})
    await quiet(nova)
    assert (await nova.show("port", port["id"]))["status"] == "DOWN"
    assert told.events == []


async def test_a_nova_that_is_away_does_no_harm(told: Nova, nova: Neutron) -> None:
    told.down = True
    network = await nova.network()
    port = await nova.port(network["id"], **BOUND)
    await settled(nova, port["id"], "ACTIVE")
    await quiet(nova)
    told.down = False
    await nova.update("port", port["id"], name="n")
    await quiet(nova)
    assert told.events == ["network-changed"]


async def test_events_soon_after_a_batch_go_together_in_the_next(make_cloud: Any) -> None:
    cloud = await make_cloud(services=("keystone", "neutron"), send_events_interval=0.05)
    told, nova = Nova(cloud), Neutron(cloud, client(cloud, "nova"))
    network = await nova.network()
    port = await nova.port(network["id"], **BOUND)
    await settled(nova, port["id"], "ACTIVE")
    for name in ("a", "b", "c"):
        await nova.update("port", port["id"], name=name)
    await quiet(nova)
    assert told.events == ["network-vif-plugged", *["network-changed"] * 3]
    assert len(told.batches) < 4
