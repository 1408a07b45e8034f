"""A cloud of keystone and glance, and what its tests do again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client

MakeCloud = Callable[..., Awaitable[Cloud]]
PATCH = "application/openstack-images-v2.1-json-patch"
OCTETS = "application/octet-stream"


class Glance:
    """One user's requests to glance."""

    def __init__(self, cloud: Cloud, rest: Client) -> None:
        self.cloud, self.rest = cloud, rest

    @property
    def project_id(self) -> str:
        return self.rest.project_id

    async def request(self, method: str, path: str, json: Any = None, **options: Any) -> Response:
        return await self.rest.request("glance", method, f"/v2{path}", json=json, **options)

    async def get(self, path: str, **options: Any) -> Any:
        answer = await self.request("GET", path, **options)
        assert answer.status == 200, answer.content
        return answer.json()

    async def image(self, data: bytes | None = None, **values: Any) -> dict[str, Any]:
        """A new raw image; with `data` an active one."""
        body = {"name": "one", "disk_format": "raw", "container_format": "bare"} | values
        answer = await self.request("POST", "/images", body)
        assert answer.status == 201, answer.content
        made: dict[str, Any] = answer.json()
        if data is None:
            return made
        assert (await self.upload(made["id"], data)).status == 204
        return dict(await self.get(f"/images/{made['id']}"))

    async def upload(self, image_id: str, data: bytes, path: str = "file", **headers: str) -> Response:
        return await self.request("PUT", f"/images/{image_id}/{path}", content=data, headers={"Content-Type": OCTETS, **headers})

    async def patch(self, image_id: str, *changes: Any, media: str = PATCH) -> Response:
        return await self.request("PATCH", f"/images/{image_id}", list(changes), headers={"Content-Type": media})

    async def names(self, **query: Any) -> list[str]:
        return [image["name"] for image in (await self.get("/images", params=query))["images"]]

    async def stream(self, image_id: str, chunks: AsyncIterator[bytes]) -> Response:
        """An upload that comes piece by piece."""
        token = self.rest.token or await self.rest.login()
        url = f"{self.cloud.urls['glance']}/v2/images/{image_id}/file"
        return await self.cloud.transport.send("PUT", url, {"Content-Type": OCTETS, "X-Auth-Token": token}, chunks, False)


def refusal(answer: Response) -> tuple[int, str]:
    """(status, sentence) of an error body, as WebOb writes JSON."""
    body = answer.json()
    assert body["code"] == f"{answer.status} {body['title']}"
    return answer.status, answer.message()


@pytest.fixture
async def glance_cloud(make_cloud: MakeCloud) -> Cloud:
    return await make_cloud(services=("keystone", "glance"))


@pytest.fixture
def user(glance_cloud: Cloud) -> Callable[[str], Glance]:
    return lambda who: Glance(glance_cloud, client(glance_cloud, who))


@pytest.fixture
def member(user: Callable[[str], Glance]) -> Glance:
    return user("member")


@pytest.fixture
def admin(user: Callable[[str], Glance]) -> Glance:
    return user("admin")


@pytest.fixture
def stranger(user: Callable[[str], Glance]) -> Glance:
    return user("stranger")


@pytest.fixture
def reader(user: Callable[[str], Glance]) -> Glance:
    return user("reader")
