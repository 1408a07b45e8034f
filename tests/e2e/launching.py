"""Launches of a server with network, image and volume in a whole cloud, and what must not be there after one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from mockcloud.cinder.tables import volume_attachment, volumes
from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.neutron.tables import ipallocations, ports
from mockcloud.nova.api_tables import build_requests
from mockcloud.nova.tables import block_device_mapping, compute_nodes, instances
from mockcloud.placement.tables import allocations, consumers
from mockcloud.testing.client import Client

VERSION = "2.90"


@dataclass
class Ingredients:
    """What a project has before it launches."""

    image_id: str
    network_id: str
    volume_ids: list[str] = field(default_factory=list)


async def prepare(cloud: Cloud, member: Client, volume_count: int = 1) -> Ingredients:
    images = (await member.get("glance", "/v2/images", params={"name": "cirros"})).json()["images"]
    networks = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"]
    made = [await create_volume(cloud, member) for _ in range(volume_count)]
    return Ingredients(images[0]["id"], networks[0]["id"], made)


async def create_volume(cloud: Cloud, member: Client) -> str:
    answer = await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}}, version="3.60")
    assert answer.status == 202, answer.content
    volume_id: str = answer.json()["volume"]["id"]
    for _ in range(200):
        status = (await member.get("cinder", f"/v3/volumes/{volume_id}")).json()["volume"]["status"]
        if status == "available":
            return volume_id
        await cloud.clock.sleep(0.01)
    raise AssertionError(f"the volume stays {status}")


async def boot(member: Client, given: Ingredients, volume_id: str | None = None, name: str = "vm", **more: Any) -> Response:
    server: dict[str, Any] = {
        "name": name, "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}], **more,
    }  # fmt: skip
    if volume_id:
        image = {"source_type": "image", "destination_type": "local", "uuid": given.image_id, "boot_index": 0}
        volume = {"source_type": "volume", "destination_type": "volume", "uuid": volume_id, "boot_index": -1}
        server["block_device_mapping_v2"] = [image, volume]
    return await member.post("nova", "/v2.1/servers", json={"server": server}, version=VERSION)


async def show(client: Client, server_id: str) -> dict[str, Any] | None:
    answer = await client.get("nova", f"/v2.1/servers/{server_id}", version=VERSION)
    return answer.json()["server"] if answer.status == 200 else None


async def settled(cloud: Cloud, client: Client, server_id: str, seconds: float = 20.0) -> dict[str, Any]:
    """The server as soon as it is in no task and not in BUILD; an AssertionError when that does not come."""
    for _ in range(int(seconds / 0.02)):
        server = await show(client, server_id)
        assert server is not None, "the server has gone"
        if server["status"] != "BUILD" and server["OS-EXT-STS:task_state"] is None:
            return server
        await cloud.clock.sleep(0.02)
    raise AssertionError(f"the server stays {server['status']}, {server['OS-EXT-STS:task_state']}")


async def delete(cloud: Cloud, client: Client, server_id: str, seconds: float = 20.0) -> None:
    """Deletes the server and waits until it is gone."""
    answer = await client.delete("nova", f"/v2.1/servers/{server_id}")
    assert answer.status in (204, 404), answer.content
    for _ in range(int(seconds / 0.02)):
        if await show(client, server_id) is None:
            return
        await cloud.clock.sleep(0.02)
    raise AssertionError("the server is still there")


async def server_ids(admin: Client) -> list[str]:
    """Of every project."""
    return [server["id"] for server in (await admin.get("nova", "/v2.1/servers", params={"all_tenants": 1})).json()["servers"]]


async def nothing_left(cloud: Cloud, seconds: float = 10.0) -> None:
    """Waits for the last of the clean-up; an AssertionError names what stays."""
    for _ in range(int(seconds / 0.02)):
        found = await leftovers(cloud)
        if not any(found.values()):
            return
        await cloud.clock.sleep(0.02)
    raise AssertionError(f"left behind: { {kind: rows for kind, rows in found.items() if rows} }")


async def leftovers(cloud: Cloud) -> dict[str, list[Any]]:
    """Of servers: rows, ports, addresses, attachments, allocations, guests, messages that nobody took. By kind."""
    nova, neutron, cinder, placement = (cloud.services[name].db for name in ("nova", "neutron", "cinder", "placement"))
    known_ports = {row["id"] for row in neutron.all(select(ports.c.id))}
    nodes = compute_nodes.c
    used = nodes.vcpus_used + nodes.running_vms + nodes.memory_mb_used - nodes.reserved_host_memory_mb
    return {
        "servers": nova.all(select(instances.c.uuid, instances.c.vm_state, instances.c.task_state).where(instances.c.deleted_at.is_(None))),
        "requests": nova.all(select(build_requests.c.uuid)) if cloud.settings.dialect == "cells_v2" else [],
        "disks": nova.all(select(block_device_mapping.c.instance_uuid)),
        "usage": nova.all(select(nodes.host, used.label("used")).where(used > 0)),
        "ports": neutron.all(select(ports.c.id, ports.c.device_id).where(ports.c.device_owner.like("compute:%"))),
        "addresses": [row for row in neutron.all(select(ipallocations)) if row["port_id"] not in known_ports],
        "volumes": cinder.all(select(volumes.c.id, volumes.c.status).where(volumes.c.status != "available")),
        "attachments": cinder.all(select(volume_attachment.c.id)),
        "allocations": placement.all(select(allocations)),
        "consumers": placement.all(select(consumers.c.uuid)),
        "guests": await guests(cloud),
        "messages": [queue for queue in queues(cloud) if await cloud.bus.depth(queue)],
    }


def queues(cloud: Cloud) -> list[str]:
    return ["scheduler", "conductor", *(f"compute.{host}" for host in hosts(cloud))]


def hosts(cloud: Cloud) -> list[str]:
    return [host.name for host in cloud.settings.hosts]


async def guests(cloud: Cloud) -> list[Any]:
    """What runs on the hypervisors."""
    return [(host, guest) for host in hosts(cloud) for guest in await cloud.workers[host].endpoint.host.hypervisor.power_states()]
