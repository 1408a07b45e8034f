"""Interfaces that a build waits for, on the cloud's own clock."""

from __future__ import annotations

import asyncio

import pytest

from mockcloud.clock import Clock
from mockcloud.compute.errors import VirtualInterfaceCreateException
from mockcloud.compute.plugged import PluggedInterfaces

SERVER = "server"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plugged(clock: Clock) -> PluggedInterfaces:
    made = PluggedInterfaces(clock)
    made.expect(SERVER)
    return made


async def waiting(plugged: PluggedInterfaces, *ports: str) -> asyncio.Task[None]:
    task = asyncio.ensure_future(plugged.wait(SERVER, ports, 300))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_the_wait_ends_with_the_last_interface(plugged: PluggedInterfaces) -> None:
    plugged.hear(SERVER, "one")
    task = await waiting(plugged, "one", "two")
    plugged.hear(SERVER, "two")
    await asyncio.wait_for(task, 5)


async def test_it_ends_in_an_error_when_the_clock_is_advanced(clock: Clock, plugged: PluggedInterfaces) -> None:
    task = await waiting(plugged, "one")
    clock.advance(299)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(2)
    with pytest.raises(VirtualInterfaceCreateException):
        await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("ports", [(), ("one",)])
async def test_nobody_waits_for_what_has_been_heard_or_when_told_not_to(plugged: PluggedInterfaces, ports: tuple[str, ...]) -> None:
    plugged.hear(SERVER, "one")
    await asyncio.wait_for(plugged.wait(SERVER, ports, 300), 5)
    await asyncio.wait_for(plugged.wait(SERVER, ("never",), 0), 5)
