"""Messages of a cloud, as a tap on its broker sees them. The order is that of their arrival at the tap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.evidence import Fact
from conformance.sources.envelope import Frame, Reader
from conformance.sources.shelf import Shelf
from conformance.sources.tap import Tap

TRACED = frozenset({"rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer"})


class AmqpSource:
    """`where["url"]`: amqp(s)://. Without the broker's firehose it sees neither who takes a message nor any answer.

    It shows all of nova's messages where nova's workers have their queues on this broker. A cell with a broker of its own is not seen
    from here: its tap is another source.
    """

    name = "amqp"
    tells = frozenset({"notification"})

    def __init__(self, where: Mapping[str, Any], cloud: Any) -> None:
        self.shows: frozenset[str] = frozenset()
        self._shelf = Shelf()
        self._reader = Reader(self.name, self.name)
        self._tap = Tap(str(where.get("where") or where.get("url") or ""), self._seen, firehose=where.get("firehose") is not False)

    @property
    def firehose(self) -> bool:
        return self._tap.firehose

    def open(self) -> None:
        self._tap.open()
        if self._tap.carries_nova:
            self.shows = TRACED if self._tap.firehose else frozenset({"rpc.publish"})

    def headers(self) -> Mapping[str, str]:
        return {}

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        self._tap.settle()
        return self._shelf.facts(request_ids, server_ids)

    def close(self) -> None:
        self._tap.close()

    def _seen(self, frame: Frame) -> None:
        if entry := self._reader.read(frame):
            self._shelf.put(*entry)
