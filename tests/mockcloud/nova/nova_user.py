"""What the tests of nova's smaller resources do again and again."""

from __future__ import annotations

from typing import Any

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client

LATEST = "2.104"


class Nova:
    """One user's requests to nova, at the newest version unless said otherwise."""

    def __init__(self, cloud: Cloud, rest: Client) -> None:
        self.cloud, self.rest = cloud, rest

    @property
    def project_id(self) -> str:
        return self.rest.project_id

    @property
    def user_id(self) -> str:
        return self.rest.user_id

    async def request(self, method: str, path: str, json: Any = None, version: str = LATEST, **options: Any) -> Response:
        return await self.rest.request("nova", method, f"/v2.1{path}", json=json, version=version, **options)

    async def get(self, path: str, version: str = LATEST) -> Any:
        answer = await self.request("GET", path, version=version)
        assert answer.status == 200, answer.content
        return answer.json()

    async def post(self, path: str, json: Any, version: str = LATEST) -> Any:
        """The body of an answer that has to be a success."""
        answer = await self.request("POST", path, json, version)
        assert answer.ok, answer.content
        return answer.json()


def refusal(answer: Response) -> tuple[int, str]:
    """(status, message)"""
    ((_, fault),) = answer.json().items()
    assert fault["code"] == answer.status
    return answer.status, fault["message"]
