"""The other end of `libvirt_process`: calls go there, answers and events come back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import Any

Json = dict[str, Any]
PROGRAM = Path(__file__).with_name("libvirt_process.py")  # by its path: there `libvirt` is the library, -P keeps this folder out of it
NO_DOMAIN = 42  # libvirt's VIR_ERR_NO_DOMAIN
ANSWER_LIMIT = 120.0  # seconds that a call may take
ENDING_LIMIT = 30.0  # seconds for all guests to be stopped, and their files removed


class LibvirtFailed(Exception):
    """libvirt's own error, or none of an answer. `code` is libvirt's VIR_ERR_…; 0 where it has none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Link:
    """Calls from any thread. The process starts with the first, and again after it was lost: its guests run on meanwhile.

    `changed(guest_id)` is called, from another thread, when a guest's power may have changed.
    """

    def __init__(self, uri: str, folder: Path, staying: bool, changed: Callable[[str], None]) -> None:
        self._command = [sys.executable, "-P", str(PROGRAM), uri, str(folder), "staying" if staying else "going"]
        self._folder, self._changed = folder, changed
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._waiting: dict[int, Future[Any]] = {}
        self._count = 0

    @property
    def running(self) -> bool:
        return self._socket is not None

    def call(self, name: str, *arguments: Any) -> Any:
        """Blocks. Raises LibvirtFailed."""
        answer: Future[Any] = Future()
        with self._lock:
            connected = self._socket or self._start()
            self._count += 1
            number = self._count
            self._waiting[number] = answer
        try:
            connected.sendall(json.dumps({"id": number, "call": name, "arguments": arguments}).encode() + b"\n")
            return answer.result(ANSWER_LIMIT)
        except TooLate:
            raise LibvirtFailed(f"libvirt did not answer to {name} in {ANSWER_LIMIT:.0f} seconds") from None
        except OSError as error:
            raise LibvirtFailed(f"the process of libvirt is gone: {error}") from error
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Blocks until the process has ended, and with it the guests unless they are to stay."""
        with self._lock:
            process, connected = self._process, self._socket
            self._process = self._socket = None
        if connected is not None:
            connected.shutdown(socket.SHUT_WR)
        if process is not None:
            _end(process)
        if connected is not None:
            connected.close()

    def _start(self) -> socket.socket:
        if self._process is not None:
            _end(self._process)
        self._folder.mkdir(parents=True, exist_ok=True)
        mine, its = socket.socketpair()
        with its, (self._folder / "libvirt.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        self._socket = mine
        threading.Thread(target=self._listen, args=(mine,), daemon=True, name="libvirt").start()
        return mine

    def _listen(self, connected: socket.socket) -> None:
        why = "the process of libvirt has ended"
        with contextlib.suppress(ConnectionError), connected.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message.get("event") == "lifecycle":
                    self._changed(message["guest_id"])
                elif message.get("event") == "refused":
                    why = message["message"]
                elif (answer := self._waiting.get(message["id"])) is not None:
                    _settle(answer, message)
        self._lose(connected, why)

    def _lose(self, connected: socket.socket, why: str) -> None:
        """Whoever waits waits no longer, and the next call starts another process."""
        with self._lock:
            if self._socket is connected:
                self._socket = None
                connected.close()
            waiting = list(self._waiting.values())
        for answer in waiting:
            if not answer.done():
                answer.set_exception(LibvirtFailed(why))


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(ENDING_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # guests are in groups of their own
        process.wait()


def _settle(answer: Future[Any], message: Json) -> None:
    if (error := message.get("error")) is not None:
        answer.set_exception(LibvirtFailed(error["message"], error["code"]))
    else:
        answer.set_result(message["result"])
