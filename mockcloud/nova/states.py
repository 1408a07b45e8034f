"""What may be done to a server in which state, and the task that it starts. Pure: the database asks, nothing here asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Tasks = tuple[str | None, ...]

IDLE: Tasks = (None,)
REBOOTABLE_TASKS: Tasks = (
    None, "rebooting", "reboot_pending", "reboot_started", "resuming", "rebooting_hard", "unpausing", "pausing", "suspending",
)  # fmt: skip
SNAPSHOT = ("active", "stopped", "paused", "suspended")
PLUGGABLE = ("active", "paused", "stopped")
VOLUME_PLUGGABLE = (*PLUGGABLE, "resized", "soft-delete", "shelved", "shelved_offloaded")
DESCRIBABLE = ("active", "paused", "suspended", "stopped")  # its metadata and tags may change


@dataclass(frozen=True)
class Action:
    """One thing done to a server: the condition on its row, and what the row says afterwards."""

    name: str  # as refusals call it
    record: str = ""  # as instance_actions has it; empty: leaves no record
    vm_states: tuple[str, ...] | None = None  # None: any
    task_states: Tasks | None = IDLE  # None: any
    task: str | None = None  # the new task_state; None: it stays
    launched: bool = True  # only of a server that has run once
    lockable: bool = True  # not of a locked server, but for administrators
    tells_lock: bool = True  # the refusal says that it is the lock
    hosted: bool = False  # only of a server that has a host


def _action(name: str, vm_states: tuple[str, ...], task: str, **rest: Any) -> Action:
    return Action(name, **{"record": name, "vm_states": vm_states, "task": task, **rest})


START = _action("start", ("stopped",), "powering-on", hosted=True)
STOP = _action("stop", ("active", "error"), "powering-off", hosted=True)
SOFT_REBOOT = _action("reboot", ("active",), "rebooting")
HARD_REBOOT = _action("reboot", ("active", "stopped", "paused", "suspended", "error"), "rebooting_hard", task_states=REBOOTABLE_TASKS)
PAUSE = _action("pause", ("active",), "pausing")
UNPAUSE = _action("unpause", ("paused",), "unpausing")
SUSPEND = _action("suspend", ("active",), "suspending")
RESUME = _action("resume", ("suspended",), "resuming")
REBUILD = _action("rebuild", ("active", "stopped", "error"), "rebuilding")
RESCUE = _action("rescue", ("active", "stopped", "error"), "rescuing")
UNRESCUE = _action("unrescue", ("rescued",), "unrescuing")
RESIZE = _action("resize", ("active", "stopped"), "resize_prep")
MIGRATE = _action("migrate", ("active", "stopped"), "resize_prep")
CONFIRM_RESIZE = Action("confirmResize", "confirmResize", ("resized",))
REVERT_RESIZE = _action("revertResize", ("resized",), "resize_reverting")
CREATE_IMAGE = _action("createImage", SNAPSHOT, "image_snapshot_pending", lockable=False)
CREATE_VOLUME_IMAGE = Action("createImage", "createImage", SNAPSHOT, lockable=False)  # all of it is done at once
CREATE_BACKUP = _action("createBackup", SNAPSHOT, "image_snapshot_pending", lockable=False)
CHANGE_PASSWORD = _action("changePassword", ("active",), "updating_password", tells_lock=False)
RESTORE = Action("restore", "restore", ("soft-delete",), tells_lock=False)
FORCE_DELETE = Action("forceDelete", "delete", None, None, launched=False)
ATTACH_VOLUME = Action("attach_volume", "attach_volume", VOLUME_PLUGGABLE)
DETACH_VOLUME = Action("detach_volume", "detach_volume", VOLUME_PLUGGABLE)
ATTACH_INTERFACE = Action("attach_interface", "attach_interface", PLUGGABLE)
DETACH_INTERFACE = Action("detach_interface", "detach_interface", PLUGGABLE)
UPDATE_METADATA = Action("update metadata", "", DESCRIBABLE, None)
DELETE_METADATA = Action("delete metadata", "", DESCRIBABLE, None)
LOCK = Action("lock", "lock", None, None, launched=False, lockable=False)
UNLOCK = Action("unlock", "unlock", None, None, launched=False, lockable=False)
RESET_STATE = Action("os-resetState", "resetState", None, None, launched=False, lockable=False)


def change_tags(name: str) -> Action:
    """A tag may change even on a locked server."""
    return Action(name, "", DESCRIBABLE, None, launched=False, lockable=False)


def refusal(action: Action, server: Mapping[str, Any], is_admin: bool) -> str:
    """Why `action` cannot begin now; empty when it can."""
    uuid = server["uuid"]
    if action.lockable and server["locked"] and not is_admin:
        return f"Instance {uuid} is locked" if action.tells_lock else invalid(action.name, uuid)
    if action.hosted and not server["host"]:
        return f"Instance {uuid} is not ready"
    if action.vm_states is not None and server["vm_state"] not in action.vm_states:
        return in_state(action.name, server, "vm_state")
    if action.task_states is not None and server["task_state"] not in action.task_states:
        return in_state(action.name, server, "task_state")
    if action.launched and not server["launched_at"]:
        return in_state(action.name, server, "launched_at")
    return ""


def in_state(name: str, server: Mapping[str, Any], attribute: str) -> str:
    if server[attribute] is None:
        return invalid(name, server["uuid"])
    return f"Cannot '{name}' instance {server['uuid']} while it is in {attribute} {server[attribute]}"


def invalid(name: str, uuid: str) -> str:
    return f"Instance {uuid} is in an invalid state for '{name}'"
