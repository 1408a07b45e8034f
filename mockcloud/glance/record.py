"""What an image's record may hold: rules beyond its schema. Pure."""

from __future__ import annotations

from mockcloud.db.engine import Row
from mockcloud.http.errors import ApiError, BadRequest, Forbidden, TooLarge

LARGEST = 2**31 - 1  # of an integer column
QUOTA = 128  # of properties, tags and members alike; glance's defaults
RESERVED = ("location", "deleted", "deleted_at")
NAMESPACE = "os_glance"


def read_only(name: str) -> ApiError:
    return Forbidden(f"Attribute '{name}' is read-only.")


def is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(NAMESPACE)


def reserved(name: str) -> ApiError:
    return Forbidden(detail=f"Attribute '{name}' is reserved.")


def check_record(row: Row) -> None:
    """Sizes in range, quotas kept."""
    for name in ("min_disk", "min_ram"):
        if row[name] < 0:
            raise BadRequest(f"Invalid value '{row[name]}' for parameter '{name}': Cannot be a negative value")
        if row[name] > LARGEST:
            raise BadRequest(f"'{name}' value out of range, must not exceed {LARGEST}.")
    check_quota("image properties", len(row["properties"]))
    check_quota("image tags", len(row["tags"]))


def check_quota(what: str, attempted: int) -> None:
    if attempted > QUOTA:
        raise TooLarge(f"The limit has been exceeded on the number of allowed {what}. Attempted: {attempted}, Maximum: {QUOTA}")
