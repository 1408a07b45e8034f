"""Clouds for tests: fresh, in process, strict about their own documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from mockcloud.cloud import SERVICES, Cloud
from mockcloud.settings import Settings
from mockcloud.testing.client import Client, client

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
