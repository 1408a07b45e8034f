"""A cloud of keystone and cinder, and what its tests do again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client

MakeCloud = Callable[..., Awaitable[Cloud]]
LATEST = "3.71"
WORKING = ("creating", "downloading", "deleting", "extending", "retyping", "uploading", "reverting", "restoring")


class Cinder:
    """One user's requests to cinder, at the newest version unless said otherwise."""

    def __init__(self, cloud: Cloud, rest: Client) -> None:
        self.cloud, self.rest = cloud, rest

    @property
    def project_id(self) -> str:
        return self.rest.project_id

    async def request(self, method: str, path: str, json: Any = None, version: str = LATEST, **options: Any) -> Response:
        return await self.rest.request("cinder", method, f"/v3{path}", json=json, version=version, **options)

    async def get(self, path: str, **options: Any) -> Any:
        return (await self.request("GET", path, **options)).json()

    async def volume(self, wait: bool = True, **values: Any) -> dict[str, Any]:
        """A new volume of 1 GiB; with `wait` as it is when its creation is over."""
        answer = await self.request("POST", "/volumes", {"volume": {"size": 1, **values}})
        assert answer.status == 202, answer.content
        made: dict[str, Any] = answer.json()["volume"]
        return await self.settled(made["id"]) if wait else made

    async def snapshot(self, volume_id: str, **values: Any) -> dict[str, Any]:
        answer = await self.request("POST", "/snapshots", {"snapshot": {"volume_id": volume_id, **values}})
        assert answer.status == 202, answer.content
        return await self.settled(answer.json()["snapshot"]["id"], "snapshot")

    async def act(self, volume_id: str, action: str, body: Any = None, **options: Any) -> Response:
        return await self.request("POST", f"/volumes/{volume_id}/action", {action: body}, **options)

    async def attach(self, volume_id: str, server_id: str, connector: Any = None) -> Response:
        body = {"volume_uuid": volume_id, "instance_uuid": server_id, "connector": connector}
        return await self.request("POST", "/attachments", {"attachment": body})

    async def settled(self, id: str, kind: str = "volume") -> dict[str, Any]:
        """The volume or snapshot once nothing works on it any more; empty when it is gone."""
        for _ in range(500):
            answer = await self.request("GET", f"/{kind}s/{id}")
            if answer.status == 404:
                return {}
            found: dict[str, Any] = answer.json()[kind]
            if found["status"] not in WORKING:
                return found
            await self.cloud.clock.sleep(0)
        raise AssertionError(f"{kind} {id} is still {found['status']}")


def refusal(answer: Response) -> tuple[int, str, str]:
    """(status, name of the fault, message)"""
    ((name, fault),) = answer.json().items()
    assert fault["code"] == answer.status
    return answer.status, name, fault["message"]


@pytest.fixture
async def cinder_cloud(make_cloud: MakeCloud) -> Cloud:
    return await make_cloud(services=("keystone", "cinder"))


@pytest.fixture
def user(cinder_cloud: Cloud) -> Callable[[str], Cinder]:
    return lambda who: Cinder(cinder_cloud, client(cinder_cloud, who))


@pytest.fixture
def member(user: Callable[[str], Cinder]) -> Cinder:
    return user("member")


@pytest.fixture
def admin(user: Callable[[str], Cinder]) -> Cinder:
    return user("admin")
