"""`make bench`: start, memory, reads and launches, each with its aim."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import floors
from benchmarks.launches import Launcher, commits
from benchmarks.wire import Client, Requests, Wire
from mockcloud.cloud import Cloud
from mockcloud.settings import Settings

STARTS, READS, LAUNCHES, TOGETHER = 3, 200, 50, 20


def main() -> None:
    start()
    reads()
    asyncio.run(launches())


def line(what: str, *values: str) -> None:
    print(f"{what:44} {'     '.join(values)}", flush=True)


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
    line("start to ready", f"{min(taken):.2f} s (aim: 1 s)")
    if memory:
        line("resident memory", f"{max(memory):.0f} MB (aim: 150 MB)")


def reads() -> None:
    """Reads through a real socket, against a bare application that answers the same body on the same server.

    Two clients, each against cloud and bare application alike: the least that can be, whose floor is the server's alone, and
    requests, on which OpenStack's own clients stand.
    """
    for cache in (0, 300):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.served", str(cache)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        if process.stdout is None:
            raise RuntimeError("no output")
        said = json.loads(process.stdout.readline())
        print(f"\nreads, token_cache_time {cache} (aim: 4 x), by a bare socket and by requests")
        for number, (name, (url, path)) in enumerate(said["reads"].items()):
            count = 5 if "1000" in name else READS
            shown = []
            for client in (Wire, Requests):
                taken, least = timed(client(url, said["token"]), path, count), timed(client(said["bare"]), f"/{number}", count)
                shown.append(f"{at(taken, 0.5) * 1000:7.2f} ms = {at(taken, 0.5) / at(least, 0.5):5.1f} x {at(least, 0.5) * 1000:.2f} ms")
            line(name, *shown)
        process.communicate()


def timed(client: Client, path: str, count: int) -> list[float]:
    """Seconds of each of `count` requests, sorted; a tenth as many go before, unmeasured."""
    taken = []
    for number in range(-max(3, count // 10), count):
        began = time.perf_counter()
        client.get(path)
        if number >= 0:
            taken.append(time.perf_counter() - began)
    client.close()
    return sorted(taken)


async def launches() -> None:
    """Create to ACTIVE in one process, one after another and together, against as many exchanges and commits with nothing else."""
    for cache in (0, 300):
        cloud = Cloud(Settings(token_cache_time=cache))
        await cloud.start()
        launcher = Launcher(cloud)
        await launcher.prepare()
        await launcher.launch(await launcher.volume())  # compiles every schema on the way
        volumes = [await launcher.volume() for _ in range(LAUNCHES + TOGETHER)]
        cloud.recorder.clear()
        before = commits(cloud)
        taken = sorted([await launcher.launch(volumes.pop()) for _ in range(LAUNCHES)])
        exchanges = round(sum(fact.kind == "http.server" for fact in cloud.recorder.facts()) / LAUNCHES)
        committed = round((commits(cloud) - before) / LAUNCHES)
        usual, least = await floors.libraries(exchanges, committed, LAUNCHES), await floors.bare(exchanges, committed, LAUNCHES)
        print(f"\nlaunches, token_cache_time {cache} (aim: 3 x): {exchanges} exchanges and {committed} commits each")
        line("floor: httpx in process, SQLAlchemy", f"{at(usual, 0.5) * 1000:7.1f} ms")
        line("floor: a coroutine, sqlite3", f"{at(least, 0.5) * 1000:7.1f} ms")
        for share in (0.5, 0.95):
            value = at(taken, share)
            ratios = [f"{value / at(floor, 0.5):.1f} x" for floor in (usual, least)]
            line(f"create to ACTIVE, p{share * 100:.0f}", f"{value * 1000:7.1f} ms = {ratios[0]} and {ratios[1]}")
        began = time.perf_counter()
        await asyncio.gather(*(launcher.launch(volumes.pop()) for _ in range(TOGETHER)))
        line(f"{TOGETHER} creates together, until all are ACTIVE", f"{(time.perf_counter() - began) * 1000:7.0f} ms")
        await cloud.stop()


if __name__ == "__main__":
    main()
