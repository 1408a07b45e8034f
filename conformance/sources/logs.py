"""Logs of a cloud's services: files, folders of them, or exports of the journal. Only what is written while the suite runs counts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.evidence import Fact
from conformance.sources import SourceError
from conformance.sources.journal import complete, is_journal, journal_entries
from conformance.sources.loglines import LogReader, once_each

NO_LOGS = {".gz", ".xz", ".bz2", ".zst", ".zip", ".pid", ".lock", ".db", ".sqlite"}


class LogsSource:
    """`where["path"]`: a file or a folder; several with commas between. Never complete: a level may be switched off."""

    name = "logs"
    shows: frozenset[str] = frozenset()
    tells = frozenset({"log", "http.server"})

    def __init__(self, where: Mapping[str, Any], cloud: Any) -> None:
        self._places = [Path(text) for text in str(where.get("where") or where.get("path") or "").split(",") if text]
        self._files: dict[Path, LogFile] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        if not self._places:
            raise SourceError("the evidence source logs needs a file or a folder")
        for path in self._found():
            self._files[path] = LogFile(path, at_end=True)

    def headers(self) -> Mapping[str, str]:
        return {}

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        requests, servers = frozenset(request_ids), frozenset(server_ids)
        with self._lock:
            for path in self._found():
                self._files.setdefault(path, LogFile(path)).read_on()
            readers = [reader for file in self._files.values() for reader in file.readers.values()]
            return once_each(fact for reader in readers for fact in reader.facts(requests, servers))

    def close(self) -> None:
        """Nothing is held open."""

    def _found(self) -> list[Path]:
        """Raises SourceError for a place without a log that may be read."""
        found: list[Path] = []
        for place in self._places:
            try:
                inside = sorted(place.rglob("*")) if place.is_dir() else [place]
                logs = [path for path in inside if path.is_file() and path.suffix not in NO_LOGS]
                for path in logs[:1]:
                    path.open("rb").close()
            except OSError as error:
                raise SourceError(f"the logs in {place} cannot be read: {error.strerror}") from error
            if not logs:
                raise SourceError(f"there is no log in {place}" if place.exists() else f"there is no {place} to read logs from")
            found += logs
        return found


class LogFile:
    """One that grows, and may be cut off or replaced meanwhile. `readers` by the name of their file or journal unit."""

    def __init__(self, path: Path, at_end: bool = False) -> None:
        self.readers: dict[str, LogReader] = {}
        self._path, self._name = path, f"{path.parent.name}/{path.name}"
        self._file = self._identity()[0]
        self._offset = self._identity()[1] if at_end else 0

    def read_on(self) -> None:
        """What has been written since, in whole lines."""
        file, size = self._identity()
        if file != self._file or size < self._offset:
            self._file, self._offset = file, 0
        if size == self._offset:
            return
        try:
            with self._path.open("rb") as log:
                head = log.read(4096)
                log.seek(self._offset)
                data = log.read()
        except OSError:
            return  # rotated away in this moment
        journal = is_journal(head)
        data = complete(data) if journal else data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        if journal:
            for entry in journal_entries(data):
                self._read_entry(entry)
        else:
            for line in data.decode(errors="replace").splitlines():
                self._reader(self._name).read(line)

    def _read_entry(self, entry: Mapping[str, str]) -> None:
        unit = entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or self._name
        stamp = entry.get("__REALTIME_TIMESTAMP", "")
        at = int(stamp) / 1_000_000 if stamp.isdecimal() else None
        for line in entry.get("MESSAGE", "").splitlines():
            self._reader(f"{unit} {entry.get('_HOSTNAME', '')}".strip()).read(line, at)

    def _reader(self, name: str) -> LogReader:
        return self.readers.setdefault(name, LogReader(name))

    def _identity(self) -> tuple[int, int]:
        """Which file it is now, and how long."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_size
