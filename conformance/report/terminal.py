"""The summary at the end of a run: 28 rows at one glance, and what is not as it should be."""

from __future__ import annotations

from typing import Any

import pytest

MARKS = {"pass": "✔", "fail": "✘", "not observable": "·", "unsupported": "-", "disabled": "-", "error": "!"}


def show(tree: dict[str, Any], terminal: pytest.TerminalReporter) -> None:
    about = tree["about"]
    terminal.section("conformance")
    if about:
        terminal.write_line(
            f"{about['url']}  dialect {about['dialect'] or '?'}  evidence: {', '.join(about['sources'])}"
            f"  people: {', '.join(about['people'])}"
        )
        for source, problem in about["source_problems"].items():
            terminal.write_line(f"evidence {source} is not there: {problem}")
    for row in tree["steps"]:
        how = f"{row['how']}, by {', '.join(row['sources'])}" if row["verdict"] == "pass" else row["verdict"]
        what = row["actual"] if row["verdict"] in ("pass", "fail") else row["reason"]
        terminal.write_line(f"{MARKS[row['verdict']]} {row['id']} {row['sentence'][:62]:62} {how}: {what[:110]}")
    for kind in ("steps", "checks"):
        totals = ", ".join(f"{count} {verdict}" for verdict, count in tree["totals"][kind].items() if count)
        if totals:
            terminal.write_line(f"{kind}: {totals}")
    for line in tree["leftovers"]:
        terminal.write_line(f"left behind: {line}")
