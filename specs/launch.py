"""The launch of a server as data: the 28 rows of launch.yaml."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Row:
    """One step: who turns to whom, by which channel, and in one sentence what happens."""

    n: int
    actor: str
    callee: str
    via: str  # rest, rest-reply, db, rpc-call, rpc-cast, rpc-reply, queue, hypervisor
    sentence: str

    @property
    def id(self) -> str:
        return f"S{self.n:02d}"


@functools.cache
def launch() -> tuple[Row, ...]:
    rows = yaml.safe_load((Path(__file__).parent / "launch.yaml").read_text())
    return tuple(Row(**row) for row in rows["steps"])
