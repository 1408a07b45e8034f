"""What users are shown as a server's status: derived from vm_state and task_state."""

from __future__ import annotations

from collections.abc import Iterable

_REBOOTS = {
    **dict.fromkeys(("rebooting", "reboot_pending", "reboot_started"), "REBOOT"),
    **dict.fromkeys(("rebooting_hard", "reboot_pending_hard", "reboot_started_hard"), "HARD_REBOOT"),
}
_REBUILDS = dict.fromkeys(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"), "REBUILD")
_RESIZES = dict.fromkeys(("resize_prep", "resize_migrating", "resize_migrated", "resize_finish"), "RESIZE")
_MIGRATES = {"migrating": "MIGRATING"}

ANY = "default"  # every task that the vm_state does not name
STATUS: dict[str, dict[str, str]] = {
    "active": {ANY: "ACTIVE", **_REBOOTS, "updating_password": "PASSWORD", **_REBUILDS, **_MIGRATES, **_RESIZES},
    "building": {ANY: "BUILD"},
    "stopped": {ANY: "SHUTOFF", **_RESIZES, **_REBUILDS},
    "resized": {ANY: "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
    "paused": {ANY: "PAUSED", **_MIGRATES},
    "suspended": {ANY: "SUSPENDED"},
    "rescued": {ANY: "RESCUE"},
    "error": {ANY: "ERROR", **_REBUILDS},
    "deleted": {ANY: "DELETED"},
    "soft-delete": {ANY: "SOFT_DELETED"},
    "shelved": {ANY: "SHELVED"},
    "shelved_offloaded": {ANY: "SHELVED_OFFLOADED"},
}
WITH_FAULT = ("ERROR", "DELETED")
WITH_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")


def status_of(vm_state: str | None, task_state: str | None) -> str:
    tasks = STATUS.get(vm_state or "", {ANY: "UNKNOWN"})
    return tasks.get(task_state or "", tasks[ANY])


def states_of(statuses: Iterable[str]) -> tuple[list[str], list[str]]:
    """The vm_states and tasks in which a server is shown with any of these statuses, in whatever case they are written.

    Two lists of what may be, not pairs: that is how nova filters. Both are empty when there are no such statuses.
    """
    wanted = {status.upper() for status in statuses}
    found = [(vm, task) for vm, tasks in STATUS.items() for task, status in tasks.items() if status in wanted]
    return sorted({vm for vm, _ in found}), sorted({task for _, task in found})
