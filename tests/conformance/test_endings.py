"""What is said of a launch that is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.endings import addresses, must_be_attached, must_fail, must_follow
from conformance.registry import Violation

ORDER = ("scheduling", None, "networking", "spawning", None)


def launch(**more: Any) -> Any:
    boot = SimpleNamespace(fact=None, status=202)
    return SimpleNamespace(views=[], boot=boot, server_id="one", **more)


@pytest.mark.parametrize(
    "seen",
    [[], ["scheduling"], ["scheduling", "scheduling", None, None], list(ORDER), ["networking", None], [None], ["scheduling", "spawning"]],
)
def test_a_poller_may_miss_states(seen: list[str | None]) -> None:
    must_follow(seen, ORDER, "states", launch())


@pytest.mark.parametrize(
    "seen", [["spawning", "networking"], ["networking", "scheduling"], [None, "networking", None, "spawning"], ["else"]]
)
def test_states_never_go_back_and_are_no_others(seen: list[str | None]) -> None:
    with pytest.raises(Violation, match="in the order"):
        must_follow(seen, ORDER, "states", launch())


@pytest.mark.parametrize(
    ("status", "attached", "good"),
    [
        ("in-use", ["one"], True),
        ("in-use", ["one", "one"], False),
        ("in-use", ["two"], False),
        ("attaching", ["one"], False),
        ("in-use", [], False),
    ],
)
def test_a_volume_is_attached_to_one_server_once(status: str, attached: list[str], good: bool) -> None:
    volume = {"status": status, "attachments": [{"server_id": server} for server in attached]}
    if good:
        must_be_attached(launch(), volume)
        return
    with pytest.raises(Violation, match="alone"):
        must_be_attached(launch(), volume)


@pytest.mark.parametrize(
    ("status", "fault", "good"),
    [("ERROR", {"message": "no host"}, True), ("ERROR", {}, False), ("ACTIVE", {}, False), ("BUILD", {}, False)],
)
def test_a_launch_that_failed_says_why(status: str, fault: dict[str, str], good: bool) -> None:
    failed = launch(status=status, final={"fault": fault})
    if good:
        must_fail(failed)
        return
    with pytest.raises(Violation):
        must_fail(failed)


def test_floating_addresses_are_no_ports() -> None:
    kinds = [{"addr": "10.0.0.3", "OS-EXT-IPS:type": "fixed"}, {"addr": "192.0.2.1", "OS-EXT-IPS:type": "floating"}]
    shown = addresses(launch(final={"addresses": {"private": kinds}}))
    assert [(one["network"], one["addr"]) for one in shown] == [("private", "10.0.0.3")]
