"""One file a service (a compute has its host in its name), in oslo.log's default format."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from mockcloud.service_logs import lines
from mockcloud.service_logs.lines import Line
from mockcloud.settings import SettingsError
from mockcloud.trace import Fact, Recorder

NAMES = {"nova": "nova-api", "glance": "glance-api", "cinder": "cinder-api", "neutron": "neutron-server"}
REMEMBERED = 10_000  # requests


class ServiceLogs:
    """A follower of the recorder. Raises SettingsError for a folder that cannot be written to."""

    def __init__(self, folder: str, recorder: Recorder) -> None:
        self._folder = Path(folder)
        self._files: dict[str, TextIO] = {}
        self._identities: OrderedDict[str, tuple[str, str]] = OrderedDict()  # of requests: user and project
        self._servers: OrderedDict[tuple[str, str], set[str]] = OrderedDict()  # that a host builds for a request
        self._sent: OrderedDict[str, dict[str, Any]] = OrderedDict()  # arguments of messages that nobody has taken yet, by unique id
        self._process, self._recorder = os.getpid(), recorder
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file("nova-api")
        except OSError as error:
            raise SettingsError(f"cannot write logs in {folder}: {error.strerror}") from error
        recorder.beginnings.append(self.begun)
        recorder.listeners.append(self.ended)
        recorder.notes.append(self.noted)

    def close(self) -> None:
        """Follows no more."""
        self._recorder.beginnings.remove(self.begun)
        self._recorder.listeners.remove(self.ended)
        self._recorder.notes.remove(self.noted)
        for file in self._files.values():
            file.close()

    def begun(self, fact: Fact) -> None:
        args: dict[str, Any] = {}
        if fact.kind == "rpc.publish":
            self._remember(fact)
        elif fact.kind == "rpc.deliver":
            args = self._sent.pop(fact.attributes["unique_id"], {})
        self._write(fact, fact.start, lines.begun(fact, args))

    def ended(self, fact: Fact) -> None:
        if fact.kind == "http.server" and fact.attributes.get("user_id"):
            self._identify(fact.request_id, fact.attributes["user_id"], fact.attributes["project_id"])
        building = self._servers.get((fact.request_id, fact.host), set())
        self._write(fact, fact.end or fact.start, lines.ended(fact, next(iter(building)) if len(building) == 1 else ""))

    def noted(self, fact: Fact) -> None:
        self._write(fact, fact.start, lines.noted(fact))

    def _remember(self, fact: Fact) -> None:
        seen = fact.attributes
        about = seen["context"]
        self._identify(about.get("request_id") or "", about.get("user_id") or "", about.get("project_id") or "")
        self._sent[seen["unique_id"]] = seen["args"]
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        topic, _, host = seen["routing_key"].partition(".")
        if topic == "compute" and (server := lines.server_of(seen["args"])):
            self._servers.setdefault((about.get("request_id") or "", host), set()).add(server)
            if len(self._servers) > REMEMBERED:
                self._servers.popitem(last=False)

    def _identify(self, request_id: str, user_id: str, project_id: str) -> None:
        if user_id:
            self._identities[request_id] = (user_id, project_id or "-")
        if len(self._identities) > REMEMBERED:
            self._identities.popitem(last=False)

    def _write(self, fact: Fact, at: float, written: Iterable[Line]) -> None:
        for line in written:
            time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            instance = f"[instance: {line.instance}] " if line.instance else ""
            text = f"{time} {self._process} {line.level} {line.logger} {self._context(fact)} {instance}{line.message}\n"
            self._file(_name(fact)).write(text)

    def _context(self, fact: Fact) -> str:
        """Global request id, own request id, user, project, domain, and the domains of user and project."""
        if not fact.request_id:
            return "[-]"
        user, project = self._identities.get(fact.request_id, ("", ""))
        who = f"{user} {project} - - default default" if user else "- - - - - -"
        shared = fact.global_request_id if fact.global_request_id != fact.request_id else ""
        return f"[{shared or None} {fact.request_id} {who}]"

    def _file(self, name: str) -> TextIO:
        if name not in self._files:
            self._files[name] = (self._folder / f"{name}.log").open("a", buffering=1)
        return self._files[name]


def _name(fact: Fact) -> str:
    return f"nova-compute-{fact.host}" if fact.service == "nova-compute" else NAMES.get(fact.service, fact.service)
