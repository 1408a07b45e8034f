"""Which providers could give what is asked for: pure, over what was read from the database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockcloud.placement.inventory import capacity, refusal

Amounts = dict[str, dict[str, int]]  # provider -> resource class -> amount


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


@dataclass(frozen=True, slots=True)
class Group:
    """One request group. Of each set in `required` and `member_of` one is wanted."""

    resources: Mapping[str, int] = field(default_factory=dict)
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[str], ...] = ()
    not_member_of: frozenset[str] = frozenset()
    in_tree: str = ""

    def has_traits(self, traits: frozenset[str]) -> bool:
        return all(any_of & traits for any_of in self.required)

    def admits(self, provider: Provider, tree: Tree, own_aggregates: bool = False) -> bool:
        """Everything but traits that must be there and resources. A root's aggregates span its tree, unless `own_aggregates`."""
        aggregates = provider.aggregates | (frozenset() if own_aggregates else tree.root_aggregates)
        if self.forbidden & provider.traits or self.not_member_of & aggregates:
            return False
        if self.in_tree and self.in_tree not in tree.providers:
            return False
        return all(any_of & aggregates for any_of in self.member_of)


@dataclass(frozen=True, slots=True)
class Wish:
    """A whole request: its groups by suffix (the empty one may be spread over a tree), and what holds for all of them."""

    groups: Mapping[str, Group]
    isolate: bool = False  # the suffixed groups, each from a provider of its own
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    same_subtrees: tuple[frozenset[str], ...] = ()
    nested: bool = True  # else one provider gives everything


@dataclass(slots=True)
class Tree:
    providers: dict[str, Provider]
    root: Provider | None

    @property
    def root_aggregates(self) -> frozenset[str]:
        return self.root.aggregates if self.root else frozenset()

    def is_above(self, upper: str, lower: str) -> bool:
        at: str | None = lower
        while at is not None and at != upper:
            at = self.providers[at].parent if at in self.providers else None
        return at == upper


@dataclass(frozen=True, slots=True)
class Candidate:
    """`amounts` by provider; `mappings` says which providers serve which group."""

    amounts: Amounts
    mappings: dict[str, list[str]]


def trees_of(providers: list[Provider]) -> list[Tree]:
    found: dict[str, Tree] = {}
    for provider in providers:
        tree = found.setdefault(provider.root, Tree({}, None))
        tree.providers[provider.uuid] = provider
        if provider.uuid == provider.root:
            tree.root = provider
    return list(found.values())


def allocation_candidates(providers: list[Provider], wish: Wish, limit: int | None = None) -> list[Candidate]:
    """At most `limit`, tree by tree."""
    every = itertools.chain.from_iterable(_of_tree(tree, wish) for tree in trees_of(providers))
    return list(itertools.islice(every, limit))


Option = dict[str, dict[str, int]]  # how one group may be served: amounts by provider


def _of_tree(tree: Tree, wish: Wish) -> Iterator[Candidate]:
    root_traits = tree.root.traits if tree.root else frozenset()
    if not wish.root_required <= root_traits or wish.root_forbidden & root_traits:
        return
    options = [list(_spread(tree, group) if suffix == "" else _single(tree, group)) for suffix, group in wish.groups.items()]
    for choice in itertools.product(*options):
        served = dict(zip(wish.groups, choice, strict=True))
        amounts = _sum(choice)
        if _holds(tree, wish, served) and all(tree.providers[uuid].can_give(given) for uuid, given in amounts.items()):
            yield Candidate(amounts, {suffix: sorted(option) for suffix, option in served.items()})


def _single(tree: Tree, group: Group) -> Iterator[Option]:
    for provider in tree.providers.values():
        if group.admits(provider, tree) and group.has_traits(provider.traits) and provider.can_give(group.resources):
            yield {provider.uuid: dict(group.resources)}


def _spread(tree: Tree, group: Group) -> Iterator[Option]:
    """The group without a suffix: each class from any provider, the traits among all that give something."""
    admitted = [provider for provider in tree.providers.values() if group.admits(provider, tree)]
    givers = [[p for p in admitted if p.can_give({name: amount})] for name, amount in group.resources.items()]
    for choice in itertools.product(*givers):
        if group.has_traits(frozenset().union(*(provider.traits for provider in choice))):
            option: Option = {}
            for provider, (name, amount) in zip(choice, group.resources.items(), strict=True):
                option.setdefault(provider.uuid, {})[name] = amount
            yield option


def _holds(tree: Tree, wish: Wish, served: Mapping[str, Option]) -> bool:
    if not wish.nested and len({uuid for option in served.values() for uuid in option}) > 1:
        return False
    single = [next(iter(option)) for suffix, option in served.items() if suffix]
    if wish.isolate and len(set(single)) < len(single):
        return False
    return all(_one_subtree(tree, {uuid for suffix in suffixes for uuid in served[suffix]}) for suffixes in wish.same_subtrees)


def _one_subtree(tree: Tree, uuids: set[str]) -> bool:
    """One of them is above all the others."""
    return any(all(tree.is_above(upper, lower) for lower in uuids) for upper in uuids)


def _sum(choice: tuple[Option, ...]) -> Amounts:
    total: Amounts = {}
    for option in choice:
        for uuid, resources in option.items():
            if not resources:
                continue
            given = total.setdefault(uuid, {})
            for name, amount in resources.items():
                given[name] = given.get(name, 0) + amount
    return total
