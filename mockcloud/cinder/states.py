"""Which change of a volume's or snapshot's status is allowed from where. Pure: the database asks, nothing here asks it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Statuses = tuple[str, ...]

NOT_MIGRATING = (None, "deleting", "error", "success")  # migration_status when no migration is under way
DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
SNAPSHOT_DELETABLE = ("available", "error")
SNAPSHOT_CASCADE_DELETABLE = ("available", "error", "deleting")
CLONEABLE = ("available", "in-use")

VOLUME_STATUSES = (
    "creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching", "in-use", "detaching",
    "maintenance", "restoring-backup", "error_restoring", "reserved", "awaiting-transfer", "backing-up", "error_backing-up",
    "error_extending", "downloading", "uploading", "retyping", "extending",
)  # fmt: skip
SNAPSHOT_STATUSES = (
    "error", "available", "creating", "deleting", "deleted", "updating", "error_deleting", "unmanaging", "backing-up", "restoring",
)  # fmt: skip
ATTACH_STATUSES = ("attached", "detached")  # that an administrator may set
MIGRATION_STATUSES = ("migrating", "error", "success", "completing", "none", "starting")

REPORTABLE = {"creating": ("creating", "available", "error"), "deleting": ("deleting", "error_deleting")}  # by os-update_snapshot_status


@dataclass(frozen=True)
class Change:
    """A new status, and what the row must say for it: the condition of one UPDATE, so that of rivals exactly one wins."""

    status: str
    allowed: Statuses | None  # None: from any status
    conditions: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # column -> its allowed values
    keep_previous: bool = False  # remember the status it came from

    def fits(self, row: Mapping[str, Any]) -> bool:
        if self.allowed is not None and row["status"] not in self.allowed:
            return False
        return all(row[column] in values for column, values in self.conditions.items())


def reserve(multiattach: bool) -> Change:
    """For a new attachment."""
    allowed = ("available", "in-use", "downloading") if multiattach else ("available", "downloading")
    return Change("reserved", allowed, {"multiattach": (multiattach,)})


def reserve_by_action(multiattach: bool) -> Change:
    """os-reserve, older than attachments."""
    return Change("attaching", ("available", "in-use") if multiattach else ("available",), {"multiattach": (multiattach,)})


BEGIN_DETACHING = Change("detaching", ("in-use",), {"attach_status": ("attached",), "migration_status": NOT_MIGRATING})
ROLL_DETACHING = Change("in-use", ("detaching",))
UPLOAD = Change("uploading", ("available",), keep_previous=True)
FORCED_UPLOAD = Change("uploading", ("available", "in-use"), keep_previous=True)
REVERT = Change("reverting", ("available",))
REIMAGE = Change("downloading", ("available", "error"), keep_previous=True)
REIMAGE_RESERVED = Change("downloading", ("available", "error", "reserved"), keep_previous=True)
RETYPE = Change("retyping", ("available", "in-use"), {"migration_status": NOT_MIGRATING}, keep_previous=True)


def extend(attached: bool) -> Change:
    return Change("extending", ("in-use",) if attached else ("available",), keep_previous=True)


def delete(force: bool) -> Change:
    """An attached volume stays, even by force."""
    unattached = ("detached", "attaching", "reserved", "error_attaching", "error_detaching", "deleted")
    return Change("deleting", None if force else DELETABLE, {"attach_status": unattached, "migration_status": NOT_MIGRATING})


def after_attachments(attach_statuses: Iterable[str]) -> tuple[str, str]:
    """(status, attach_status) of a volume from what its attachments say; those in error count for nothing."""
    first = min((status for status in attach_statuses if not status.startswith("error_")), default="detached")
    return {"attached": "in-use", "detached": "available"}.get(first, first), first


def either(statuses: Iterable[str]) -> str:
    return " or ".join(statuses)
