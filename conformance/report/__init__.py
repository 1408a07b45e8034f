"""Reports, all made of one result tree: the terminal's summary, report.json (its schema stands beside this file) and report.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SCHEMA = Path(__file__).parent / "report.schema.json"


def write(tree: dict[str, Any], terminal: pytest.TerminalReporter, folder: str | None) -> None:
    """The summary on the terminal, and, where a folder is named, both files in it."""
    from conformance.report.page import page
    from conformance.report.terminal import show

    show(tree, terminal)
    if folder:
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "report.json").write_text(json.dumps(tree, indent=1, default=str) + "\n")
            (path / "report.html").write_text(page(tree))
        except OSError as error:
            terminal.write_line(f"the report cannot be written to {folder}: {error.strerror}", red=True)
        else:
            terminal.write_line(f"reports: {path / 'report.html'}, {path / 'report.json'}")
