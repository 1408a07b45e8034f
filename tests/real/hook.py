"""A fault hook for the real cloud (`--fault-hook`): its services and workers can be killed and started again, and nothing else.

It speaks the part of the mock's `/_mockcloud` interface that a real cloud can obey. What it cannot do, it answers with 501 and a sentence.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.real.cloud import RealCloud

WORKERS = ("nova-scheduler", "nova-conductor", "nova-compute", "cinder-scheduler", "cinder-volume", "neutron-ovs-agent")
SERVICES = ("keystone", "glance", "placement", "nova", "neutron", "cinder")
GONE_WITHIN = 10.0  # seconds


class Processes:
    """What up.sh started, by its pid files."""

    def __init__(self, cloud: RealCloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()

    def alive(self, name: str) -> bool:
        pid = self._pid(name)
        try:
            return pid is not None and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"  # a zombie
        except FileNotFoundError:
            return False

    def set(self, name: str, up: bool) -> None:
        """Kills the process group at once, or has up.sh start what is missing."""
        with self._lock:
            if up:
                self._cloud.run("up.sh")
            elif (pid := self._pid(name)) is not None:
                os.killpg(pid, signal.SIGKILL)
                until = time.monotonic() + GONE_WITHIN
                while self.alive(name) and time.monotonic() < until:
                    time.sleep(0.05)

    def _pid(self, name: str) -> int | None:
        try:
            return int(Path(self._cloud["RUN"], f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None


def answer(processes: Processes, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Status and body. A compute is named with its host, as `nova-compute.real1`: there is one."""
    _, part, name, *_ = [*path.split("/"), "", ""]
    if (method, part) == ("GET", "health"):
        return 200, {"workers": {worker: processes.alive(worker) for worker in WORKERS}}
    process = {"workers": name.partition(".")[0], "services": f"{name}-uwsgi"}.get(part)
    known = {"workers": WORKERS, "services": tuple(f"{service}-uwsgi" for service in SERVICES)}.get(part, ())
    if method != "PUT" or process not in known:
        return 501, {"error": f"a real cloud cannot obey {method} {path}: only its workers and services can be stopped and started"}
    processes.set(process, bool(body.get("up")))
    return 200, {"name": name, "up": processes.alive(process)}


@contextmanager
def hook(cloud: RealCloud) -> Iterator[str]:
    """Serves it on a free loopback port, for as long as it is needed; gives its URL."""
    processes = Processes(cloud)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answer(processes, self.command, self.path, json.loads(content or b"{}"))
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Silence: the suite tells what it asked for."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
