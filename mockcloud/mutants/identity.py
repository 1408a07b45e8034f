"""Faulty keystones."""

from __future__ import annotations

from mockcloud.keystone import credentials
from mockcloud.mutants import Patch, mutant


@mutant("M01", 1, "any password is accepted", ["S01.C2"], "B")
def any_password(patch: Patch) -> None:
    patch.replace(credentials, "verify_password", lambda password, hashed: True)
