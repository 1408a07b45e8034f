"""A scheduler at a real bus, keystone and placement, with a nova database of its own and computes that only listen."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from mockcloud.cloud import Cloud
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.nova import tables as nova
from mockcloud.nova.records import to_message
from mockcloud.scheduler.manager import SchedulerManager

MakeCloud = Callable[..., Awaitable[Cloud]]
PROJECT, USER = "11" * 16, "22" * 16
SMALL = {"id": 1, "flavorid": "1", "name": "small", "vcpus": 1, "memory_mb": 1024, "root_gb": 10, "ephemeral_gb": 0, "swap": 0}
SMALL |= {"extra_specs": {}}


class Compute:
    """Keeps what it is sent."""

    def __init__(self, heard: list[tuple[str, str, dict[str, Any]]], host: str) -> None:
        self._heard, self._host = heard, host

    async def run_instance(self, ctx: RequestContext, **args: Any) -> None:
        self._heard.append((self._host, "run_instance", args))

    async def prep_resize(self, ctx: RequestContext, **args: Any) -> None:
        self._heard.append((self._host, "prep_resize", args))


class Yard:
    """The scheduler and everything around it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = Database("nova", nova.metadata)
        self.component = cloud.component("nova-scheduler", "controller")
        self.ctx = RequestContext("req-test", user_id=USER, project_id=PROJECT, roles=("member",))
        self.rest = self.component.clients.own(self.ctx)
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        self.manager = SchedulerManager(self.component, self.db)
        self.consumer = cloud.bus.serve("scheduler", "controller", self.manager, service="nova-scheduler")

    async def host(self, name: str, vcpus: int = 8, memory_mb: int = 8_192, local_gb: int = 100, **values: Any) -> str:
        """A compute node with its service and its resource provider; no over-commitment."""
        node, now = str(uuid.uuid4()), self.cloud.clock.now()
        size = {"vcpus": vcpus, "memory_mb": memory_mb, "local_gb": local_gb, "reserved_host_memory_mb": 0}
        kind = {"hypervisor_type": "QEMU", "hypervisor_version": 6_002_003, "cpu_allocation_ratio": 1.0}
        with self.db.transaction() as tx:
            row = {"uuid": node, "host": name, "hypervisor_hostname": name, "created_at": now, **size, **kind, **values}
            tx.insert(nova.compute_nodes, **row)
            service = {"host": name, "binary": "nova-compute", "topic": "compute", "created_at": now, "last_seen_up": now}
            tx.insert(nova.services, uuid=str(uuid.uuid4()), **service)
        made = await self.rest.post("placement", "/resource_providers", json={"name": name, "uuid": node}, version="1.36")
        assert made.ok, made.content
        totals = {"VCPU": vcpus, "MEMORY_MB": memory_mb, "DISK_GB": local_gb}
        body = {"resource_provider_generation": 0, "inventories": {c: {"total": total} for c, total in totals.items()}}
        put = await self.rest.put("placement", f"/resource_providers/{node}/inventories", json=body, version="1.36")
        assert put.ok, put.content
        self.cloud.bus.serve("compute", name, Compute(self.heard, name))
        return node

    def aggregate(self, name: str, hosts: list[str], **metadata: str) -> None:
        with self.db.transaction() as tx:
            row = {"uuid": str(uuid.uuid4()), "created_at": self.cloud.clock.now(), "name": name, "hosts": hosts}
            tx.insert(nova.aggregates, metadata=metadata, **row)

    def group(self, policy: str, **rules: Any) -> str:
        group = str(uuid.uuid4())
        with self.db.transaction() as tx:
            owner = {"project_id": PROJECT, "user_id": USER, "created_at": self.cloud.clock.now()}
            tx.insert(nova.instance_groups, uuid=group, name=policy, policy=policy, rules=rules, **owner)
        return group

    def server(self, group: str = "", flavor: dict[str, Any] = SMALL, **values: Any) -> str:
        """A row as nova-api leaves it at step 7, with its action."""
        server, now = str(uuid.uuid4()), self.cloud.clock.now()
        states = {"vm_state": "building", "task_state": "scheduling"}
        sizes = {name: flavor[name] for name in ("memory_mb", "vcpus", "root_gb")}
        row = {"uuid": server, "display_name": "a server", "project_id": PROJECT, "user_id": USER, "image_ref": "an-image"}
        with self.db.transaction() as tx:
            tx.insert(nova.instances, created_at=now, flavor=flavor, **{**row, **states, **sizes, **values})
            action = {"instance_uuid": server, "action": "create", "request_id": self.ctx.request_id}
            tx.insert(nova.instance_actions, created_at=now, start_time=now, **action)
            if group:
                tx.insert(nova.instance_group_members, group_uuid=group, instance_uuid=server)
        return server

    def change(self, server: str, **values: Any) -> None:
        with self.db.transaction() as tx:
            tx.execute(update(nova.instances).where(nova.instances.c.uuid == server).values(**values))

    def row(self, server: str) -> dict[str, Any]:
        found = self.db.one(select(nova.instances).where(nova.instances.c.uuid == server))
        assert found is not None
        return found

    def faults(self, server: str) -> list[dict[str, Any]]:
        return self.db.all(select(nova.instance_faults).where(nova.instance_faults.c.instance_uuid == server))

    def events(self, server: str) -> list[dict[str, Any]]:
        events, actions = nova.instance_actions_events, nova.instance_actions
        mine = select(actions.c.id).where(actions.c.instance_uuid == server)
        return self.db.all(select(events).where(events.c.action_id.in_(mine)))

    def message(self, servers: list[str], flavor: dict[str, Any] = SMALL, **filter_properties: Any) -> dict[str, Any]:
        first = to_message(self.row(servers[0]))
        spec = {"image": {"id": "an-image"}, "instance_properties": first, "instance_type": flavor, "block_device_mapping": []}
        spec |= {"instance_uuids": servers, "num_instances": len(servers), "security_groups": ["default"]}
        rest = {"admin_password": "secret", "injected_files": [], "requested_networks": "none", "is_first_time": True}
        return {"request_spec": spec, "filter_properties": filter_properties, **rest}

    async def boot(self, servers: list[str], flavor: dict[str, Any] = SMALL, **filter_properties: Any) -> list[dict[str, Any]]:
        """The call of step 8: the servers as the reply has them."""
        arguments = self.message(servers, flavor, **filter_properties)
        answer: list[dict[str, Any]] = await self.cloud.bus.call(self.ctx, "scheduler", "run_instance", args=arguments)
        return answer

    async def boot_one(self, flavor: dict[str, Any] = SMALL, group: str = "", **filter_properties: Any) -> dict[str, Any]:
        hints = {"scheduler_hints": {"group": group}} if group else {}
        return (await self.boot([self.server(group, flavor)], flavor, **hints, **filter_properties))[0]

    async def allocation(self, consumer: str) -> dict[str, Any]:
        answer = await self.rest.get("placement", f"/allocations/{consumer}", version="1.36")
        return {provider: part["resources"] for provider, part in answer.json()["allocations"].items()}

    async def settle(self) -> None:
        """Lets casts arrive and their handlers end."""
        for _ in range(200):
            await self.cloud.clock.sleep(0)


@pytest.fixture
async def make_yard(make_cloud: MakeCloud) -> Callable[..., Awaitable[Yard]]:
    async def make(**options: Any) -> Yard:
        return Yard(await make_cloud(services=("keystone", "placement"), **options))

    return make


@pytest.fixture
async def yard(make_yard: Callable[..., Awaitable[Yard]]) -> Yard:
    return await make_yard()
