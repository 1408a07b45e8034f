"""What the pure rules refuse, as an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mockcloud.http.errors import ApiError, BadRequest, Conflict, Unavailable
from mockcloud.neutron.ipam import IpamError

CLASSES: dict[int, type[ApiError]] = {400: BadRequest, 409: Conflict, 503: Unavailable}


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """An IpamError inside becomes the API error of its status and name."""
    try:
        yield
    except IpamError as error:
        raise CLASSES[error.status](str(error), type=error.kind) from error
