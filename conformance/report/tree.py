"""The result tree: what was asked of which cloud, by whom, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from conformance.evidence import redact
from conformance.registry import Verdict

if TYPE_CHECKING:
    from conformance.run import Run


def build(run: Run) -> dict[str, Any]:
    results = [{**asdict(result), "verdict": result.verdict.value} for _, result in sorted(run.results.items())]
    rows = [result for result in results if len(result["id"]) == 3]
    checks = [result for result in results if len(result["id"]) > 3]
    tree = {
        "version": 1,
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - run.started).total_seconds(), 1),
        "about": run.about,
        "totals": {"steps": _totals(rows), "checks": _totals(checks)},
        "steps": rows,
        "checks": checks,
        "leftovers": run.leftovers,
    }
    return redact(tree)  # type: ignore[no-any-return]


def _totals(results: list[dict[str, Any]]) -> dict[str, int]:
    found = Counter(result["verdict"] for result in results)
    return {verdict.value: found[verdict.value] for verdict in Verdict}
