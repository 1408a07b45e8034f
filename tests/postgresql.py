"""A PostgreSQL of the tests' own: on a free loopback port, with its own data, beside whatever else runs here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.rabbitmq import free_ports

MISSING = "PostgreSQL is not installed here: apt-get install postgresql brings it"
START_LIMIT = 60.0  # seconds
UNPRIVILEGED = "postgres"  # who it runs as when root starts it; it refuses root


def installed() -> bool:
    return _programs() is not None


def _programs() -> Path | None:
    """Where initdb and postgres are: Debian keeps them away from PATH."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")] or [Path(path) for path in [shutil.which("initdb")] if path]
    return found[-1].parent if found else None


class PostgreSQL:
    """`with PostgreSQL() as server:` starts it, and kills it at the end with all it holds."""

    def __enter__(self) -> PostgreSQL:
        (self.port,) = free_ports(1)
        self._made = 0
        self._folder = tempfile.mkdtemp(prefix="postgresql-")
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        programs, data = _programs(), f"{self._folder}/data"
        assert programs is not None, MISSING
        initdb = [str(programs / "initdb"), "-D", data, "-A", "trust", "-U", UNPRIVILEGED, "--no-sync"]
        subprocess.run(initdb, user=self._user, cwd="/", check=True, capture_output=True, timeout=START_LIMIT)
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        server = [str(programs / "postgres"), "-D", data, "-p", str(self.port)]
        server += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._said = Path(self._folder, "said").open("wb")
        self._process = subprocess.Popen(server, user=self._user, cwd="/", stdout=self._said, stderr=subprocess.STDOUT)
        self._await()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once, and its children too
        self._process.wait(timeout=30)
        self._said.close()
        shutil.rmtree(self._folder)

    def databases(self, *names: str) -> str:
        """Makes empty databases; their SQLAlchemy URL, with `{service}` for the name."""
        self._made += 1
        with self._connect() as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE test{self._made}_{name}".encode())
        return f"postgresql+psycopg://{UNPRIVILEGED}@127.0.0.1:{self.port}/test{self._made}_{{service}}"

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host="127.0.0.1", port=self.port, user=UNPRIVILEGED, autocommit=True)

    def _await(self) -> None:
        due = time.monotonic() + START_LIMIT
        while time.monotonic() < due and self._process.poll() is None:
            try:
                self._connect().close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        self.__exit__()
        raise AssertionError("PostgreSQL did not start")
