"""Reports, all made of one result tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def write(tree: dict[str, Any], terminal: pytest.TerminalReporter, folder: str | None) -> None:
    """The summary on the terminal, and, where a folder is named, report.json in it."""
    from conformance.report.terminal import show

    show(tree, terminal)
    if folder:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / "report.json").write_text(json.dumps(tree, indent=1, default=str) + "\n")
        terminal.write_line(f"report: {path / 'report.json'}")
