"""`python -m benchmarks.judging [COUNT]`: what the conformance suite costs, and COUNT launches, many at a time, each judged apart."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.__main__ import line
from conformance.cloud import Cloud
from conformance.judge import judge
from conformance.launch import Launch
from conformance.options import Options
from tests.kill_matrix import running

LAUNCHES, AT_ONCE, JUDGED = 1_000, 50, 20


def suite(url: str) -> None:
    """The whole suite in a process of its own, as a user runs it."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--cloud-url", url]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        line("the whole suite", f"{time.perf_counter() - began:.1f} s (aim: 60 s)", done.stdout.strip().splitlines()[-1])


def verdicts(launch: Launch) -> Counter[str]:
    rows = judge(launch.evidence, launch.boot.fact, launch.server_id, launch.dialect, volumes=bool(launch.volumes))
    return Counter(f"{row.id} {row.verdict.value}: {row.actual}" for row in rows if row.verdict.value != "pass")


def judging(cloud: Cloud) -> None:
    launch = cloud.golden
    evidence = launch.evidence
    taken = []
    for _ in range(JUDGED):
        began = time.perf_counter()
        judge(evidence, launch.boot.fact, launch.server_id, launch.dialect)
        taken.append(time.perf_counter() - began)
    line("judging one recorded launch", f"{min(taken) * 1000:.1f} ms (aim: 10 ms)", f"{len(evidence.facts)} facts")


def lift_quotas(cloud: Cloud) -> None:
    project = cloud.member.project_id
    unlimited = {
        "compute": {"quota_set": {"instances": -1, "cores": -1, "ram": -1}},
        "volume": {"quota_set": {"volumes": -1, "gigabytes": -1}},
    }
    for service, body in unlimited.items():
        cloud.admin.put(service, f"/os-quota-sets/{project}", json=body)
    cloud.admin.put("network", f"/quotas/{project}", json={"quota": {"port": -1}})


def many(cloud: Cloud, count: int) -> None:
    """Launches with a volume each, at the same time; then their verdicts."""
    wrong: Counter[str] = Counter()
    began, launched = time.perf_counter(), 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while launched < count:
            some = min(AT_ONCE, count - launched)
            volumes = list(pool.map(lambda _: cloud.resources.volume(cloud.member), range(some)))
            launches = list(pool.map(lambda volume: cloud.launcher.launch(volumes=[volume], token=cloud.member.login()), volumes))
            for found in pool.map(verdicts, launches):
                wrong += found
            cloud.resources.delete_all()
            launched += some
    line(f"{launched} launches, {AT_ONCE} at once", f"{time.perf_counter() - began:.0f} s", f"{sum(wrong.values())} rows that did not pass")
    for text, times in wrong.most_common(5):
        print(f"  {times} x {text}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LAUNCHES
    with running() as url:
        suite(url)
    with running("--hosts", "30") as url:
        cloud = Cloud(Options(url=url))
        judging(cloud)
        lift_quotas(cloud)
        many(cloud, count)
        for left in cloud.close():
            print(f"left behind: {left}")


if __name__ == "__main__":
    main()
