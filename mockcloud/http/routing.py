"""Paths to operations: a tree of segments, so that a hundred paths cost no more than one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from specs import Operation

T = TypeVar("T")


@dataclass(slots=True)
class Place:
    """One path of a document: what may be done there, by method; an action path has one entry per action key."""

    path: str
    names: tuple[str, ...]
    methods: dict[str, dict[str | None, Operation]] = field(default_factory=dict)

    @property
    def allow(self) -> str:
        return ", ".join(sorted(self.methods))

    def is_public(self, method: str) -> bool:
        """Whether the method needs no token here; one that is not served follows the others."""
        methods = [self.methods[method]] if method in self.methods else list(self.methods.values())
        return all(operation.public for operations in methods for operation in operations.values())


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    place: Place | None = None

    def find(self, segments: list[str], at: int, values: list[str]) -> Place | None:
        if at == len(segments):
            return self.place
        if (node := self.literal.get(segments[at])) is not None and (found := node.find(segments, at + 1, values)):
            return found
        if self.variable is None or not segments[at]:
            return None
        values.append(segments[at])
        found = self.variable.find(segments, at + 1, values)
        if found is None:
            values.pop()
        return found


@dataclass(frozen=True, slots=True)
class Match:
    place: Place
    values: dict[str, str]
    project_id: str | None = None  # the one in the path, where a service lets it stand there


class Routes:
    """`project_in_path`: `/v3/{project_id}/volumes` means `/v3/volumes`.

    `trailing_slash`: a last slash means nothing; `version`: only behind a version, as in `/v2.1/`.
    """

    def __init__(self, operations: Iterable[Operation], project_in_path: bool = False, trailing_slash: bool | str = False) -> None:
        self._root = _Node()
        self._project_in_path, self._trailing_slash = project_in_path, trailing_slash
        for operation in operations:
            place = self._place(operation)
            place.methods.setdefault(operation.method.upper(), {})[operation.action] = operation

    def _place(self, operation: Operation) -> Place:
        node = self._root
        for segment in operation.path.split("/")[1:]:
            if segment.startswith("{"):
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
            else:
                node = node.literal.setdefault(segment, _Node())
        if node.place is None:
            node.place = Place(operation.path, operation.path_parameters)
        return node.place

    def match(self, path: str) -> Match | None:
        segments = path.split("/")[1:]
        found = self._find(segments)
        slash = len(segments) > 1 and not segments[-1]
        if found is None and slash and (self._trailing_slash is True or (self._trailing_slash == "version" and len(segments) == 2)):
            found = self._find(segments[:-1])
        return found

    def _find(self, segments: list[str], project_id: str | None = None) -> Match | None:
        values: list[str] = []
        place = self._root.find(segments, 0, values)
        if place is not None:
            return Match(place, dict(zip(place.names, values, strict=True)), project_id)
        if self._project_in_path and project_id is None and len(segments) > 2 and segments[1]:
            root = self._root.literal.get(segments[0])
            if root is not None and segments[1] not in root.literal:
                return self._find([segments[0], *segments[2:]], segments[1])
        return None
