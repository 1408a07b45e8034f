"""The 28 rows of one launch."""

from __future__ import annotations

from typing import Any

import pytest

import specs
from conformance.registry import Result
from conformance.suite.conftest import settle


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run: Any = metafunc.config.pluginmanager.get_plugin("conformance-run")
    options = run.options
    rows = [row for row in specs.launch() if not options.checks and options.wants(row.n)]
    metafunc.parametrize("row", [pytest.param(row, id=f"{row.id} {row.sentence}", marks=pytest.mark.must) for row in rows])


def test_step(row: specs.Row, result: Result) -> None:
    settle(result)
