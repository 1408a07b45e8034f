"""A placement with nothing in it, and its admin."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import client
from tests.conftest import MakeCloud

LATEST = "1.39"
Answer = Response


class Placement:
    """Placement as nova sees it: the admin at the newest microversion, unless told otherwise."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.admin, self.member, self.stranger = client(cloud, "admin"), client(cloud, "member"), client(cloud, "stranger")
        self.nobody = client(cloud, "nobody")

    async def ask(self, method: str, path: str, json: Any = None, version: str = LATEST, **options: Any) -> Response:
        return await self.admin.request("placement", method, path, json=json, version=version, **options)

    async def get(self, path: str, version: str = LATEST, **options: Any) -> Response:
        return await self.ask("GET", path, version=version, **options)

    async def put(self, path: str, json: Any = None, version: str = LATEST) -> Response:
        return await self.ask("PUT", path, json, version)

    async def post(self, path: str, json: Any = None, version: str = LATEST) -> Response:
        return await self.ask("POST", path, json, version)

    async def delete(self, path: str, version: str = LATEST) -> Response:
        return await self.ask("DELETE", path, version=version)

    async def provider(self, name: str, parent: str | None = None, traits: tuple[str, ...] = (), **totals: int) -> str:
        """A provider with inventories of these totals."""
        body = {"name": name, "uuid": str(uuid.uuid4())} | ({"parent_provider_uuid": parent} if parent else {})
        made = (await self.post("/resource_providers", body)).json()
        path, generation = f"/resource_providers/{made['uuid']}", made["generation"]
        if totals:
            inventories = {name: {"total": total} for name, total in totals.items()}
            body = {"inventories": inventories, "resource_provider_generation": generation}
            generation = (await self.put(f"{path}/inventories", body)).json()["resource_provider_generation"]
        if traits:
            answer = await self.put(f"{path}/traits", {"traits": list(traits), "resource_provider_generation": generation})
            assert answer.status == 200, answer.message()
        return str(made["uuid"])

    async def generation(self, provider: str) -> int:
        return int((await self.get(f"/resource_providers/{provider}")).json()["generation"])

    async def allocate(
        self, consumer: str, wanted: dict[str, dict[str, int]], generation: int | None = None, version: str = LATEST
    ) -> Response:
        return await self.put(f"/allocations/{consumer}", claim(wanted, generation), version)

    async def used(self, provider: str) -> dict[str, int]:
        return (await self.get(f"/resource_providers/{provider}/usages")).json()["usages"]  # type: ignore[no-any-return]


def claim(wanted: dict[str, dict[str, int]], generation: int | None = None, **more: Any) -> dict[str, Any]:
    """The body of an allocation at the newest microversion."""
    allocations = {provider: {"resources": resources} for provider, resources in wanted.items()}
    owner = {"project_id": "project", "user_id": "user", "consumer_type": "INSTANCE"}
    return {"allocations": allocations, "consumer_generation": generation} | owner | more


def new_uuid() -> str:
    return str(uuid.uuid4())


def error_of(answer: Response) -> tuple[int, str, str]:
    """Status, code and sentence; the body must have placement's form."""
    (error,) = answer.json()["errors"]
    assert set(error) == {"status", "title", "detail", "request_id", "code"}
    assert error["status"] == answer.status
    assert error["request_id"] == answer.headers["x-openstack-request-id"]
    return answer.status, error["code"], error["detail"]


@pytest.fixture
async def placement(make_cloud: MakeCloud) -> Placement:
    return Placement(await make_cloud(("keystone", "placement")))
