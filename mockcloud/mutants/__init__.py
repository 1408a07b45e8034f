"""Faulty clouds, on purpose: each mutant breaks one rule of a launch, so that a conformance suite can show that it notices.

A mutant changes the code before the cloud is built (`Patch.replace`, `Patch.wrap`), its settings, or arms faults in it. Nothing in the
product knows of mutants.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockcloud.cloud import Cloud
    from mockcloud.settings import Settings

DIALECTS = ("classic", "cells_v2")


class Patch:
    """What a mutant may do. Names are replaced where they are used: a function that a module imported is that module's own."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any]] = []
        self._settings: dict[str, Any] = {}
        self._when_built: list[Callable[[Cloud], None]] = []

    def replace(self, owner: Any, name: str, new: Any) -> None:
        self._replaced.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, new)

    def wrap(self, owner: Any, name: str, around: Callable[[Any], Any]) -> None:
        """`around` gets what was there and gives what is to be there instead."""
        self.replace(owner, name, around(owner.__dict__[name]))

    def settings(self, **changes: Any) -> None:
        self._settings |= changes

    def fault(self, step: int, kind: str, when: str = "before", **options: Any) -> None:
        """A fault that strikes every launch."""

        def arm(cloud: Cloud) -> None:
            cloud.faults.add(step, kind, when, **{"count": None, **options})

        self.when_built(arm)

    def when_built(self, act: Callable[[Cloud], None]) -> None:
        self._when_built.append(act)

    def apply_settings(self, settings: Settings) -> Settings:
        return settings.replace(**self._settings)

    def built(self, cloud: Cloud) -> None:
        for act in self._when_built:
            act(cloud)

    def undo(self) -> None:
        for owner, name, old in reversed(self._replaced):
            setattr(owner, name, old)
        self._replaced.clear()


@dataclass(frozen=True, slots=True)
class Mutant:
    """`caught_by`: checks any one of which suffices, the main one first; `level`: least evidence (B, B2, A, Q, F, P, L, H)."""

    id: str
    step: int  # 0: all
    fault: str
    caught_by: tuple[str, ...]
    level: str
    dialects: tuple[str, ...]
    apply: Callable[[Patch], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(
    id: str, step: int, fault: str, caught_by: Iterable[str], level: str, dialects: tuple[str, ...] = DIALECTS
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Registers a faulty cloud."""

    def register(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        if id in MUTANTS:
            raise ValueError(f"mutant {id} is there twice")
        MUTANTS[id] = Mutant(id, step, fault, tuple(caught_by), level, dialects, apply)
        return apply

    return register


def load_mutants() -> dict[str, Mutant]:
    """All of them, in the order of their ids."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(MUTANTS.items()))


@contextmanager
def mutated(mutant_id: str) -> Iterator[Patch]:
    """The code of the whole process is broken in this way, as long as the block lasts. Raises KeyError for an unknown id."""
    patch = Patch()
    try:
        load_mutants()[mutant_id].apply(patch)
        yield patch
    finally:
        patch.undo()
