"""neutron and the keystone that it needs, without the rest of the cloud."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client

MakeCloud = Callable[..., Awaitable[Cloud]]
Json = dict[str, Any]

NOWHERE = "00000000-0000-4000-8000-000000000000"
SINGULAR = {"security-groups": "security_group", "security-group-rules": "security_group_rule"}


class Neutron:
    """One user's requests to neutron."""

    def __init__(self, cloud: Cloud, rest: Client) -> None:
        self.cloud, self.rest = cloud, rest

    @property
    def project_id(self) -> str:
        return self.rest.project_id

    async def request(self, method: str, path: str, json: Any = None, **options: Any) -> Response:
        return await self.rest.request("neutron", method, f"/v2.0{path}", json=json, **options)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.request("GET", path, params=params)
        assert answer.status == 200, answer.content
        return answer.json()

    async def create(self, plural: str, **values: Any) -> Json:
        noun = SINGULAR.get(plural, plural[:-1])
        answer = await self.request("POST", f"/{plural}", {noun: values})
        assert answer.status == 201, answer.content
        made: Json = answer.json()[noun]
        return made

    async def network(self, **values: Any) -> Json:
        return await self.create("networks", **values)

    async def subnet(self, network_id: str, cidr: str = "10.1.0.0/24", **values: Any) -> Json:
        return await self.create("subnets", **{"network_id": network_id, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4} | values)

    async def port(self, network_id: str, **values: Any) -> Json:
        return await self.create("ports", network_id=network_id, **values)

    async def show(self, noun: str, id_: str) -> Json:
        found: Json = (await self.get(f"/{noun.replace('_', '-')}s/{id_}"))[noun]
        return found

    async def update(self, noun: str, id_: str, **values: Any) -> Json:
        answer = await self.request("PUT", f"/{noun.replace('_', '-')}s/{id_}", {noun: values})
        assert answer.status == 200, answer.content
        found: Json = answer.json()[noun]
        return found

    async def default_group(self) -> Json:
        found: list[Json] = (await self.get("/security-groups", name="default", project_id=self.project_id))["security_groups"]
        return found[0]


def refusal(answer: Response) -> tuple[int, str]:
    """(status, neutron's exception name)"""
    return answer.status, answer.json()["NeutronError"]["type"]


def words(answer: Response) -> str:
    said: str = answer.json()["NeutronError"]["message"]
    return said


@pytest.fixture
async def neutron_cloud(make_cloud: MakeCloud) -> Cloud:
    return await make_cloud(services=("keystone", "neutron"))


@pytest.fixture
def user(neutron_cloud: Cloud) -> Callable[[str], Neutron]:
    return lambda who: Neutron(neutron_cloud, client(neutron_cloud, who))


@pytest.fixture
def member(user: Callable[[str], Neutron]) -> Neutron:
    return user("member")


@pytest.fixture
def reader(user: Callable[[str], Neutron]) -> Neutron:
    return user("reader")


@pytest.fixture
def stranger(user: Callable[[str], Neutron]) -> Neutron:
    return user("stranger")


@pytest.fixture
def admin(user: Callable[[str], Neutron]) -> Neutron:
    return user("admin")


@pytest.fixture
def nova(user: Callable[[str], Neutron]) -> Neutron:
    return user("nova")
