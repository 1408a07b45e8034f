"""How a result becomes a test's outcome: pass passes, fail fails, error is an error, the others are skips that name their verdict."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.registry import Result, Verdict


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Any:
    return request.config.pluginmanager.get_plugin("conformance-run")


@pytest.fixture
def result(run: Any, request: pytest.FixtureRequest) -> Result:
    """What came of the test's row or check. Trouble of the suite's own is an error of this fixture, not a failure of the cloud."""
    asked = request.node.callspec.params
    found: Result = run.perform(asked["check"], request.node) if "check" in asked else run.show_row(asked["row"], request.node)
    if found.verdict is Verdict.ERROR:
        pytest.fail(f"{found.id} error: {found.reason}", pytrace=False)
    return found


def settle(result: Result) -> None:
    if result.verdict is Verdict.FAIL:
        pytest.fail(f"{result.id} {result.sentence}\n  expected: {result.expected}\n  actual:   {result.actual}", pytrace=False)
    if result.verdict is not Verdict.PASS:
        pytest.skip(f"{result.verdict.value}: {result.reason}")
