"""cinder's own errors in its own words."""

from __future__ import annotations

from mockcloud.http.errors import ApiError, BadRequest, Conflict, NotFound, TooLarge


def invalid_volume(reason: str) -> ApiError:
    return BadRequest(f"Invalid volume: {reason}")


def invalid_snapshot(reason: str) -> ApiError:
    return BadRequest(f"Invalid snapshot: {reason}")


def invalid_input(reason: str) -> ApiError:
    return BadRequest(f"Invalid input received: {reason}")


def resource_conflict(reason: str) -> ApiError:
    return Conflict(f"Resource conflict: {reason}")


def volume_not_found(volume_id: str) -> ApiError:
    return NotFound(f"Volume {volume_id} could not be found.")


def snapshot_not_found(snapshot_id: str) -> ApiError:
    return NotFound(f"Snapshot {snapshot_id} could not be found.")


def attachment_not_found(attachment_id: str) -> ApiError:
    return NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.")


def type_not_found(type_id: str) -> ApiError:
    return NotFound(f"Volume type {type_id} could not be found.")


def type_not_found_by_name(name: str) -> ApiError:
    return NotFound(f"Volume type with name {name} could not be found.")


def message_not_found(message_id: str) -> ApiError:
    return NotFound(f"Message {message_id} could not be found.")


def used_by_nova(server_id: str) -> ApiError:
    return Conflict(f"Detach volume from instance {server_id} using the Compute API")


def over_quota(message: str) -> ApiError:
    return TooLarge(message, headers={"Retry-After": "0"})
