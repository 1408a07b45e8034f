"""Where the steps of the launch stand in the code: every `step(n)` of the source, found without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CELLS = {  # where cells_v2 has functions of its own for steps; of the others both dialects share them
    "mockcloud/nova/cell_launch.py", "mockcloud/scheduler/destinations.py", "mockcloud/conductor/task.py",
    "mockcloud/conductor/objects.py", "mockcloud/compute/build_cells.py",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """`function` is empty where the step is not marked by a decorator."""

    step: int
    file: str
    line: int
    function: str


def signposts(package: Path) -> dict[int, list[Place]]:
    """By step. Files are named from the package's parent."""
    found: dict[int, list[Place]] = {}
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package.parent).as_posix()
        for place in _of(ast.parse(file.read_text()), name):
            found.setdefault(place.step, []).append(place)
    return found


def places(package: Path, dialect: str) -> dict[int, list[Place]]:
    """The same as one dialect has them."""
    found = {}
    for number, marked in signposts(package).items():
        own, shared = ([place for place in marked if (place.file in CELLS) is of_cells] for of_cells in (True, False))
        found[number] = (own or shared) if dialect == "cells_v2" else shared
    return found


def _of(tree: ast.Module, file: str) -> Iterator[Place]:
    decorators = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if (number := _number(decorator)) is not None:
                    decorators.add(decorator)
                    yield Place(number, file, node.lineno, node.name)
    for node in ast.walk(tree):
        if node not in decorators and isinstance(node, ast.Call) and (number := _number(node)) is not None:
            yield Place(number, file, node.lineno, "")


def _number(node: ast.AST) -> int | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step" and len(node.args) == 1:
        argument = node.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int):
            return argument.value
    return None
