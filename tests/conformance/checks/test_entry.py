"""The states of a server in BUILD, as a poller may see them."""

from __future__ import annotations

import pytest

from conformance.checks.entry import misstep
from conformance.evidence import Fact


def view(task: str | None, status: str = "BUILD", vm_state: str = "building", answered: int = 200) -> Fact:
    shown = {"status": status, "OS-EXT-STS:task_state": task, "OS-EXT-STS:vm_state": vm_state, "http_status": answered}
    return Fact("client:1", "client", "view", "client", "server", 0.0, attributes=shown)


ACTIVE = view(None, "ACTIVE", "active")


@pytest.mark.parametrize(
    "tasks",
    [
        ("scheduling", None, "networking", "block_device_mapping", "spawning"),
        ("scheduling", "spawning"),
        (None,),
        ("scheduling", "networking", "scheduling", "networking", "spawning"),
    ],
)
def test_states_may_be_missed_and_a_server_may_be_scheduled_again(tasks: tuple[str | None, ...]) -> None:
    assert misstep([*map(view, tasks), ACTIVE]) is None


@pytest.mark.parametrize(
    ("tasks", "at"),
    [
        (("spawning", None), 1),
        (("networking", "spawning", "block_device_mapping"), 2),
        (("scheduling", "rebooting"), 1),
    ],
)
def test_states_are_never_reversed_and_never_others(tasks: tuple[str | None, ...], at: int) -> None:
    views = [*map(view, tasks), ACTIVE]
    problem = misstep(views)
    assert problem is not None and problem[1] == tasks[at] and problem[2] is views[at]


def test_a_server_that_is_not_there_is_a_misstep() -> None:
    assert misstep([view("scheduling"), view(None, "", "", 404), ACTIVE]) == ("200 at every look", 404, view(None, "", "", 404))


def test_a_server_in_build_is_building() -> None:
    assert misstep([view("scheduling", vm_state="active")]) is not None
