"""Administrators' passwords for guests, where nobody chose one."""

from __future__ import annotations

import secrets

GROUPS = ("23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz")  # without what looks alike
LENGTH = 12


def generate_password() -> str:
    """At least one character of each group, in no particular order."""
    chosen = [secrets.choice(group) for group in GROUPS]
    chosen += [secrets.choice("".join(GROUPS)) for _ in range(LENGTH - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
