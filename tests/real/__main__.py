"""The suite against a real OpenStack, with ever more evidence: `python -m tests.real SCRIPTS [--keep] [--write] [LEVEL …]`.

SCRIPTS is the folder of docs/real-openstack.md. The cloud is installed if it is not, started, seeded with the people that the suite wants,
judged once at each level, and stopped again unless it is to be kept. Reports go to reports/real/LEVEL; `--write` also puts the table of
results into the page, and keeps the HTML report of the level `all` as the example.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.real.cloud import RealCloud, make_people
from tests.real.hook import hook
from tests.real.table import replace_table, table

ROOT = Path(__file__).parent.parent.parent
REPORTS = ROOT / "reports" / "real"
PAGE = ROOT / "docs" / "real-openstack.md"
EXAMPLE = ROOT / "docs" / "examples" / "real-openstack.html"
LEVELS = {  # what each adds to the one before it
    "client": "a member's credentials",
    "admin": "reader, second project, admin",
    "amqp": "the broker's firehose, with notifications",
    "all": "OSProfiler and the services' logs",
    "faults": "a hook that kills workers and services",
}


def options(cloud: RealCloud, people: dict[str, str], level: str, fault_hook: str) -> list[str]:
    """The options of pytest at a level."""
    at = list(LEVELS).index(level)
    chosen = ["--os-cloud", people["member"], "--evidence", "client"]
    if at >= 1:
        for role in ("reader", "stranger", "admin"):
            chosen += [f"--os-cloud-{role}", people[role]]
        chosen += ["--evidence", "admin"]
    if at >= 2:
        chosen += ["--evidence", f"amqp={cloud.amqp_url}", "--evidence", f"notifications={cloud.amqp_url}"]
    if at >= 3:
        chosen += ["--evidence", f"osprofiler={cloud.osprofiler};hmac={cloud['PROFILER_KEY']}", "--evidence", f"logs={cloud['LOG']}"]
    if at >= 4:
        chosen += ["--fault-hook", fault_hook]
    return chosen


def judge(cloud: RealCloud, people: dict[str, str], level: str, fault_hook: str, more: list[str]) -> int:
    """One run of the suite, in a folder where there is nothing but it."""
    report = REPORTS / level
    asked = [
        sys.executable,
        "-m",
        "pytest",
        "--cloud-url",
        cloud.url,
        *options(cloud, people, level, fault_hook),
        "--report",
        str(report),
        *more,
    ]
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as nowhere:
        return subprocess.run(asked, cwd=nowhere, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real", description=__doc__)
    parser.add_argument("scripts", type=Path)
    parser.add_argument("levels", nargs="*", default=list(LEVELS))
    parser.add_argument("--keep", action="store_true", help="leave the cloud running")
    parser.add_argument("--write", action="store_true", help="put the table into docs/real-openstack.md, the page beside it")
    chosen, more = parser.parse_known_args()
    if unknown := set(chosen.levels) - set(LEVELS):
        parser.error(f"there is no level {', '.join(sorted(unknown))}: choose of {', '.join(LEVELS)}")
    try:
        cloud = RealCloud.of(chosen.scripts.resolve())
    except FileNotFoundError as error:
        sys.exit(f"{error}: docs/real-openstack.md says what has to be there")
    if not Path(cloud["VENV"], "bin", "python").exists():
        cloud.run("install.sh")
    cloud.run("down.sh", "--services")  # threads keep the first trace that they were in
    cloud.run("up.sh")
    try:
        people = make_people(cloud)
        with cloud.firehose(), hook(cloud) as fault_hook:
            ended = {level: judge(cloud, people, level, fault_hook, more) for level in chosen.levels}
    finally:
        if not chosen.keep:
            cloud.run("down.sh")
    made = table({level: REPORTS / level for level in LEVELS if (REPORTS / level).exists()})
    print(made)
    if chosen.write:
        replace_table(PAGE, made)
        EXAMPLE.write_text((REPORTS / "all" / "report.html").read_text().replace(cloud["STATE"], "$REAL_STATE"))
    return max(ended.values())


if __name__ == "__main__":
    sys.exit(main())
