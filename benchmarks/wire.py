"""Clients of one connection, one request at a time."""

from __future__ import annotations

import socket
from typing import Protocol
from urllib.parse import urlsplit

import requests


class Client(Protocol):
    def get(self, path: str) -> bytes:
        """The body; raises for a status other than 200."""
        ...

    def close(self) -> None: ...


class Wire:
    """The least client that can be."""

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

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Requests:
    """The library under keystoneauth, and so under openstacksdk and openstackclient."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._session = url, requests.Session()
        self._session.headers["X-Auth-Token"] = token

    def get(self, path: str) -> bytes:
        answer = self._session.get(self._url + path)
        answer.raise_for_status()
        return answer.content

    def close(self) -> None:
        self._session.close()
