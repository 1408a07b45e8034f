"""Every check can say no: each mutant is noticed, by a check that was named beforehand.

Here each mutant is started once, in one of its dialects; `make mutants` has all of them, and writes docs/mutants.md.
"""

from __future__ import annotations

import pytest

from conformance.registry import load_checks
from mockcloud.mutants import MUTANTS, Mutant, load_mutants
from tests.kill_matrix import judge

ALL = list(load_mutants().values())


def dialect_of(mutant: Mutant) -> str:
    """Half of those that both dialects have are tried in the one, half in the other."""
    return mutant.dialects[int(mutant.id[1:]) % len(mutant.dialects)]


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.id)
def test_a_mutant_is_killed_by_a_check_that_was_named_beforehand(mutant: Mutant) -> None:
    outcome = judge(mutant, dialect_of(mutant), everything=False)
    assert outcome.verdict == "killed", f"{mutant.fault}: {outcome.verdict} {outcome.by} {outcome.note}"


def test_every_check_is_named_by_a_mutant() -> None:
    named = {check for mutant in ALL for check in mutant.caught_by}
    assert set(load_checks()) - named == set()
    assert named - set(load_checks()) == set(), "a mutant names a check that is not there"


def test_ids_are_what_they_say() -> None:
    assert all(name == mutant.id and mutant.id[1:].isdigit() for name, mutant in MUTANTS.items())
