"""A mock cloud in a process of its own, for a suite in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kill_matrix import run_suite, running


@pytest.fixture(scope="session")
def cloud_url() -> Iterator[str]:
    """The identity URL of a mock cloud that several tests read and none spoils."""
    with running() as url:
        yield url


@pytest.fixture(scope="session")
def rows_tree(cloud_url: str) -> dict[str, Any]:
    """The result tree of the 28 rows on that cloud, with all its evidence."""
    return run_suite(cloud_url, "-k", "test_step")
