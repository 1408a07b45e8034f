"""What the caller of the suite chose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.registry import MUST, PROFILES

ROLES = {
    "member": "runs everything: a plain member of a project",
    "reader": "role reader on the member's project: unlocks what a reader may not do (S05.C1, S20.C2, S26.C2)",
    "stranger": "a member of another project: unlocks isolation between projects",
    "admin": "the operator: unlocks hosts, allocations, quotas, capacity",
}


class UsageError(Exception):
    """An option that cannot be; the message is for the user."""


@dataclass(frozen=True)
class Options:
    url: str
    clouds: Mapping[str, str] = field(default_factory=dict)  # name in clouds.yaml by role
    credentials: Mapping[str, str] = field(default_factory=dict)  # username, password, project_name … of the member
    steps: frozenset[int] = frozenset(range(1, 29))
    checks: frozenset[str] = frozenset()  # empty: all
    level: str = "SHOULD"  # the weakest that is run
    profile: str = "launch"
    dialect: str = "auto"
    evidence: tuple[str, ...] = ()  # KIND or KIND=WHERE; empty: what the cloud announces
    timeout: float = 300.0  # seconds that a launch may take
    keep: bool = False
    verify: bool | str = True
    interface: str = "public"
    region: str | None = None
    flavor: str = ""
    image: str = ""
    network: str = ""
    fault_hook: str = ""
    token_cache_time: float | None = None  # seconds; None: what the cloud announces, if it does

    def wants(self, step: int, level: str = MUST) -> bool:
        return step in self.steps and step in PROFILES[self.profile] and (level == MUST or self.level != MUST)


def parse_steps(text: str) -> frozenset[int]:
    """`S01,S10-S12` -> {1, 10, 11, 12}. Raises UsageError for what is no step."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*S?(\d{1,2})(?:-S?(\d{1,2}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 28:
            raise UsageError(f"{part.strip() or text!r} is no step: there are S01 to S28, and spans such as S10-S12")
        found.update(range(first, last + 1))
    return frozenset(found)
