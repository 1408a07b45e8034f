"""From which states an action may begin."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.nova import states

VM_STATES = (
    "active", "building", "paused", "suspended", "stopped", "rescued", "resized", "soft-delete", "error", "shelved", "shelved_offloaded",
)  # fmt: skip
ALLOWED = {
    states.START: "stopped",
    states.STOP: "active error",
    states.SOFT_REBOOT: "active",
    states.HARD_REBOOT: "active stopped paused suspended error",
    states.PAUSE: "active",
    states.UNPAUSE: "paused",
    states.SUSPEND: "active",
    states.RESUME: "suspended",
    states.REBUILD: "active stopped error",
    states.RESCUE: "active stopped error",
    states.UNRESCUE: "rescued",
    states.RESIZE: "active stopped",
    states.MIGRATE: "active stopped",
    states.CONFIRM_RESIZE: "resized",
    states.REVERT_RESIZE: "resized",
    states.CREATE_IMAGE: "active stopped paused suspended",
    states.CREATE_BACKUP: "active stopped paused suspended",
    states.CHANGE_PASSWORD: "active",
    states.RESTORE: "soft-delete",
    states.ATTACH_VOLUME: "active paused stopped resized soft-delete shelved shelved_offloaded",
    states.DETACH_VOLUME: "active paused stopped resized soft-delete shelved shelved_offloaded",
    states.ATTACH_INTERFACE: "active paused stopped",
    states.UPDATE_METADATA: "active paused suspended stopped",
    states.LOCK: " ".join(VM_STATES),
    states.RESET_STATE: " ".join(VM_STATES),
}


def _server(vm_state: str = "active", task_state: str | None = None, **values: Any) -> dict[str, Any]:
    made = {"uuid": "s", "vm_state": vm_state, "task_state": task_state, "locked": False, "host": "h", "launched_at": "yesterday"}
    return made | values


@pytest.mark.parametrize("action", ALLOWED, ids=lambda action: action.name)
def test_an_action_begins_only_in_its_own_states(action: states.Action) -> None:
    for vm_state in VM_STATES:
        expected = "" if vm_state in ALLOWED[action].split() else f"Cannot '{action.name}' instance s while it is in vm_state {vm_state}"
        assert states.refusal(action, _server(vm_state), is_admin=False) == expected


@pytest.mark.parametrize("action", ALLOWED, ids=lambda action: action.name)
def test_a_task_under_way_refuses_others(action: states.Action) -> None:
    server = _server(ALLOWED[action].split()[0], "image_uploading")
    expected = "" if action.task_states is None else f"Cannot '{action.name}' instance s while it is in task_state image_uploading"
    assert states.refusal(action, server, is_admin=False) == expected


@pytest.mark.parametrize("task", ["rebooting", "pausing", "rebooting_hard", "suspending", "resuming"])
def test_a_hard_reboot_helps_out_of_tasks_that_hang(task: str) -> None:
    assert states.refusal(states.HARD_REBOOT, _server("active", task), is_admin=False) == ""
    assert states.refusal(states.SOFT_REBOOT, _server("active", task), is_admin=False) != ""


def test_a_locked_server_is_refused_to_all_but_administrators() -> None:
    locked = _server(locked=True)
    assert states.refusal(states.PAUSE, locked, is_admin=False) == "Instance s is locked"
    assert states.refusal(states.PAUSE, locked, is_admin=True) == ""
    assert states.refusal(states.CREATE_IMAGE, locked, is_admin=False) == ""
    assert states.refusal(states.CHANGE_PASSWORD, locked, is_admin=False) == "Instance s is in an invalid state for 'changePassword'"


def test_a_server_without_a_host_or_a_first_run_is_not_ready() -> None:
    assert states.refusal(states.STOP, _server(host=None), is_admin=False) == "Instance s is not ready"
    assert states.refusal(states.PAUSE, _server(launched_at=None), is_admin=False) == "Instance s is in an invalid state for 'pause'"
