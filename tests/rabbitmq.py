"""A RabbitMQ of the tests' own: on free loopback ports, with its own data, cookie and epmd, beside whatever else runs here."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")  # Debian's own command first becomes another user
MISSING = "RabbitMQ is not installed here: apt-get install rabbitmq-server brings it"
SERVER_PORTS = range(20_000, 32_000)  # below those that Linux gives to clients
START_LIMIT = 90.0  # seconds
GUEST = "guest"


def installed() -> bool:
    return _server() is not None and shutil.which("epmd") is not None


def _server() -> str | None:
    return next((found for name in SERVERS if (found := shutil.which(name))), None)


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody had a moment ago, and that no client is given for its end of a connection."""
    found: list[int] = []
    for port in random.sample(SERVER_PORTS, len(SERVER_PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


class RabbitMQ:
    """One broker; what it holds stays in `folder`, so that `kill` and `start` are a crash and a recovery.

    `with RabbitMQ(tmp_path) as broker:` starts it, and kills it at the end. `broker.vhost()` is the URL of a fresh virtual host.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._http_port, self._dist_port, self._epmd_port = free_ports(4)
        self._names = (f"test{n}" for n in itertools.count(1))
        self._running: list[subprocess.Popen[bytes]] = []
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._http_port}/api", auth=(GUEST, GUEST), trust_env=False, timeout=30)

    def __enter__(self) -> RabbitMQ:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        self._http.close()

    def start(self) -> None:
        """Returns when it answers; an AssertionError shows what it said when it does not come up."""
        (self.folder / "plugins").write_text("[rabbitmq_management].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self._http_port}\n"
            "collect_statistics_interval = 250\nlog.console = false\n"
        )
        server = _server()
        assert server is not None, MISSING
        with (self.folder / "said").open("wb") as said:
            for command in (["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"], [server]):
                self._running.append(
                    subprocess.Popen(command, env=self._environment(), stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
                )
        self._await()

    def kill(self) -> None:
        """As a power cut: nothing is said goodbye to."""
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)
        self._running.clear()

    def vhost(self, tracing: bool = False) -> str:
        """The URL of a new, empty virtual host. `tracing`: its firehose `amq.rabbitmq.trace` flows."""
        name = next(self._names)
        self._say("PUT", f"/vhosts/{name}", json={"tracing": tracing})
        self._say("PUT", f"/permissions/{name}/{GUEST}", json={"configure": ".*", "write": ".*", "read": ".*"})
        return f"amqp://{GUEST}:{GUEST}@127.0.0.1:{self.port}/{name}"

    def delete(self, url: str) -> None:
        self._say("DELETE", f"/vhosts/{url.rsplit('/', 1)[1]}")

    def queues(self, url: str) -> dict[str, int]:
        """Messages in each queue, taken or not; at most half a second old."""
        queues = self._say("GET", f"/queues/{url.rsplit('/', 1)[1]}").json()
        return {queue["name"]: queue.get("messages", 0) for queue in queues}

    def connections(self) -> list[dict[str, Any]]:
        return self._say("GET", "/connections").json()  # type: ignore[no-any-return]

    def drop_connections(self) -> None:
        """Cuts every client off, while the broker itself stays."""
        for connection in self.connections():
            self._say("DELETE", f"/connections/{connection['name']}")

    def _say(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._http.request(method, path, **more)
        answer.raise_for_status()
        return answer

    def _await(self) -> None:
        due = time.monotonic() + START_LIMIT
        while time.monotonic() < due and self._running[-1].poll() is None:
            try:
                if self._http.get("/aliveness-test/%2F").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        said = (self.folder / "said").read_text()
        self.kill()
        raise AssertionError(f"RabbitMQ did not start: {said}")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }
