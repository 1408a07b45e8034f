"""The checks, each by its id."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.registry import Check, Result, load_checks
from conformance.suite.conftest import settle


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run: Any = metafunc.config.pluginmanager.get_plugin("conformance-run")
    options = run.options
    checks = load_checks().values()
    wanted = [c for c in checks if c.id in options.checks] if options.checks else [c for c in checks if options.wants(c.step, c.level)]
    marks = {"MUST": pytest.mark.must, "SHOULD": pytest.mark.should}
    metafunc.parametrize("check", [pytest.param(c, id=f"{c.id} {c.sentence}", marks=marks[c.level]) for c in wanted])


def test_check(check: Check, result: Result) -> None:
    settle(result)
