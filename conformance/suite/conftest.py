"""How a result becomes a test's outcome."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.registry import Result, Verdict


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Any:
    return request.config.pluginmanager.get_plugin("conformance-run")


@pytest.fixture
def settle(request: pytest.FixtureRequest) -> Any:
    def settled(result: Result) -> None:
        """pass passes, fail fails, error is told as an error; the others are skips that name their verdict."""
        if result.verdict is Verdict.FAIL:
            pytest.fail(f"{result.id} {result.sentence}\n  expected: {result.expected}\n  actual:   {result.actual}", pytrace=False)
        if result.verdict is Verdict.ERROR:
            pytest.fail(f"{result.id} error: {result.reason}", pytrace=False)
        if result.verdict is not Verdict.PASS:
            pytest.skip(f"{result.verdict.value}: {result.reason}")

    return settled
