"""A whole cloud whose servers are put into nova's database by hand: what nova-api does before and after is another test's."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from mockcloud.cloud import Cloud
from mockcloud.context import RequestContext, new_request_id
from mockcloud.nova import tables as nova
from mockcloud.nova.records import to_message
from mockcloud.testing.client import Client, client
from mockcloud.trace import Fact

MakeCloud = Callable[..., Awaitable[Cloud]]
Json = dict[str, Any]
WAIT = 20.0  # seconds of real time at most for anything to happen
PLACEMENT = "1.36"


def flavor(**values: Any) -> Json:
    base = {"id": 1, "flavorid": "1", "name": "m1.tiny", "vcpus": 1, "memory_mb": 512, "root_gb": 1, "ephemeral_gb": 0, "swap": 0}
    return base | {"rxtx_factor": 1.0, "is_public": True, "disabled": False, "extra_specs": {}} | values


class Yard:
    """A cloud, a member of it, and servers of theirs."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.db = cloud, cloud.services["nova"].db
        self.member, self.admin = client(cloud, "member"), client(cloud, "admin")
        self.project_id, self.user_id = self.member.project_id, self.member.user_id
        self.network = str(uuid.UUID(cloud.id_for("network", "private")))

    async def ctx(self, who: Client | None = None) -> RequestContext:
        who = who or self.member
        if not who.token:
            await who.login()
        ids = {"user_id": who.user_id, "project_id": who.project_id}
        return RequestContext(new_request_id(), token=who.token, roles=("member", "reader"), **ids)

    # what there is before a launch

    async def image(self) -> Json:
        found = (await self.member.get("glance", "/v2/images", params={"name": "cirros"})).json()["images"]
        image: Json = found[0]
        return image

    async def volume(self, **values: Any) -> str:
        answer = await self.member.post("cinder", "/v3/volumes", json={"volume": {"size": 1, **values}})
        assert answer.status == 202, answer.content
        volume_id: str = answer.json()["volume"]["id"]
        await self.until(lambda: self.volume_status(volume_id), "available")
        return volume_id

    async def volume_status(self, volume_id: str) -> str:
        answer = await self.member.get("cinder", f"/v3/volumes/{volume_id}")
        return str(answer.json()["volume"]["status"]) if answer.ok else "gone"

    async def port(self, **values: Any) -> str:
        answer = await self.member.post("neutron", "/v2.0/ports", json={"port": {"network_id": self.network, **values}})
        assert answer.status == 201, answer.content
        return str(answer.json()["port"]["id"])

    async def server(self, request_id: str = "", action: str = "create", disks: tuple[Json, ...] = (), **values: Any) -> str:
        """A row as nova-api leaves it at step 7, with its action and its disks."""
        server, now = str(uuid.uuid4()), self.cloud.clock.now()
        wanted = values.pop("flavor", flavor())
        row = {"uuid": server, "display_name": "a server", "hostname": "a-server", "project_id": self.project_id, "user_id": self.user_id}
        row |= {"vm_state": "building", "task_state": "scheduling", "flavor": wanted, "image_ref": (await self.image())["id"]}
        row |= {name: wanted[name] for name in ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap")}
        row |= {"availability_zone": None, "security_groups": ["default"], **values}
        with self.db.transaction() as tx:
            tx.insert(nova.instances, created_at=now, **row)
            for disk in disks:
                mapping = {"source_type": "volume", "destination_type": "volume", "uuid": str(uuid.uuid4()), "created_at": now}
                tx.insert(nova.block_device_mapping, instance_uuid=server, **mapping | disk)
        self.act(server, request_id, action)
        return server

    def act(self, server: str, request_id: str, action: str) -> None:
        with self.db.transaction() as tx:
            who = {"instance_uuid": server, "action": action, "request_id": request_id, "project_id": self.project_id}
            tx.insert(nova.instance_actions, created_at=self.cloud.clock.now(), start_time=self.cloud.clock.now(), **who)

    # the launch

    async def launch(self, networks: Any = "private", ctx: RequestContext | None = None, hints: Json | None = None, **server: Any) -> str:
        """The call of step 8 for a new server; its id. The launch goes on by itself."""
        ctx = ctx or await self.ctx()
        uuid_ = await self.server(ctx.request_id, **server)
        await self.schedule(ctx, [uuid_], networks, hints)
        return uuid_

    async def schedule(self, ctx: RequestContext, servers: list[str], networks: Any = "private", hints: Json | None = None) -> Any:
        first = self.row(servers[0])
        spec = {"image": await self.image() if first["image_ref"] else {}, "instance_properties": to_message(first)}
        spec |= {"instance_type": first["flavor"], "instance_uuids": servers, "num_instances": len(servers)}
        spec |= {"security_groups": first["security_groups"], "block_device_mapping": [to_message(row) for row in self.disks(servers[0])]}
        asked = [{"network_id": self.network}] if networks == "private" else networks
        args = {"request_spec": spec, "requested_networks": asked, "is_first_time": True, "injected_files": [], "admin_password": "x"}
        args["filter_properties"] = {"scheduler_hints": {}, **(hints or {})}
        return await self.cloud.bus.call(ctx, "scheduler", "run_instance", args=args)

    async def running(self, **options: Any) -> str:
        server = await self.launch(**options)
        await self.settled(server, "active")
        return server

    async def settled(self, server: str, vm_state: str = "", closed: bool = True) -> Json:
        """The row when nothing is being done to it any more; with `closed` its events have ended too."""
        await self.until(lambda: self._rests(server, closed), True)
        row = self.row(server)
        why = [fault["details"] for fault in self.faults(server)]
        assert not vm_state or row["vm_state"] == vm_state, (row["vm_state"], why)
        return row

    async def _rests(self, server: str, closed: bool) -> bool:
        row = self.row(server)
        if closed and any(event["finish_time"] is None for event in self.events(server)):
            return False
        return row["deleted_at"] is not None or (row["task_state"] is None and row["vm_state"] != "building")

    async def do(self, server: str, method: str, task_state: str | None = None, call: bool = False, **args: Any) -> Any:
        """What nova-api does for an action: the task state, then the message to the server's compute."""
        ctx = await self.ctx()
        self.act(server, ctx.request_id, method.partition("_")[0])
        if task_state:
            self.change(server, task_state=task_state)
        row = self.row(server)
        send = self.cloud.bus.call if call else self.cloud.bus.cast
        return await send(ctx, "compute", method, server=row["host"], args={"instance": to_message(row), **args})

    async def until(self, look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
        ends = time.monotonic() + WAIT
        while (seen := await look()) != wanted:
            assert time.monotonic() < ends, f"still {seen!r}, not {wanted!r}"
            await asyncio.sleep(0.005)

    # what can be seen

    def change(self, server: str, **values: Any) -> None:
        with self.db.transaction() as tx:
            tx.execute(update(nova.instances).where(nova.instances.c.uuid == server).values(**values))

    def row(self, server: str) -> Json:
        found = self.db.one(select(nova.instances).where(nova.instances.c.uuid == server))
        assert found is not None
        return found

    def disks(self, server: str) -> list[Json]:
        table = nova.block_device_mapping
        return self.db.all(select(table).where(table.c.instance_uuid == server).order_by(table.c.id))

    def faults(self, server: str) -> list[Json]:
        return self.db.all(select(nova.instance_faults).where(nova.instance_faults.c.instance_uuid == server))

    def events(self, server: str) -> list[Json]:
        events, actions = nova.instance_actions_events, nova.instance_actions
        mine = select(actions.c.id).where(actions.c.instance_uuid == server)
        return self.db.all(select(events).where(events.c.action_id.in_(mine)).order_by(events.c.id))

    def node(self, host: str) -> Json:
        found = self.db.one(select(nova.compute_nodes).where(nova.compute_nodes.c.host == host))
        assert found is not None
        return found

    async def ports(self, server: str) -> list[Json]:
        found: list[Json] = (await self.admin.get("neutron", "/v2.0/ports", params={"device_id": server})).json()["ports"]
        return found

    async def allocations(self, server: str) -> Json:
        answer = await self.admin.get("placement", f"/allocations/{server}", version=PLACEMENT)
        return {provider: part["resources"] for provider, part in answer.json()["allocations"].items()}

    async def used(self) -> Json:
        """What placement says is taken, by host."""
        found = {}
        for host in self.cloud.settings.hosts:
            path = f"/resource_providers/{self.node(host.name)['uuid']}/usages"
            usages = (await self.admin.get("placement", path, version=PLACEMENT)).json()["usages"]
            found[host.name] = {name: amount for name, amount in usages.items() if amount}
        return found

    async def guests(self) -> dict[str, dict[str, int]]:
        """The hypervisors' own view: power states by host and server."""
        computes = [(host.name, self.cloud.workers[host.name].endpoint) for host in self.cloud.settings.hosts]
        return {name: dict(await endpoint.host.hypervisor.power_states()) for name, endpoint in computes if endpoint}

    async def left_behind(self, server: str) -> Json:
        """Everything outside nova's own row that belongs to the server; empty when nothing does."""
        volumes = (await self.admin.get("cinder", "/v3/volumes/detail", params={"all_tenants": "1"})).json()["volumes"]
        attached = [v["id"] for v in volumes for a in v["attachments"] if a["server_id"] == server]
        guests = [host for host, guests in (await self.guests()).items() if server in guests]
        found = {"ports": await self.ports(server), "volumes": attached, "guests": guests, "room": await self.allocations(server)}
        return {name: value for name, value in found.items() if value}

    def facts(self, kind: str) -> list[Fact]:
        return [fact for fact in self.cloud.recorder.facts() if fact.kind == kind]

    def delete_row(self, server: str) -> None:
        with self.db.transaction() as tx:
            tx.execute(delete(nova.instances).where(nova.instances.c.uuid == server))


MakeYard = Callable[..., Awaitable[Yard]]


@pytest.fixture
async def make_yard(make_cloud: MakeCloud) -> MakeYard:
    async def make(**options: Any) -> Yard:
        return Yard(await make_cloud(**options))

    return make


@pytest.fixture
async def yard(make_yard: MakeYard) -> Yard:
    return await make_yard()
