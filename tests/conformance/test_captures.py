"""The recordings of a real launch that parsers are tested on."""

import json
import re
from pathlib import Path

import pytest

CAPTURES = Path(__file__).parent / "captures"
SECRETS = re.compile(
    r"gAAAA[\w-]{20,}"  # a fernet token
    r"|(?:admin_?[pP]ass\w*|auth_token|hmac_key|[\"']password)\W{3,8}(?!\*)\w"
)


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("image-*/**/*.*")), ids=lambda path: path.relative_to(CAPTURES).as_posix())
def test_a_recording_holds_no_secret(path: Path) -> None:
    assert not SECRETS.findall(path.read_text())


def test_a_secret_in_a_recording_would_be_seen() -> None:
    for leak in (r"\"_context_auth_token\": \"abc\"", "'admin_password': 'J4M'", '"adminPass": "x"', "gAAAAA" + "x" * 40):
        assert SECRETS.search(leak), leak


@pytest.mark.parametrize("scenario", ["image-volume", "image-volume-no-token-cache"])
def test_a_recording_shows_the_launch_from_the_api_to_the_compute(scenario: str) -> None:
    frames = [json.loads(line) for line in (CAPTURES / scenario / "amqp.jsonl").read_text().splitlines()]
    messages = [json.loads(frame["body"]["oslo.message"]) for frame in frames if frame["event"] == "publish"]
    methods = [message["method"] for message in messages if "method" in message]
    assert methods[:3] == ["schedule_and_build_instances", "select_destinations", "build_and_run_instance"]
