"""The selection core, as a dialect that wants alternates asks it."""

from __future__ import annotations

from mockcloud.claims import Claims
from mockcloud.scheduler.selection import Selector, together
from mockcloud.scheduler.spec import RequestSpec

from .conftest import PROJECT, SMALL, USER, Yard


async def test_alternates_are_distinct_and_unclaimed(yard: Yard) -> None:
    nodes = {name: await yard.host(name) for name in ("one", "two", "three", "four")}
    selector = Selector(yard.db, Claims(yard.component.clients), yard.component.settings, yard.component.clock)
    servers = ("a1" * 16, "b2" * 16)
    found = await selector.select(yard.ctx, RequestSpec(servers, PROJECT, USER, SMALL), alternates=2)
    assert found.refused == {}
    winners = {uuid: chosen[0] for uuid, chosen in found.chosen.items()}
    assert list(winners) == list(servers)
    for chosen in found.chosen.values():
        hosts = [selection.host for selection in chosen]
        assert len(set(hosts)) == 3
        assert not {winner.host for winner in winners.values()} & set(hosts[1:])
    for uuid, winner in winners.items():
        assert winner.compute_node == nodes[winner.host]
        assert list(await yard.allocation(uuid)) == [winner.compute_node]


async def test_no_more_alternates_than_hosts(yard: Yard) -> None:
    await yard.host("one")
    selector = Selector(yard.db, Claims(yard.component.clients), yard.component.settings, yard.component.clock)
    found = await selector.select(yard.ctx, RequestSpec(("c3" * 16,), PROJECT, USER, SMALL), alternates=2)
    assert [selection.host for selection in found.chosen["c3" * 16]] == ["one"]


async def test_what_an_earlier_attempt_left_claimed_is_replaced(yard: Yard) -> None:
    one, two = await yard.host("one"), await yard.host("two")
    claims, consumer = Claims(yard.component.clients), "d4" * 16
    assert await claims.claim(yard.ctx, consumer, {one: {"resources": {"VCPU": 3}}}, PROJECT, USER)
    assert await claims.claim(yard.ctx, consumer, {two: {"resources": {"VCPU": 1}}}, PROJECT, USER)
    assert await yard.allocation(consumer) == {two: {"VCPU": 1}}


async def test_a_claim_beyond_the_room_takes_nothing(yard: Yard) -> None:
    one = await yard.host("one", vcpus=2)
    claims, consumer = Claims(yard.component.clients), "e5" * 16
    assert not await claims.claim(yard.ctx, consumer, {one: {"resources": {"VCPU": 3}}}, PROJECT, USER)
    assert await yard.allocation(consumer) == {}
    await claims.release(yard.ctx, consumer)


def test_allocations_on_one_provider_add_up() -> None:
    small, large = {"a": {"resources": {"VCPU": 1, "DISK_GB": 5}}}, {"a": {"resources": {"VCPU": 2}}, "b": {"resources": {"VCPU": 1}}}
    assert together(small, large) == {"a": {"resources": {"VCPU": 3, "DISK_GB": 5}}, "b": {"resources": {"VCPU": 1}}}
    assert small == {"a": {"resources": {"VCPU": 1, "DISK_GB": 5}}}
