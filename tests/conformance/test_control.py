"""The fault hook's client."""

import pytest
import responses

from conformance.control import Control
from conformance.registry import Broken, Unsupported

HOOK = "http://127.0.0.1:9"


@pytest.fixture
def answers():
    with responses.RequestsMock() as mocked:
        yield mocked


def test_what_the_hook_of_a_cloud_cannot_do_is_unsupported(answers):
    answers.post(f"{HOOK}/faults", status=501, json={"error": "no"})
    with pytest.raises(Unsupported, match="cannot POST /faults"), Control(HOOK).fault(22, "fail"):
        raise AssertionError("nothing was broken")


def test_any_other_refusal_is_trouble_of_the_run(answers):
    answers.put(f"{HOOK}/workers/nova-scheduler", status=404, json={"error": "no"})
    with pytest.raises(Broken, match="404"):
        Control(HOOK).stop_worker("nova-scheduler")
