"""Small things that situations are made of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from conformance.situations import moment


@pytest.mark.parametrize(
    "text", ["2026-11-25T02:36:26Z", "2026-11-25T02:36:26.000000Z", "2026-11-25T02:36:26.000000", "2026-11-25T02:36:26"]
)
def test_a_timestamp_is_utc_whether_it_says_so_or_not(text: str) -> None:
    assert moment(text) == datetime(2026, 11, 25, 2, 36, 26, tzinfo=UTC)
