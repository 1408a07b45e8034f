"""What cinder has and this cloud does not: said, never guessed at."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/backups/detail", None),
        ("GET", "/volume-transfers/detail", None),
        ("POST", "/qos-specs", {"qos_specs": {"name": "fast"}}),
        ("POST", "/groups/x/action", {"delete": {"delete-volumes": True}}),
    ],
)
async def test_what_is_declined_answers_501_with_a_sentence(member: Cinder, method: str, path: str, body: Any) -> None:
    status, name, sentence = refusal(await member.request(method, path, body))
    assert (status, name, sentence.endswith(".")) == (501, "notImplemented", True)


async def test_what_a_version_does_not_have_is_not_declined(member: Cinder) -> None:
    assert refusal(await member.request("GET", "/groups", version="3.12"))[0] == 404
