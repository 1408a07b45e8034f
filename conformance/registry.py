"""Checks: what they are, what they need, and how they say what they found."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.cloud import Cloud
    from conformance.evidence import Fact

MUST, SHOULD = "MUST", "SHOULD"  # SHOULD: what a deployment may configure away, or have too little of to show
DIALECTS = ("classic", "cells_v2")
LEVELS = {
    "B": "a plain client", "B2": "a plain client with a reader or a second project", "A": "an admin", "Q": "a tap on the message bus",
    "F": "a tap that sees replies", "P": "OSProfiler", "L": "service logs", "H": "provoked faults",
}  # fmt: skip
PROFILES = {  # which actors a profile asks about, by their steps
    "launch": range(1, 29), "identity": (1, 2, 4, 5, 20, 23, 26), "compute": (3, *range(6, 20), 21, 28), "network": (22, 23, 24),
    "volume": (25, 26, 27), "admin": range(1, 29),
}  # fmt: skip


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    NOT_OBSERVABLE = "not observable"  # nothing that was there could show it
    UNSUPPORTED = "unsupported"  # the cloud does not have it
    DISABLED = "disabled"  # the caller left it out
    ERROR = "error"  # the suite's own trouble, never the cloud's fault


class Violation(Exception):
    """The cloud did something else than it must."""

    def __init__(self, expected: str, actual: str, *facts: Fact) -> None:
        super().__init__(f"expected {expected}; was {actual}")
        self.expected, self.actual, self.facts = expected, actual, facts


class Excused(Exception):
    """Why there is no pass and no fail. The message is one sentence."""

    verdict = Verdict.ERROR


class NotObservable(Excused):
    verdict = Verdict.NOT_OBSERVABLE


class Unsupported(Excused):
    verdict = Verdict.UNSUPPORTED


class Disabled(Excused):
    verdict = Verdict.DISABLED


class Broken(Excused):
    """The suite could not do its work: no network, a dead cloud, a resource that could not be made."""


@dataclass(slots=True)
class Result:
    """What came of a row or a check."""

    id: str
    sentence: str
    verdict: Verdict
    level: str = MUST
    expected: str = ""
    actual: str = ""
    reason: str = ""  # of a verdict that is neither pass nor fail
    how: str = ""  # of a row that passed: direct, inferred
    sources: list[str] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    curl: list[str] = field(default_factory=list)
    seconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a cloud. `run` gets the cloud and raises a Violation or an Excused; returning means pass.

    `needs` are roles (`reader`, `stranger`, `admin`), services (`volume`, `placement`), `faults`, or kinds of facts that some source has to
    show (`rpc.publish`); where one of several will do, they are joined by `|`.
    """

    id: str
    level: str
    evidence: str  # the least access at which it can be seen: a letter of LEVELS
    sentence: str
    given: str
    when: str
    then: str
    needs: tuple[str, ...]
    dialects: tuple[str, ...]
    alone: bool  # it disturbs others: nothing else may run on the cloud meanwhile
    run: Callable[[Cloud], None]

    @property
    def step(self) -> int:
        return int(self.id[1:3])


CHECKS: dict[str, Check] = {}


def check(
    id: str,
    evidence: str,
    *,
    given: str,
    when: str,
    then: str,
    level: str = MUST,
    needs: Iterable[str] = (),
    dialects: tuple[str, ...] = DIALECTS,
    alone: bool = False,
) -> Callable[[Callable[[Cloud], None]], Callable[[Cloud], None]]:
    """Registers a check; its docstring is the sentence that reports show."""

    def register(run: Callable[[Cloud], None]) -> Callable[[Cloud], None]:
        if not re.fullmatch(r"S\d\d\.C\d", id) or id in CHECKS or evidence not in LEVELS:
            raise ValueError(f"check {id} ({evidence}) is malformed or there twice")
        sentence = " ".join((run.__doc__ or "").split())
        CHECKS[id] = Check(id, level, evidence, sentence, given, when, then, tuple(needs), dialects, alone, run)
        return run

    return register


def load_checks() -> dict[str, Check]:
    """All checks, in the order of their ids."""
    package = importlib.import_module("conformance.checks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"conformance.checks.{module.name}")
    return dict(sorted(CHECKS.items()))


def require(holds: object, expected: str, actual: object, *facts: Fact) -> None:
    """The one assertion of checks: says what was expected and what was there."""
    if not holds:
        raise Violation(expected, str(actual), *facts)
