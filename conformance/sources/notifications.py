"""What services tell of themselves, in both formats: from the broker, from a cloud's facts, or from files of recorded messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.evidence import Fact
from conformance.sources import SourceError
from conformance.sources.envelope import Frame, Reader, opened
from conformance.sources.facts import FactsSource
from conformance.sources.shelf import Shelf
from conformance.sources.tap import Tap

KEYS = ("notifications.#", "versioned_notifications.#")


class NotificationsSource:
    """`where["url"]`: amqp(s)://, http(s):// (facts as NDJSON), or a file or folder of `*.jsonl` with a message a line."""

    name = "notifications"
    tells = frozenset({"notification"})
    shows: frozenset[str] = frozenset()  # a service that is not configured to notify says nothing

    def __init__(self, where: Mapping[str, Any], cloud: Any) -> None:
        self._place = str(where.get("where") or where.get("url") or "")
        self._shelf = Shelf()
        self._reader = Reader(self.name, self.name)
        self._tap: Tap | None = None
        self._told: FactsSource | None = None
        if self._place.startswith(("amqp:", "amqps:")):
            self._tap = Tap(self._place, self._seen, KEYS, firehose=False)
        elif self._place.startswith(("http:", "https:")):
            self._told = FactsSource(where, cloud)

    def open(self) -> None:
        if opening := self._tap or self._told:
            opening.open()
        else:
            self._read_files(Path(self._place))

    def headers(self) -> Mapping[str, str]:
        return {}

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        if self._told is not None:
            return [fact for fact in self._told.facts(request_ids, server_ids) if fact.kind == "notification"]
        if self._tap is not None:
            self._tap.settle()
        return self._shelf.facts(request_ids, server_ids)

    def close(self) -> None:
        if opened := self._tap or self._told:
            opened.close()

    def _read_files(self, place: Path) -> None:
        if not self._place or not place.exists():
            raise SourceError(f"there are no notifications at {self._place or 'an empty path'}: it takes amqp://, http://, or files")
        for number, line in enumerate(_lines(place)):
            for frame in recorded(line, float(number)):
                self._seen(frame)

    def _seen(self, frame: Frame) -> None:
        entry = self._reader.read(frame)
        if entry and entry[0].kind == "notification":
            self._shelf.put(*entry)


def _lines(place: Path) -> Iterator[str]:
    try:
        for path in sorted(place.glob("*.jsonl")) if place.is_dir() else [place]:
            yield from path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise SourceError(f"the notifications in {place} cannot be read: {error.strerror}") from error


def recorded(line: str, at: float) -> Iterator[Frame]:
    """A line of a recording: the message itself, its envelope, or one with `exchange`, `routing_keys`, `body` and `dt` around it."""
    try:
        known = json.loads(line)
    except ValueError:
        return
    if not isinstance(known, dict):
        return
    body = known.get("body", known)
    keys = known.get("routing_keys")
    key = keys[0] if isinstance(keys, list) and keys else known.get("routing_key", "")
    delivered = known.get("event") == "deliver"
    at = float(known.get("dt", at)) if isinstance(known.get("dt", at), int | float) else at
    data = json.dumps(body).encode()
    if opened(data):
        yield Frame(
            at, str(known.get("exchange", "")), str(key), data, str(known.get("name", "")) if delivered else "", delivered,
            bool(known.get("redelivered")),
        )  # fmt: skip
