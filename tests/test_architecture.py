"""Who may import what, where the import contracts of pyproject.toml cannot say it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted([*(ROOT / "mockcloud").rglob("*.py"), *(ROOT / "specs").rglob("*.py")])


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("part", ["scheduler", "conductor"])
def test_of_nova_the_workers_know_the_rows_and_nothing_of_its_api(part):
    rows = {"mockcloud.nova.tables", "mockcloud.nova.api_tables", "mockcloud.nova.records", "mockcloud.nova.zones"}
    names = {name for file in (ROOT / "mockcloud" / part).rglob("*.py") for name in imported(file)}
    assert {name for name in names if name.startswith("mockcloud.nova")} <= rows


CLOCKS = {"time.time", "asyncio.sleep", "datetime.now", "datetime.utcnow"}
REAL_TIME = {"clock.py", "trace.py", "server.py", "demo.py"}  # the clock itself; what is measured; waiting for the real world


def test_only_the_clock_knows_the_time():
    guilty = []
    for file in MODULES:
        if file.name in REAL_TIME or file.parent.name == "mutants":  # what is wrong on purpose may be late by any clock
            continue
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        guilty += [f"{file.relative_to(ROOT)}:{call.lineno}" for call in calls if ast.unparse(call.func) in CLOCKS]
    assert guilty == []


def test_nothing_awaits_inside_a_transaction():
    guilty = []
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text())):
            opened = isinstance(node, ast.With) and any(".transaction(" in ast.unparse(item.context_expr) for item in node.items)
            if opened and any(isinstance(inner, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for inner in ast.walk(node)):
                guilty.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert guilty == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "misc"])
def test_no_module_is_named_after_nothing(name):
    assert [file for file in MODULES if file.stem == name] == []


def test_no_module_is_longer_than_500_lines():
    long = {file.relative_to(ROOT).as_posix(): count for file in MODULES if (count := len(file.read_text().splitlines())) > 500}
    assert long == {}
