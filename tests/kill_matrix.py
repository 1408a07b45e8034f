"""Which faulty cloud which check notices: `python -m tests.kill_matrix [M01 …]` starts each mutant and runs the suite against it.

A mutant is *killed* when one of its named checks fails, *killed by another* when only other checks or rows do, *not detectable* when its
named checks could not be asked at all, and has *survived* otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.asking import ask, ask_rows
from conformance.cloud import Cloud
from conformance.options import Options
from conformance.registry import Broken, Verdict, load_checks
from mockcloud.mutants import Mutant, load_mutants

SUITE = 600  # seconds for a run of the suite


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    dialect: str
    verdict: str  # killed, killed by another, survived, not detectable, broken
    by: tuple[str, ...] = ()  # checks and rows that failed
    note: str = ""


@contextmanager
def running(*options: str) -> Iterator[str]:
    """A mock cloud in a process of its own: its identity URL. What it logs goes to a file: a pipe that nobody reads would stop it."""
    command = [sys.executable, "-m", "mockcloud", "up", "--port", "0", *options]
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            found = re.search(r"ready in .*?: (http\S+)", process.stdout.readline() if process.stdout else "")
            if not found:
                process.wait(10)
                log.seek(0)
                raise RuntimeError(f"the cloud did not start: {log.read()[-500:]}")
            yield found[1]
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def suite_command(*options: str) -> tuple[list[str], dict[str, str]]:
    """How the suite of this checkout is started, and in which environment: as if nothing of this machine were known."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTEST_"))}
    environ |= {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUNBUFFERED": "1"}
    plugin = [] if _is_installed() else ["-p", "conformance.plugin"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *options], environ


def run_suite(url: str, *options: str) -> dict[str, Any]:
    """The result tree of a run; the suite stands in an empty folder, as any user's would."""
    with tempfile.TemporaryDirectory() as folder:
        command, environ = suite_command("--cloud-url", url, "--report", folder, *options)
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=SUITE, check=False)
        report = Path(folder) / "report.json"
        if not report.exists():
            raise RuntimeError(f"the suite gave no report: {done.stdout[-800:]} {done.stderr[-400:]}")
        tree: dict[str, Any] = json.loads(report.read_text())
        return tree


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(entry.value == "conformance.plugin" for entry in entry_points(group="pytest11"))


def judge(mutant: Mutant, dialect: str, everything: bool) -> Outcome:
    """Asks the named checks; with `everything`, or when those see nothing, all of them and the 28 rows."""
    try:
        with running("--mutant", mutant.id, "--dialect", dialect) as url:
            named = ask_cloud(url, mutant.caught_by, rows=False)
            if named["fail"] and not everything:
                return Outcome(mutant, dialect, "killed", tuple(named["fail"]))
            found = ask_cloud(url, load_checks(), rows=True)
    except (RuntimeError, Broken) as error:
        return Outcome(mutant, dialect, "broken", note=str(error)[:300])
    if set(found["fail"]) & set(mutant.caught_by):
        return Outcome(mutant, dialect, "killed", tuple(found["fail"]))
    if found["fail"]:
        return Outcome(mutant, dialect, "killed by another", tuple(found["fail"]))
    asked = set(mutant.caught_by) & set(found["pass"])
    note = f"errors: {', '.join(found['error'])}" if found["error"] else ""
    return Outcome(mutant, dialect, "survived" if asked else "not detectable", note=note)


def healthy(dialect: str) -> list[str]:
    """What fails on a cloud that is not mutated: a mutant is killed only by what passes there."""
    with running("--dialect", dialect) as url:
        found = ask_cloud(url, load_checks(), rows=True)
    return found["fail"] + found["error"]


def ask_cloud(url: str, wanted: Iterable[str], rows: bool) -> dict[str, list[str]]:
    """Ids of checks and rows by their verdicts, without pytest around them."""
    cloud = Cloud(Options(url=url, timeout=30.0))
    checks = load_checks()
    try:
        results = [*(ask_rows(cloud).values() if rows else ()), *(ask(checks[name], cloud) for name in wanted if name in checks)]
    finally:
        cloud.close()
    verdicts: dict[str, list[str]] = {verdict.value: [] for verdict in Verdict}
    for result in results:
        verdicts[result.verdict.value].append(result.id)
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mutants", nargs="*", help="ids; without any: all")
    parser.add_argument("--dialect", action="append", choices=("classic", "cells_v2"), help="one dialect only")
    parser.add_argument("--everything", action="store_true", help="the whole suite against each mutant, not only its named checks")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", metavar="FILE", help="write the matrix as a Markdown page")
    options = parser.parse_args()
    known = load_mutants()
    if unknown := [name for name in options.mutants if name not in known]:
        parser.error(f"there is no mutant {', '.join(unknown)}")
    wanted = [known[name] for name in options.mutants or known]
    jobs = [(m, d) for m in wanted for d in options.dialect or ("classic", "cells_v2") if d in m.dialects]
    for dialect in {dialect for _, dialect in jobs}:
        if wrong := healthy(dialect):
            print(f"the unmutated cloud, {dialect}: {', '.join(wrong)} fail: no mutant can be judged by them")
            return 2
    outcomes = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(lambda job: judge(job[0], job[1], options.everything), jobs):
            outcomes.append(outcome)
            by = ", ".join(outcome.by[:6]) or outcome.note
            print(f"{outcome.mutant.id} {outcome.dialect:8} {outcome.verdict:18} {outcome.mutant.fault[:60]:60} {by}", flush=True)
    totals = Counter(outcome.verdict for outcome in outcomes)
    print(", ".join(f"{count} {verdict}" for verdict, count in totals.most_common()))
    if options.write:
        Path(options.write).write_text(page(outcomes))
    return 0 if set(totals) <= {"killed", "killed by another"} else 1


def page(outcomes: list[Outcome]) -> str:
    totals = Counter(outcome.verdict for outcome in outcomes)
    lines = [
        "# Mutants", "",
        "Faulty clouds on purpose, and what the conformance suite says of them. Made by `make mutants`.", "",
        "Totals: " + ", ".join(f"{count} {verdict}" for verdict, count in totals.most_common()) + ".", "",
        "| mutant | step | fault | level | dialect | outcome | by |", "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for o in outcomes:
        by = ", ".join(o.by[:5]) or o.note
        step = f"S{o.mutant.step:02d}" if o.mutant.step else "all"
        lines.append(f"| {o.mutant.id} | {step} | {o.mutant.fault} | {o.mutant.level} | {o.dialect} | {o.verdict} | {by} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
