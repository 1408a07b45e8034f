"""Launches in one process, each with image, network and volume."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sqlalchemy import bindparam, select

from mockcloud.cloud import Cloud
from mockcloud.db.prepared import Prepared
from mockcloud.nova.tables import instances
from mockcloud.testing.client import Client, client

STATE = Prepared(select(instances.c.vm_state).where(instances.c.uuid == bindparam("server_id")))
LIMITS = {"instances": -1, "cores": -1, "ram": -1}


class Launcher:
    """Launches servers with image, network and volume: all 28 steps."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._member: Client = client(cloud, "member")
        self._body: dict[str, Any] = {}

    async def prepare(self) -> None:
        admin, member = client(self.cloud, "admin"), self._member
        project = member.project_id
        await _sent(admin.put("nova", f"/v2.1/os-quota-sets/{project}", json={"quota_set": LIMITS}))
        await _sent(admin.put("cinder", f"/v3/os-quota-sets/{project}", json={"quota_set": {"volumes": -1, "gigabytes": -1}}))
        await _sent(admin.put("neutron", f"/v2.0/quotas/{project}", json={"quota": {"port": -1}}))
        image = (await _sent(member.get("glance", "/v2/images")))["images"][0]["id"]
        networks = (await _sent(member.get("neutron", "/v2.0/networks", params={"name": "private"})))["networks"]
        local = {"boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "local"}
        self._body = {"name": "s", "imageRef": image, "flavorRef": "42", "networks": [{"uuid": networks[0]["id"]}]}
        self._body["block_device_mapping_v2"] = [local]

    async def volume(self) -> str:
        made = await _sent(self._member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}}))
        identifier: str = made["volume"]["id"]
        await self._until("cinder", f"/v3/volumes/{identifier}", "volume", "available")
        return identifier

    async def launch(self, volume: str) -> float:
        """Seconds from the request to ACTIVE."""
        disk = {"boot_index": -1, "uuid": volume, "source_type": "volume", "destination_type": "volume"}
        body = self._body | {"block_device_mapping_v2": [*self._body["block_device_mapping_v2"], disk]}
        began = time.perf_counter()
        made = await _sent(self._member.post("nova", "/v2.1/servers", json={"server": body}))
        await self._active(made["server"]["id"])
        return time.perf_counter() - began

    async def _active(self, server_id: str) -> None:
        """Looks at the row: asking the API over and over would cost more than the launch."""
        while (found := self.cloud.services["nova"].db.scalar(STATE, server_id=server_id)) != "active":
            if found == "error":
                raise RuntimeError(f"server {server_id} is in ERROR")
            await asyncio.sleep(0.0005)

    async def _until(self, service: str, path: str, key: str, status: str) -> None:
        while True:
            found = (await _sent(self._member.get(service, path)))[key]["status"]
            if found == status:
                return
            if found.lower() == "error":
                raise RuntimeError(f"{path} is in ERROR")
            await asyncio.sleep(0.002)


async def _sent(request: Any) -> Any:
    answer = await request
    if not answer.ok:
        raise RuntimeError(f"{answer.status} {answer.message()}")
    return answer.json()


def commits(cloud: Cloud) -> int:
    """How many transactions its services have committed until now."""
    return sum(service.database.commits for service in cloud.services.values() if service.database)
