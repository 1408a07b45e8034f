"""A keystone alone, and the ways in."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client
from tests.conftest import MakeCloud

DEFAULT = {"id": "default"}


class Keystone:
    """Keystone as its clients see it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.admin, self.member = client(cloud, "admin"), client(cloud, "member")
        self.reader, self.stranger, self.nobody = client(cloud, "reader"), client(cloud, "stranger"), client(cloud, "nobody")

    def id(self, kind: str, name: str) -> str:
        return self.cloud.id_for(kind, name)

    async def authenticate(self, identity: Any, scope: Any = None, query: str = "", **more: Any) -> Response:
        auth = {"identity": identity} | ({} if scope is None else {"scope": scope}) | more
        return await self.nobody.post("keystone", f"/v3/auth/tokens{query}", json={"auth": auth})

    async def login(self, name: str, scope: Any = None, password: str = "secret", domain: Any = DEFAULT) -> Response:
        return await self.authenticate(by_password(name, password, domain), scope)

    async def rescope(self, token: str, scope: Any = None) -> Response:
        return await self.authenticate({"methods": ["token"], "token": {"id": token}}, scope)

    async def validate(self, token: str, by: Client | None = None, **options: Any) -> Response:
        return await (by or self.admin).get("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token}, **options)

    async def made(self, kind: str, **given: Any) -> dict[str, Any]:
        """A user, project, domain, group, role, ... made by the admin."""
        answer = await self.admin.post("keystone", f"/v3/{kind}s", json={kind: given})
        assert answer.status == 201, answer.message()
        return answer.json()[kind]  # type: ignore[no-any-return]

    async def grant(self, user: str, project: str, role: str) -> None:
        path = f"/v3/projects/{project}/users/{user}/roles/{self.id('role', role)}"
        assert (await self.admin.put("keystone", path)).status == 204

    def as_token(self, token: str) -> Client:
        """A client that shows just this token."""
        found = Client(self.cloud, "?", "?")
        found.token = token
        return found


def by_password(name: str, password: str = "secret", domain: Any = DEFAULT) -> dict[str, Any]:
    return {"methods": ["password"], "password": {"user": {"name": name, "domain": domain, "password": password}}}


def project(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT}}


def token_of(answer: Response) -> str:
    assert answer.status == 201, answer.message()
    return answer.headers["x-subject-token"]


def error_of(answer: Response) -> tuple[int, str]:
    """Status and sentence of an error; its body must have keystone's form."""
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "title"}
    assert error["code"] == answer.status
    return answer.status, error["message"]


@pytest.fixture
async def keystone(make_cloud: MakeCloud) -> Keystone:
    return Keystone(await make_cloud(("keystone",)))
