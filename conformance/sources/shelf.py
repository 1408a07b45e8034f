"""Where a source that listens to a whole cloud puts what it heard, so that one launch's part is found at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable
from dataclasses import replace

from conformance.evidence import Fact

UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

Entry = tuple[Fact, frozenset[str]]


class Shelf:
    """Facts by the request ids and UUIDs in them. Holds the last `kept` to twice as many: a busy cloud never ends."""

    def __init__(self, kept: int = 100_000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._young: dict[str, list[Entry]] = {}
        self._old: dict[str, list[Entry]] = {}
        self._count = 0

    def put(self, fact: Fact, uuids: frozenset[str]) -> None:
        with self._lock:
            if self._count >= self._kept:
                self._old, self._young, self._count = self._young, {}, 0
            self._count += 1
            for key in {*fact.request_ids, *uuids}:
                self._young.setdefault(key, []).append((fact, uuids))

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        """What belongs to these requests; and what names one of the servers, where no request is known on one side or the other."""
        servers, requests = frozenset(server_ids), frozenset(request_ids)
        found: dict[str, Fact] = {}
        with self._lock:
            for key in requests | servers:
                for fact, uuids in (*self._old.get(key, ()), *self._young.get(key, ())):
                    if belongs(fact.request_ids, requests):
                        found[fact.id] = replace(fact, server_ids=servers & uuids)
        return list(found.values())


def belongs(own: Collection[str], asked: frozenset[str]) -> bool:
    """Whether what names a server may be of these requests: other requests are about the same server."""
    return not own or not asked or not asked.isdisjoint(own)
