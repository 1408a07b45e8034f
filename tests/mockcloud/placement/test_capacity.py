"""Whatever is asked in whatever order: no more is given than there is, and generations only count up."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from mockcloud.cloud import Cloud
from mockcloud.settings import Settings
from tests.mockcloud.placement.conftest import Placement, claim, new_uuid

CLASSES = ("VCPU", "MEMORY_MB")
AMOUNTS = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 6), min_size=1)


class Machine(RuleBasedStateMachine):
    """Three hosts and some consumers, beside a model of who should have what."""

    consumers = Bundle("consumers")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.cloud = Cloud(Settings(strict=True), ("keystone", "placement"))
        self.placement = Placement(self.cloud)
        self.run(self.cloud.start())
        self.hosts = [self.run(self.placement.provider(f"host{n}", VCPU=4 + n, MEMORY_MB=6)) for n in range(3)]
        self.totals = {host: {"VCPU": 4 + n, "MEMORY_MB": 6} for n, host in enumerate(self.hosts)}
        self.given: dict[str, dict[str, dict[str, int]]] = {}
        self.consumer_generations: dict[str, int] = {}
        self.seen = dict.fromkeys(self.hosts, 0)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.cloud.stop())
        self.runner.close()

    def expected(self, host: str) -> dict[str, int]:
        return {name: sum(claims.get(host, {}).get(name, 0) for claims in self.given.values()) for name in CLASSES}

    def has_room(self, consumer: str, wanted: dict[str, dict[str, int]]) -> bool:
        others = {host: self.expected(host) for host in self.hosts}
        for host, own in self.given.get(consumer, {}).items():
            for name, amount in own.items():
                others[host][name] -= amount
        return all(
            others[h][name] + n <= max(self.totals[h][name], self.expected(h)[name]) for h, r in wanted.items() for name, n in r.items()
        )

    @rule(target=consumers)
    def newcomer(self) -> str:
        return new_uuid()

    @rule(consumer=consumers, wanted=st.dictionaries(st.integers(0, 2), AMOUNTS, max_size=2), right=st.booleans())
    def allocate(self, consumer: str, wanted: dict[int, dict[str, int]], right: bool) -> None:
        plan = {self.hosts[n]: resources for n, resources in wanted.items()}
        known = self.consumer_generations.get(consumer)
        generation = known if right else (known or 0) + 7
        answer = self.run(self.placement.put(f"/allocations/{consumer}", claim(plan, generation)))
        if not right or not self.has_room(consumer, plan):
            assert answer.status == 409
            return
        assert answer.status == 204, answer.message()
        self.given.pop(consumer, None)
        self.consumer_generations[consumer] = (known or 0) + 1
        if plan:
            self.given[consumer] = plan
        else:
            del self.consumer_generations[consumer]

    @rule(consumer=consumers)
    def take_back(self, consumer: str) -> None:
        answer = self.run(self.placement.delete(f"/allocations/{consumer}"))
        assert answer.status == (204 if consumer in self.given else 404)
        self.given.pop(consumer, None)
        self.consumer_generations.pop(consumer, None)

    @rule(host=st.integers(0, 2), name=st.sampled_from(CLASSES), total=st.integers(1, 9), right=st.booleans())
    def resize(self, host: int, name: str, total: int, right: bool) -> None:
        provider = self.hosts[host]
        generation = self.run(self.placement.generation(provider)) + (0 if right else 1)
        body = {"total": total, "resource_provider_generation": generation}
        answer = self.run(self.placement.put(f"/resource_providers/{provider}/inventories/{name}", body))
        assert answer.status == (200 if right else 409)
        if right:
            assert answer.json()["resource_provider_generation"] == generation + 1
            self.totals[provider][name] = total

    @invariant()
    def usages_are_those_of_the_model(self) -> None:
        for host in self.hosts:
            assert self.run(self.placement.used(host)) == self.expected(host)

    @invariant()
    def generations_never_go_back(self) -> None:
        for host in self.hosts:
            now = self.run(self.placement.generation(host))
            assert now >= self.seen[host]
            self.seen[host] = now

    @invariant()
    def candidates_have_the_room_they_promise(self) -> None:
        answer = self.run(self.placement.get("/allocation_candidates?resources=VCPU:2,MEMORY_MB:3"))
        found = {next(iter(request["allocations"])) for request in answer.json()["allocation_requests"]}
        wanted = {"VCPU": 2, "MEMORY_MB": 3}
        fitting = {h for h in self.hosts if all(self.expected(h)[n] + a <= self.totals[h][n] for n, a in wanted.items())}
        assert found == fitting


TestCapacity = Machine.TestCase
TestCapacity.settings = settings(max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
