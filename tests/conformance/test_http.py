"""Which of its surroundings the suite minds."""

from __future__ import annotations

import pytest

from conformance.http import session_for


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000/v3", "http://localhost/identity", "http://[::1]:5000"])
def test_no_proxy_stands_before_loopback(url: str) -> None:
    assert session_for(url).trust_env is False


def test_a_cloud_elsewhere_may_be_behind_a_proxy() -> None:
    assert session_for("https://cloud.example/identity").trust_env is True
