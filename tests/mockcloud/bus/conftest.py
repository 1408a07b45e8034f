"""Both buses, behind one interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from mockcloud.bus.amqp import AmqpBus
from mockcloud.bus.base import Bus
from mockcloud.bus.memory import MemoryBus
from mockcloud.clock import Clock
from mockcloud.faults import Faults
from mockcloud.trace import Recorder, Scope


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def scope(recorder: Recorder) -> Scope:
    """Where a caller of the tests is."""
    return Scope(recorder, Faults(Clock()), "nova-compute", "host1", "req-1")


MakeBus = Callable[..., AmqpBus]


@pytest.fixture
async def make_amqp(recorder: Recorder) -> AsyncIterator[MakeBus]:
    """`make_amqp(url, timeout=1)`; closed at the end of the test."""
    made: list[AmqpBus] = []

    def make(url: str, timeout: float = 30.0) -> AmqpBus:
        clock = Clock()
        made.append(AmqpBus(url, clock, recorder, Faults(clock), timeout))
        return made[-1]

    yield make
    for bus in made:
        await bus.close()


@pytest.fixture(params=["memory", "amqp"])
async def bus(request: pytest.FixtureRequest, recorder: Recorder, make_amqp: MakeBus) -> AsyncIterator[Bus]:
    if request.param == "amqp":
        yield make_amqp(request.getfixturevalue("bus_url"))
        return
    clock = Clock()
    memory = MemoryBus(clock, recorder, Faults(clock), timeout=30.0)
    yield memory
    await memory.close()
