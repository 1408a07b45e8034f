"""Clouds with servers that no compute has built, and computes that only listen: for tests of what nova-api begins."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from mockcloud.bus.base import Serving
from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.context import RequestContext
from mockcloud.db.engine import Row
from mockcloud.nova import tables
from mockcloud.testing.client import Client, client
from tests.mockcloud.nova.nova_user import Nova

MakeCloud = Callable[..., Awaitable[Cloud]]
LATEST = "2.104"
TINY = {"id": 1, "flavorid": "1", "name": "m1.tiny", "vcpus": 1, "memory_mb": 512, "root_gb": 1, "ephemeral_gb": 0, "swap": 0}
TINY |= {"extra_specs": {}, "rxtx_factor": 1.0, "is_public": True, "disabled": False}


class Listener:
    """Keeps what it is sent; calls are answered from `answers` (an exception is raised)."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_") or method in ("init_host", "tasks"):
            raise AttributeError(method)

        async def hear(ctx: RequestContext, **args: Any) -> Any:
            self.heard.append((method, args))
            answer = self.answers.get(method)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return hear


class Yard:
    """A cloud whose compute1 and scheduler only listen."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.db = cloud, cloud.services["nova"].db
        self.compute, self.scheduler = Listener(), Listener()
        self._listening: list[Serving] = []

    async def replace_workers(self) -> None:
        for name, topic, host, listener in (
            ("compute1", "compute", "compute1", self.compute),
            ("scheduler", "scheduler", "controller", self.scheduler),
        ):
            await self.cloud.workers[name].kill()
            self._listening.append(self.cloud.bus.serve(topic, host, listener))
        with self.db.transaction() as tx:
            seen = {"host": "compute1", "binary": "nova-compute", "topic": "compute"}
            tx.execute(tables.services.delete().where(tables.services.c.host == "compute1"))
            now = self.cloud.clock.now()
            tx.insert(tables.services, uuid=str(uuid.uuid4()), created_at=now, last_seen_up=now, **seen)

    def user(self, who: str) -> Client:
        return client(self.cloud, who)

    def server(self, **values: Any) -> str:
        """A row as after a launch: an active server of demo on compute1."""
        server, now = str(uuid.uuid4()), self.cloud.clock.now()
        id_for = self.cloud.id_for
        row: Row = {"display_name": "a server", "project_id": id_for("project", "demo"), "user_id": id_for("user", "demo")}
        row |= {"vm_state": "active", "task_state": None, "power_state": 1, "host": "compute1", "node": "compute1"}
        row |= {"flavor": TINY, "memory_mb": 512, "vcpus": 1, "root_gb": 1, "hostname": "a-server", "launched_at": now}
        row |= {"image_ref": self.image, "root_device_name": "/dev/vda", "availability_zone": "nova"}
        with self.db.transaction() as tx:
            tx.insert(tables.instances, uuid=server, created_at=now, **{**row, **values})
        return server

    @property
    def image(self) -> str:
        """The id of the seed's image."""
        return str(uuid.UUID(self.cloud.id_for("image", "cirros")))

    def change(self, server: str, **values: Any) -> None:
        with self.db.transaction() as tx:
            tx.execute(update(tables.instances).where(tables.instances.c.uuid == server).values(**values))

    def row(self, server: str) -> Row:
        found = self.db.one(select(tables.instances).where(tables.instances.c.uuid == server))
        assert found is not None
        return found

    def actions(self, server: str) -> list[str]:
        t = tables.instance_actions
        return [row["action"] for row in self.db.all(select(t).where(t.c.instance_uuid == server).order_by(t.c.id))]

    async def act(self, server: str, action: str, body: Any = None, who: str = "member", version: str = LATEST) -> Response:
        return await self.user(who).post("nova", f"/v2.1/servers/{server}/action", json={action: body}, version=version)

    async def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """What the compute was sent, once everything on its way has arrived."""
        for _ in range(50):
            await self.cloud.clock.sleep(0)
        return self.compute.heard


def refusal(answer: Response) -> tuple[int, str, str]:
    """(status, name of the fault, message)"""
    ((name, fault),) = answer.json().items()
    assert fault["code"] == answer.status
    return answer.status, name, fault["message"]


@pytest.fixture
async def yard(make_cloud: MakeCloud) -> Yard:
    found = Yard(await make_cloud())
    await found.replace_workers()
    return found


@pytest.fixture
async def nova_cloud(make_cloud: MakeCloud) -> Cloud:
    return await make_cloud(services=("keystone", "placement", "nova"))


@pytest.fixture
def user(nova_cloud: Cloud) -> Callable[[str], Nova]:
    return lambda who: Nova(nova_cloud, client(nova_cloud, who))


@pytest.fixture
def member(user: Callable[[str], Nova]) -> Nova:
    return user("member")


@pytest.fixture
def admin(user: Callable[[str], Nova]) -> Nova:
    return user("admin")
