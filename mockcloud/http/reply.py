"""What coroutines take and give beside plain JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any


class Query(dict[str, Any]):
    """The documented query parameters, typed by their schemas; `extra` has the others, as lists of text."""

    def __init__(self, known: Mapping[str, Any] = {}, extra: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(known)
        self.extra: dict[str, list[str]] = dict(extra or {})


class Stored(dict[str, Any]):
    """A JSON body that one operation answers again and again: it is checked and encoded the first time. Nobody may change it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(body)
        self.encoded: bytes | None = None


@dataclass(slots=True)
class Reply:
    """An answer whose status or headers are chosen by the coroutine. `status` None: the document's only successful one."""

    body: Json = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    media: str = ""  # of a body that is text or bytes, or of the stream
