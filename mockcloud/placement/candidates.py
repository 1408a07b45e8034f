"""Which providers could give what is asked for: pure, over what was read from the database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockcloud.placement.inventory import capacity, refusal


@dataclass(slots=True)
class Provider:
    """One provider with everything that a candidate is judged by."""

    uuid: str
    root: str
    parent: str | None = None
    generation: int = 0
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()
    inventories: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)

    def can_give(self, resources: Mapping[str, int]) -> bool:
        return all(not refusal(self.inventories.get(name), self.used.get(name, 0), wanted) for name, wanted in resources.items())

    def summary(self) -> dict[str, Any]:
        resources = {name: {"capacity": capacity(inv), "used": self.used.get(name, 0)} for name, inv in self.inventories.items()}
        return {
            "resources": resources,
            "traits": sorted(self.traits),
            "parent_provider_uuid": self.parent,
            "root_provider_uuid": self.root,
        }


Rule = Callable[[Provider], bool]


def parse_resources(text: str) -> dict[str, int]:
    """`VCPU:1,MEMORY_MB:512`; raises ValueError with a sentence."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, amount = part.partition(":")
        if not name or not amount.isdecimal() or int(amount) < 1:
            raise ValueError(f"Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: {text}.")  # fmt: skip  # noqa: E501
        found[name] = int(amount)
    return found


def trait_rule(text: str) -> Rule:
    """`A,!B` (all of, none of) or `in:A,B` (any of)."""
    if text.startswith("in:"):
        any_of = frozenset(text[3:].split(","))
        return lambda provider: bool(provider.traits & any_of)
    names = [name for name in text.split(",")]
    wanted = frozenset(name for name in names if not name.startswith("!"))
    refused = frozenset(name[1:] for name in names if name.startswith("!"))
    return lambda provider: wanted <= provider.traits and not refused & provider.traits


def aggregate_rule(text: str) -> Rule:
    """`uuid`, `in:uuid,uuid`, or either with a leading `!`."""
    negated, text = text.startswith("!"), text.removeprefix("!")
    wanted = frozenset(text.removeprefix("in:").split(","))
    return lambda provider: bool(provider.aggregates & wanted) != negated


def allocation_candidates(
    providers: list[Provider], resources: Mapping[str, int], rules: list[Rule], limit: int | None = None
) -> list[Provider]:
    """Providers that satisfy every rule and can give everything, at most `limit`."""
    fitting = (p for p in providers if all(rule(p) for rule in rules) and p.can_give(resources))
    return list(itertools.islice(fitting, limit))
