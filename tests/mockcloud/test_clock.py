"""The cloud's clock."""

from __future__ import annotations

import asyncio

import pytest

from mockcloud.clock import Clock


async def test_a_sleeper_wakes_when_the_clock_is_advanced_past_its_time():
    clock = Clock()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    clock.advance(3599)
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    clock.advance(2)
    await asyncio.wait_for(sleeper, 1)


async def test_a_faster_clock_wakes_its_sleepers_sooner():
    clock = Clock()
    sleeper = asyncio.create_task(clock.sleep(100))
    await asyncio.sleep(0)
    clock.speed = 100_000
    await asyncio.wait_for(sleeper, 1)


def test_time_goes_on_from_where_it_was_when_the_speed_changes():
    clock = Clock(speed=1000)
    before = clock.time()
    clock.speed = 0.001
    assert clock.time() >= before


@pytest.mark.parametrize("change", [lambda c: c.advance(-1), lambda c: setattr(c, "speed", 0)])
def test_the_clock_neither_stops_nor_goes_back(change):
    with pytest.raises(ValueError):
        change(Clock())
