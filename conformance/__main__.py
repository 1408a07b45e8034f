"""`python -m conformance URL`: one launch on a cloud, and its 28 steps as they were seen. The whole suite is `pytest --cloud-url URL`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from conformance.asking import ask_rows
from conformance.cloud import Cloud
from conformance.options import Options, UsageError
from conformance.registry import Broken, Result, Verdict
from conformance.report.diagram import MARKS

CHANNELS = {
    "rest": "REST", "rest-reply": "answer", "db": "SQL", "rpc-call": "RPC call", "rpc-cast": "RPC cast", "rpc-reply": "RPC reply",
    "queue": "queue", "hypervisor": "driver",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every step passed."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("url", help="the cloud's identity endpoint, with or without /v3")
    parser.add_argument("--os-cloud", metavar="NAME", help="an entry of clouds.yaml; without it what the cloud announces, or OS_*")
    parser.add_argument("--launch-timeout", metavar="SECONDS", type=float, default=300.0)
    chosen = parser.parse_args(arguments)
    screen = Screen(sys.stdout)
    try:
        cloud = Cloud(Options(url=chosen.url, clouds={"member": chosen.os_cloud} if chosen.os_cloud else {}, timeout=chosen.launch_timeout))
    except (Broken, UsageError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return show(cloud, screen)
    finally:
        for line in cloud.close():
            screen.say(screen.red(f"left behind: {line}"))


def show(cloud: Cloud, screen: Screen) -> int:
    rows = ask_rows(cloud)
    begun = min((row.detail["at"] for row in rows.values() if row.detail.get("clock") == "facts"), default=0.0)
    screen.say(screen.dim(f" #  {'ms':>6}  {'who turns to whom':31}  {'channel':9}  what was seen there"))
    for row in rows.values():
        screen.say(_line(row, begun, screen))
    passed = [row for row in rows.values() if row.verdict is Verdict.PASS]
    direct = sum(row.how == "direct" for row in passed)
    verdict = f"{len(passed)} of {len(rows)} steps passed, {direct} of them seen directly, by {', '.join(_sources(rows))}."
    screen.say("\n" + (screen.green if len(passed) == len(rows) else screen.red)(verdict) + "\n")
    if all(row.verdict is not Verdict.ERROR for row in rows.values()):
        for name, value in _server(cloud.golden.final).items():
            screen.say(f"{name:8} {value}")
    return 0 if len(passed) == len(rows) else 1


def _sources(rows: dict[str, Result]) -> list[str]:
    return sorted({source for row in rows.values() for source in row.sources})


def _server(server: dict[str, Any]) -> dict[str, str]:
    addresses = ", ".join(f"{network} {ip['addr']}" for network, ips in server.get("addresses", {}).items() for ip in ips)
    volumes = ", ".join(volume["id"] for volume in server.get("os-extended-volumes:volumes_attached", ()))
    return {
        "server": f"{server.get('name')} {server.get('id')}", "status": str(server.get("status")), "address": addresses or "-",
        "volume": volumes or "-", "host": f"{server.get('hostId') or '-'} (hostId)",
    }  # fmt: skip


def _line(row: Result, begun: float, screen: Screen) -> str:
    detail = row.detail
    who = f"{detail.get('actor', '?')} → {detail.get('callee', '?')}"
    at = f"{(detail['at'] - begun) * 1000:.1f}" if detail.get("clock") == "facts" and detail.get("at") is not None else "-"
    head = f"{int(row.id[1:]):2}  {at:>6}  {who:31}  {CHANNELS.get(str(detail.get('via')), ''):9}  "
    if row.verdict is Verdict.PASS:
        return head + _short(row.actual, screen.columns - len(head))
    said = f"{MARKS[row.verdict.value]} {row.verdict.value}: {row.actual or row.reason}"
    return screen.red(head + _short(said, screen.columns - len(head)))


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


class Screen:
    """A terminal of 80 columns or more, or a file; colours only where somebody looks, and not against NO_COLOR."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colours = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.columns = max(80, min(120, shutil.get_terminal_size((120, 24)).columns))

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def red(self, text: str) -> str:
        return self._painted("31", text)

    def green(self, text: str) -> str:
        return self._painted("32", text)

    def dim(self, text: str) -> str:
        return self._painted("2", text)

    def _painted(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text


if __name__ == "__main__":
    sys.exit(main())
