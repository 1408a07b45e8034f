"""What a server's states are shown as."""

from __future__ import annotations

import pytest

from mockcloud.nova.status import states_of, status_of


@pytest.mark.parametrize(
    ("vm_state", "task_state", "status"),
    [
        ("building", "scheduling", "BUILD"),
        ("building", None, "BUILD"),
        ("active", None, "ACTIVE"),
        ("active", "deleting", "ACTIVE"),
        ("active", "rebooting", "REBOOT"),
        ("active", "reboot_started_hard", "HARD_REBOOT"),
        ("active", "updating_password", "PASSWORD"),
        ("active", "rebuild_spawning", "REBUILD"),
        ("active", "resize_prep", "RESIZE"),
        ("active", "migrating", "MIGRATING"),
        ("stopped", None, "SHUTOFF"),
        ("stopped", "powering-on", "SHUTOFF"),
        ("stopped", "resize_finish", "RESIZE"),
        ("resized", None, "VERIFY_RESIZE"),
        ("resized", "resize_reverting", "REVERT_RESIZE"),
        ("paused", None, "PAUSED"),
        ("suspended", "resuming", "SUSPENDED"),
        ("rescued", None, "RESCUE"),
        ("error", None, "ERROR"),
        ("error", "rebuilding", "REBUILD"),
        ("deleted", None, "DELETED"),
        ("soft-delete", None, "SOFT_DELETED"),
        ("shelved_offloaded", None, "SHELVED_OFFLOADED"),
        ("nonsense", None, "UNKNOWN"),
        (None, None, "UNKNOWN"),
    ],
)
def test_a_status_follows_from_the_states(vm_state: str | None, task_state: str | None, status: str) -> None:
    assert status_of(vm_state, task_state) == status


@pytest.mark.parametrize(
    ("statuses", "vm_states", "tasks"),
    [
        (["ACTIVE"], ["active"], ["default"]),
        (["shutoff", "Error"], ["error", "stopped"], ["default"]),
        (["HARD_REBOOT"], ["active"], ["reboot_pending_hard", "reboot_started_hard", "rebooting_hard"]),
        (["nonsense"], [], []),
    ],
)
def test_a_status_is_looked_for_by_its_states(statuses: list[str], vm_states: list[str], tasks: list[str]) -> None:
    assert states_of(statuses) == (vm_states, tasks)
