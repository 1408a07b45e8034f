"""An in-process REST client of a cloud: for tests that look at single requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from mockcloud.clients import Response
from mockcloud.cloud import Cloud

VERSIONED = {"nova": "compute", "cinder": "volume", "placement": "placement"}

LOGINS = {  # who: (user, project)
    "admin": ("admin", "admin"),
    "member": ("demo", "demo"),
    "reader": ("demo-reader", "demo"),
    "stranger": ("stranger", "other"),
    "nova": ("nova", "service"),
    "nobody": ("", ""),
}


class Client:
    """Requests in one user's name; the token is fetched at the first one."""

    def __init__(self, cloud: Cloud, user: str, project: str, password: str = "secret") -> None:
        self._cloud, self._user, self._project, self._password = cloud, user, project, password
        self.token = ""

    @property
    def user_id(self) -> str:
        return self._cloud.id_for("user", self._user)

    @property
    def project_id(self) -> str:
        return self._cloud.id_for("project", self._project)

    async def login(self) -> str:
        """A new token, also kept for the requests that follow."""
        domain = {"id": "default"}
        user = {"name": self._user, "domain": domain, "password": self._password}
        scope = {"project": {"name": self._project, "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        self.token = ""
        answer = await self._send("keystone", "POST", "/v3/auth/tokens", {}, orjson.dumps(body))
        if answer.status != 201:
            raise PermissionError(f"login of {self._user}: {answer.status} {answer.message()}")
        self.token = answer.headers["x-subject-token"]
        return self.token

    async def request(
        self,
        service: str,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | list[tuple[str, Any]] | None = None,
        version: str | None = None,
    ) -> Response:
        """`path` is the document's, e.g. `/v2.1/servers`; `version` the microversion."""
        if self._user and not self.token:
            await self.login()
        sent = {"X-Auth-Token": self.token} if self.token else {}
        if version and service in VERSIONED:
            sent["OpenStack-API-Version"] = f"{VERSIONED[service]} {version}"
        if json is not None:
            content = orjson.dumps(json)
            sent["Content-Type"] = "application/json"
        query = "?" + urlencode(params, doseq=True) if params else ""
        return await self._send(service, method, path + query, sent | dict(headers or {}), content or b"")

    async def _send(self, service: str, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Response:
        url = self._cloud.urls[service] + path
        return await self._cloud.transport.send(
            method, url, {"Content-Type": "application/json", "Accept": "application/json", **headers}, content, False
        )

    async def get(self, service: str, path: str, **options: Any) -> Response:
        return await self.request(service, "GET", path, **options)

    async def head(self, service: str, path: str, **options: Any) -> Response:
        return await self.request(service, "HEAD", path, **options)

    async def post(self, service: str, path: str, **options: Any) -> Response:
        return await self.request(service, "POST", path, **options)

    async def put(self, service: str, path: str, **options: Any) -> Response:
        return await self.request(service, "PUT", path, **options)

    async def patch(self, service: str, path: str, **options: Any) -> Response:
        return await self.request(service, "PATCH", path, **options)

    async def delete(self, service: str, path: str, **options: Any) -> Response:
        return await self.request(service, "DELETE", path, **options)


def client(cloud: Cloud, who: str) -> Client:
    """A client by what it may do: admin, member, reader (both of demo), stranger (of other), nova, nobody (no token)."""
    return Client(cloud, *LOGINS[who])
