"""The launch of a server as data: the 28 rows of launch.yaml, as each of the two dialects has them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DIALECTS = ("classic", "cells_v2")


@dataclass(frozen=True, slots=True)
class Row:
    """One step, or a part of one: who turns to whom, by which channel, and in one sentence what happens."""

    n: int
    actor: str
    callee: str
    via: str  # rest, rest-reply, db, rpc-call, rpc-cast, rpc-reply, queue, hypervisor
    sentence: str
    after: tuple[str, ...] = ()  # ids of the rows and parts whose event must come first
    part: str = ""  # the letter of a part: a; empty for the step itself
    parts: tuple[Row, ...] = ()  # earlier events of the same step

    @property
    def id(self) -> str:
        return f"S{self.n:02d}{self.part}"


@functools.cache
def launch(dialect: str = "classic") -> tuple[Row, ...]:
    """The 28 rows in their order, each with what it must come after in that dialect.

    Raises ValueError for a dialect that is not one of DIALECTS.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"there is no dialect {dialect!r}: choose one of {', '.join(DIALECTS)}")
    return tuple(_row(source, dialect) for source in _rows())


@functools.cache
def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "launch.yaml").read_text())["steps"]
    return rows


def _row(source: dict[str, Any], dialect: str) -> Row:
    said = {name: value for name, value in source.items() if name not in DIALECTS} | source[dialect]
    parts = tuple(_part(source["n"], **part) for part in said.pop("parts", ()))
    return Row(**said | {"after": tuple(said["after"]), "parts": parts})


def _part(n: int, id: str, after: list[str], **said: Any) -> Row:
    return Row(n=n, part=id.removeprefix(f"S{n:02d}"), after=tuple(after), **said)
