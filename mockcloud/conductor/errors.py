"""What the computes are told when a row is not there or not as they expect; on the bus they know it by the class name."""

from __future__ import annotations


class NotFound(LookupError):
    """Base of the rows that are not there."""


class InstanceNotFound(NotFound):
    def __init__(self, instance_uuid: str) -> None:
        super().__init__(f"Instance {instance_uuid} could not be found.")


class VolumeBDMNotFound(NotFound):
    def __init__(self, bdm_id: int) -> None:
        super().__init__(f"No Block Device Mapping with id {bdm_id}.")


class MigrationNotFound(NotFound):
    def __init__(self, migration_id: int) -> None:
        super().__init__(f"Migration {migration_id} could not be found.")


class UnexpectedTaskStateError(Exception):
    """Somebody else changed the server meanwhile: the work on it must stop."""

    def __init__(self, instance_uuid: str, expected: dict[str, object], actual: dict[str, object]) -> None:
        super().__init__(f"Conflict updating instance {instance_uuid}. Expected: {expected}. Actual: {actual}")


class RequestLost(Exception):
    """A step of the launch came out with nothing; no row is missing."""


class MaxRetriesExceeded(Exception):
    """The last host that could be tried has failed."""

    def __init__(self, instance_uuid: str) -> None:
        why = f"Exhausted all hosts available for retrying build failures for instance {instance_uuid}."
        super().__init__(f"Exceeded maximum number of retries. {why}")


class VolumeTaken(Exception):
    """cinder does not give a volume back to the server whose build goes on elsewhere."""
