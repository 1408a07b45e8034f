"""Clouds for tests: fresh, in process, strict about their own documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mockcloud.cloud import SERVICES, Cloud
from mockcloud.settings import Settings
from mockcloud.testing.client import Client, client
from tests import rabbitmq as broker
from tests.rabbitmq import RabbitMQ

MakeCloud = Callable[..., Awaitable[Cloud]]


@pytest.fixture
async def make_cloud() -> AsyncIterator[MakeCloud]:
    """`await make_cloud(services=("keystone", "glance"), token_life=5)`: a running cloud, stopped at the end of the test."""
    made: list[Cloud] = []

    async def make(services: tuple[str, ...] = SERVICES, **options: Any) -> Cloud:
        cloud = Cloud(Settings(strict=True, **options), services)
        made.append(cloud)
        await cloud.start()
        return cloud

    yield make
    for cloud in made:
        await cloud.stop()


@pytest.fixture
async def cloud(make_cloud: MakeCloud) -> Cloud:
    return await make_cloud()


@pytest.fixture
def as_(cloud: Cloud) -> Callable[[str], Client]:
    """`as_("member")`: a client of `cloud` in that role (see mockcloud.testing.client.LOGINS)."""
    return lambda who: client(cloud, who)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A running broker, shared by the tests of this process: each takes a virtual host of its own (`bus_url`)."""
    if not broker.installed():
        pytest.skip(broker.MISSING)
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as running:
        yield running


@pytest.fixture
def own_rabbitmq(tmp_path: Path) -> Iterator[RabbitMQ]:
    """A running broker for one test, which may kill it and start it again."""
    if not broker.installed():
        pytest.skip(broker.MISSING)
    with RabbitMQ(tmp_path) as running:
        yield running


@pytest.fixture
def bus_url(rabbitmq: RabbitMQ) -> str:
    """A virtual host that nobody has used. For its firehose take `rabbitmq.vhost(tracing=True)` instead."""
    return rabbitmq.vhost()
