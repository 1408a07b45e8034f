"""A launch of a real cloud, from its recordings: what each source would have shown of it, and what its client saw."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance.evidence import Evidence, Fact, fingerprint
from conformance.judge import judge
from conformance.registry import Result
from conformance.sources.envelope import Frame, Reader
from conformance.sources.loglines import LogReader, once_each
from conformance.sources.notifications import recorded
from conformance.sources.points import facts_of
from conformance.sources.shelf import Shelf

CAPTURES = Path(__file__).parent / "captures"
SCENARIOS = ("image-volume", "image-volume-no-token-cache")
FIREHOSE = frozenset({"rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer"})
TOKEN = fingerprint("the client's token")


@dataclass(frozen=True)
class Recording:
    """`copy`: the same launch once more, under ids of its own."""

    scenario: str
    copy: int = 0

    @property
    def folder(self) -> Path:
        return CAPTURES / self.scenario

    def load(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.load("summary.json")  # type: ignore[no-any-return]

    @property
    def server_id(self) -> str:
        return str(self.summary["server"]) if not self.copy else f"{self.copy:08x}-1111-4000-8000-000000000000"

    @property
    def request_id(self) -> str:
        return str(self.summary["request_id"]) if not self.copy else f"req-{self.copy:08x}-0000-4000-8000-000000000000"

    # what sources show

    def lines(self) -> list[str]:
        """All that passed the broker, in its order."""
        names = ("amqp.jsonl", "notifications_unversioned.jsonl", "notifications_versioned.jsonl")
        lines = [line for name in names for line in (self.folder / name).read_text().splitlines()]
        return [self._own(line) for line in sorted(lines, key=lambda line: float(json.loads(line)["dt"]))]

    def _own(self, text: str) -> str:
        if not self.copy:
            return text
        text = text.replace(str(self.summary["request_id"]), self.request_id).replace(str(self.summary["server"]), self.server_id)
        return re.sub(r'(_(?:unique|msg)_id\\": \\")', rf"\g<1>{self.copy}-", text)

    def tapped(self, firehose: bool = True) -> list[Fact]:
        """What a tap shows of this launch: without the firehose neither deliveries nor what goes to reply queues."""
        return self.read(frame for frame in self.frames() if firehose or (not frame.delivered and frame.exchange))

    def frames(self) -> list[Frame]:
        return [frame for line in self.lines() for frame in recorded(line, 0.0)]

    def read(self, frames: Iterable[Frame]) -> list[Fact]:
        """What is this launch's among them, in the order in which they come."""
        shelf, reader = Shelf(), Reader("amqp", "amqp")
        for frame in frames:
            if entry := reader.read(frame):
                shelf.put(*entry)
        return shelf.facts({self.request_id}, {self.server_id})

    def traced(self) -> list[Fact]:
        """What OSProfiler shows of it: the trace is of the whole command, of which the boot request is a part."""
        facts = facts_of(self.load("osprofiler.json"))
        return [replace(f, request_ids=frozenset({self.request_id}), server_ids=f.server_ids & {self.server_id}) for f in facts]

    def logged(self) -> list[Fact]:
        facts: list[Fact] = []
        for path in sorted((self.folder / "logs").iterdir()):
            reader = LogReader(path.name)
            for line in path.read_text().splitlines():
                reader.read(self._own(line))
            facts += reader.facts(frozenset({self.request_id}), frozenset({self.server_id}))
        return once_each(facts)

    # what the client saw

    def client(self) -> list[Fact]:
        box = self.load("blackbox.json")
        facts = [
            self._exchange("login", "POST", "/v3/auth/tokens", 201, 2.3, 2.8, "", TOKEN),
            self._exchange("boot", "POST", "/v2.1/servers", 202, 3.9, 6.2, TOKEN, ""),
        ]
        for number, shown in enumerate(box["polled_transitions"]):
            facts.append(self._view(f"server{number}", "server", shown["t"], shown | {"addresses": {}}))  # they are in no API's shape
        facts.append(self._view("server", "server", 40.0, box["server"]))
        volume = {"status": "in-use", "attachments": [{"server_id": self.server_id}]}
        facts.append(self._view("volume", "volume", 39.0, volume))
        facts.append(self._view("ports", "ports", 41.0, {"ports": box["ports"]}))
        facts.append(self._view("actions", "actions", 42.0, {"actions": box["instance_actions"]}))
        return facts

    def _exchange(self, name: str, method: str, path: str, status: int, start: float, end: float, token: str, issued: str) -> Fact:
        attributes = {"method": method, "path": path, "status": status, "token": token, "issued_token": issued}
        ids = frozenset({self.request_id}) if name == "boot" else frozenset[str]()
        if name == "boot":
            attributes["request_id"] = self.request_id
        return Fact(
            f"client:{name}", "client", "http.client", "client", f"{method} {path}", start, end, "client", request_ids=ids,
            attributes=attributes,
        )  # fmt: skip

    def _view(self, name: str, what: str, at: float, shown: dict[str, Any]) -> Fact:
        return Fact(
            f"client:{name}", "client", "view", "client", what, at, at + 0.1, "client", request_ids=frozenset({self.request_id}),
            server_ids=frozenset({self.server_id}), attributes=shown,
        )  # fmt: skip

    # what comes of it

    def judged(self, facts: Iterable[Fact], complete: Iterable[str] = ()) -> dict[int, Result]:
        evidence = Evidence([*self.client(), *facts], complete)
        boot = evidence.by_id("client:boot")
        assert boot is not None
        return {int(row.id[1:]): row for row in judge(evidence, boot, self.server_id, "cells_v2")}


def direct(rows: dict[int, Result], source: str) -> set[int]:
    """Steps that passed and that this source was a direct witness of."""
    return {n for n, row in rows.items() if row.verdict.value == "pass" and row.how == "direct" and source in row.sources}
