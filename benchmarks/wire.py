"""The least client that can be: one connection, one request at a time."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit


class Wire:
    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._port, self._prefix, self._token = parts.hostname or "", parts.port or 80, parts.path, token
        self._socket = socket.create_connection((self._host, self._port))
        self._file = self._socket.makefile("rb")

    def get(self, path: str) -> bytes:
        """The body; raises for a status other than 200."""
        head = f"GET {self._prefix}{path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nAccept: application/json\r\n"
        self._socket.sendall(f"{head}X-Auth-Token: {self._token}\r\n\r\n".encode())
        status = self._file.readline()
        length = 0
        while (line := self._file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        body = self._file.read(length)
        if b" 200 " not in status:
            raise RuntimeError(f"GET {path}: {status.decode().strip()} {body[:200]!r}")
        return body

    def times(self, path: str, count: int) -> list[float]:
        """Seconds of each of `count` requests, sorted; a tenth as many go before, unmeasured."""
        for _ in range(max(3, count // 10)):
            self.get(path)
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            self.get(path)
            taken.append(time.perf_counter() - began)
        return sorted(taken)

    def close(self) -> None:
        self._file.close()
        self._socket.close()
