"""What a user can read later about work that failed after its request was accepted."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from mockcloud.cinder.tables import messages
from mockcloud.context import RequestContext
from mockcloud.db.engine import Transaction

LIFE = timedelta(seconds=2_592_000)

ACTIONS = {
    "schedule allocate volume": "001",
    "attach volume": "002",
    "copy volume to image": "003",
    "update attachment": "004",
    "copy image to volume": "005",
    "extend volume": "007",
    "create volume from backend storage": "008",
    "create snapshot": "009",
    "delete snapshot": "010",
    "reimage volume": "016",
}
DETAILS = {
    "An unknown error occurred.": "001",
    "Could not find any available weighted backend.": "003",
    "Failed to upload volume to image at backend.": "004",
    "Volume's attach mode is invalid.": "005",
    "Volume Driver failed to extend volume.": "010",
    "Driver failed to create the volume.": "012",
    "Snapshot failed to create.": "013",
    "Snapshot failed to delete.": "016",
    "Compute service failed to reimage volume.": "028",
}


def record_message(
    tx: Transaction,
    ctx: RequestContext,
    now: datetime,
    action: str,
    detail: str,
    resource_uuid: str,
    project_id: str,
    resource_type: str = "VOLUME",
) -> None:
    """`action` and `detail` are among the words above: together they make the event's id and its text."""
    tx.insert(
        messages,
        id=str(uuid.uuid4()),
        created_at=now,
        project_id=project_id,
        request_id=ctx.request_id,
        resource_type=resource_type,
        resource_uuid=resource_uuid,
        event_id=f"VOLUME_{resource_type}_{ACTIONS[action]}_{DETAILS[detail]}",
        message_level="ERROR",
        user_message=f"{action}:{detail}",
        expires_at=now + LIFE,
    )
