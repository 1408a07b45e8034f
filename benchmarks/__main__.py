"""`make bench`: start, memory, reads and launches, each with its aim."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.launches import Launcher, commits, floor
from benchmarks.wire import Wire
from mockcloud.cloud import Cloud
from mockcloud.settings import Settings

STARTS, READS, LAUNCHES, TOGETHER = 3, 200, 50, 20


def main() -> None:
    start()
    reads()
    asyncio.run(launches())


def line(what: str, value: str, aim: str = "") -> None:
    print(f"{what:40} {value:36} {aim}", flush=True)


def at(taken: list[float], share: float) -> float:
    """The value below which that share of the sorted ones lies."""
    return taken[min(len(taken) - 1, int(len(taken) * share))]


def start() -> None:
    """From the command to its ready line; then what the process holds in memory."""
    taken, memory = [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        command = [sys.executable, "-m", "mockcloud", "up", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if process.stdout is None or not process.stdout.readline().startswith("ready"):
            raise RuntimeError("the cloud did not start")
        taken.append(time.perf_counter() - began)
        status = Path(f"/proc/{process.pid}/status")
        if status.exists():
            memory.append(next(int(row.split()[1]) for row in status.read_text().splitlines() if row.startswith("VmRSS")) / 1024)
        process.terminate()
        process.communicate()
    line("start to ready", f"{min(taken):.2f} s", "aim: 1 s")
    if memory:
        line("resident memory", f"{max(memory):.0f} MB", "aim: 150 MB")


def reads() -> None:
    """Reads through a real socket, against a bare application that answers the same body on the same server."""
    command = [sys.executable, "-m", "benchmarks.served"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError("no output")
    said = json.loads(process.stdout.readline())
    for number, (name, (url, path)) in enumerate(said["reads"].items()):
        count = 5 if "1000" in name else READS
        taken, least = timed(url, path, count, said["token"]), timed(said["bare"], f"/{number}", count)
        ratio = at(taken, 0.5) / at(least, 0.5)
        shown = f"{at(taken, 0.5) * 1000:.2f} ms = {ratio:.1f} x {at(least, 0.5) * 1000:.2f} ms"
        line(name, shown, "aim: 4 x" if count == READS else "")
    process.communicate()


def timed(url: str, path: str, count: int, token: str = "") -> list[float]:
    wire = Wire(url, token)
    try:
        return wire.times(path, count)
    finally:
        wire.close()


async def launches() -> None:
    """Create to ACTIVE in one process, one after another and together, against as many bare exchanges and commits."""
    cloud = Cloud(Settings())
    await cloud.start()
    launcher = Launcher(cloud)
    await launcher.prepare()
    await launcher.launch(await launcher.volume())  # compiles every schema on the way
    volumes = [await launcher.volume() for _ in range(LAUNCHES + TOGETHER + 1)]
    cloud.recorder.clear()
    before = commits(cloud)
    await launcher.launch(volumes.pop())
    committed = commits(cloud) - before
    exchanges = sum(fact.kind == "http.server" for fact in cloud.recorder.facts())
    least = await floor(exchanges, committed, LAUNCHES)
    taken = sorted([await launcher.launch(volumes.pop()) for _ in range(LAUNCHES)])
    line("floor of a launch", f"{at(least, 0.5) * 1000:.1f} ms", f"{exchanges} exchanges, {committed} commits")
    line("create to ACTIVE, p50", f"{at(taken, 0.5) * 1000:.1f} ms = {at(taken, 0.5) / at(least, 0.5):.1f} x", "aim: 3 x")
    line("create to ACTIVE, p95", f"{at(taken, 0.95) * 1000:.1f} ms = {at(taken, 0.95) / at(least, 0.5):.1f} x")
    began = time.perf_counter()
    await asyncio.gather(*(launcher.launch(volumes.pop()) for _ in range(TOGETHER)))
    line(f"{TOGETHER} creates together, until all are ACTIVE", f"{(time.perf_counter() - began) * 1000:.0f} ms")
    await cloud.stop()


if __name__ == "__main__":
    main()
