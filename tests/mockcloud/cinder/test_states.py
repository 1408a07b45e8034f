"""The rules of states.py by themselves."""

from __future__ import annotations

import pytest

from mockcloud.cinder import states


@pytest.mark.parametrize(
    ("attachments", "expected"),
    [
        ([], ("available", "detached")),
        (["attached", "reserved"], ("in-use", "attached")),
        (["reserved", "attaching"], ("attaching", "attaching")),
        (["reserved"], ("reserved", "reserved")),
        (["error_attaching"], ("available", "detached")),
    ],
)
def test_a_volume_is_what_its_strongest_attachment_says(attachments: list[str], expected: tuple[str, str]) -> None:
    assert states.after_attachments(attachments) == expected


@pytest.mark.parametrize(
    ("change", "row", "fits"),
    [
        (states.reserve(False), {"status": "available", "multiattach": False}, True),
        (states.reserve(False), {"status": "downloading", "multiattach": False}, True),
        (states.reserve(False), {"status": "in-use", "multiattach": False}, False),
        (states.reserve(True), {"status": "in-use", "multiattach": True}, True),
        (states.reserve(True), {"status": "available", "multiattach": False}, False),
        (states.delete(False), {"status": "available", "attach_status": "detached", "migration_status": None}, True),
        (states.delete(False), {"status": "in-use", "attach_status": "detached", "migration_status": None}, False),
        (states.delete(True), {"status": "in-use", "attach_status": "detached", "migration_status": None}, True),
        (states.delete(True), {"status": "in-use", "attach_status": "attached", "migration_status": None}, False),
        (states.delete(True), {"status": "available", "attach_status": "detached", "migration_status": "migrating"}, False),
        (states.extend(True), {"status": "in-use"}, True),
        (states.extend(False), {"status": "in-use"}, False),
    ],
)
def test_a_change_fits_only_the_states_that_it_names(change: states.Change, row: dict[str, object], fits: bool) -> None:
    assert change.fits(row) is fits
