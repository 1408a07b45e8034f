"""How the suite's own client bears with a server that has closed a connection."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from conformance.client import Recorder, _Recording

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def forgetful() -> Iterator[str]:
    """A server that hangs up on the first request and answers the others."""
    asked: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.request.recv(65_536))
            if len(asked) > 1:
                self.wfile.write(ANSWER)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def client() -> Any:
    return _Recording(Recorder(), "member", 10.0, lambda url: "compute", from_surroundings=False)


def test_what_can_be_asked_twice_is_asked_again(forgetful: str) -> None:
    with client() as session:
        assert session.get(forgetful).status_code == 200
        assert [exchange.status for exchange in session.recorder.exchanges] == [200]


def test_what_cannot_be_is_not(forgetful: str) -> None:
    with client() as session, pytest.raises(requests.ConnectionError):
        session.post(forgetful, json={})
