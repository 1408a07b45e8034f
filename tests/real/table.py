"""What came of the runs, as a table for docs/real-openstack.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- written by `make real`: results -->", "<!-- end of results -->"
STEPS = {"steps seen directly": "direct", "steps inferred": "inferred", "steps not observable": "not observable", "steps failed": "fail"}
VERDICTS = ("pass", "fail", "error", "not observable", "unsupported", "disabled")


def table(reports: Mapping[str, Path]) -> str:
    """One column a level: how the 28 steps were seen, and what became of the checks."""
    found = {level: json.loads((folder / "report.json").read_text()) for level, folder in reports.items()}
    lines = ["| | " + " | ".join(found) + " |", "| --- |" + " --: |" * len(found)]
    lines += [f"| {name} | " + " | ".join(str(_steps(report)[how]) for report in found.values()) + " |" for name, how in STEPS.items()]
    for verdict in VERDICTS:
        counts = [sum(check["verdict"] == verdict for check in report["checks"]) for report in found.values()]
        lines.append(f"| checks: {verdict} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def _steps(report: Mapping[str, Any]) -> Counter[str]:
    """How many steps passed directly or inferred, and how many have each other verdict."""
    return Counter(step["how"] if step["verdict"] == "pass" else step["verdict"] for step in report["steps"])


def replace_table(page: Path, made: str) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}")
