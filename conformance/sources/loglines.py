"""Lines of services' logs as facts: oslo.log's default format, and access lines of several servers."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conformance.evidence import ACTORS, Fact, redact
from conformance.sources.shelf import UUID, belongs

LONGEST = 4_000  # characters of a message that are kept: a traceback is long

FILES = (  # whose log it is, by what its file or journal unit is called; the first that fits
    (r"nova-(api|uwsgi|metadata)|\bn-api", "nova-api"), (r"nova-sched|\bn-sch", "nova-scheduler"),
    (r"nova-(super-)?cond|\bn-(super-)?cond", "nova-conductor"), (r"nova-comp|\bn-cpu", "nova-compute"),
    (r"placement", "placement"), (r"glance|\bg-api", "glance"), (r"neutron|\bq-", "neutron"), (r"cinder|\bc-(api|vol|sch|bak)", "cinder"),
    (r"keystone", "keystone"),
)  # fmt: skip
LOGGERS = (
    (r"nova\.api", "nova-api"), (r"nova\.(scheduler\.manager|filters|scheduler\.host_manager)", "nova-scheduler"),
    (r"nova\.conductor", "nova-conductor"), (r"nova\.(compute|virt)", "nova-compute"),
    (r"(placement|glance|neutron|cinder|keystone)\b", ""),
)  # fmt: skip

_OSLO = re.compile(
    r"(?:(?P<at>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3,6}) )?(?:\d+ )?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL|TRACE|AUDIT) "
    r"(?P<logger>[\w.-]+) (?:\[(?!instance:)(?P<context>[^\]]*)\] )?(?:\[instance: (?P<instance>[0-9a-f-]{36})\] ?)?(?P<message>.*)"
)
_METHOD = r"(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE)"
_ACCESS = re.compile(rf'"?\b{_METHOD} (?P<url>/\S*?)(?: HTTP/[\d.]+)?"? (?:status: )?(?P<status>[1-5]\d\d)\b')
_UWSGI = re.compile(rf"\b{_METHOD} (?P<url>/\S*) => generated \d+ bytes in (?P<ms>\d+) msecs \(HTTP/[\d.]+ (?P<status>[1-5]\d\d)\)")
_BEGUN = re.compile(rf"{_METHOD} https?://[^/\s]+(?P<url>/\S*)$")  # cinder's and keystone's word when they begin
_RETURNED = re.compile(r"https?://[^/\s]+(?P<url>/\S*) returned with HTTP (?P<status>[1-5]\d\d)")
_TOOK = re.compile(r"time: (?P<seconds>[\d.]+)|\b(?P<ms>\d+) ?ms(?:ecs)?\b|[1-5]\d\d \d+ (?P<last>\d+\.\d+)$")
_DATE = re.compile(r"\[?(?P<date>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)")
_AGENT = re.compile(r'ua="([\w-]+)')
_REQUEST = re.compile(r"\breq-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


BEST, COARSE, BEGUN_ONLY = 0, 1, 2  # a service's own access line; one in whole seconds; one that says only that a request came


@dataclass
class Line:
    """`at` is seconds on the writer's own clock."""

    at: float
    message: str
    logger: str = ""
    request_ids: tuple[str, ...] = ()  # the global one first, where there are two
    user_id: str = ""
    project_id: str = ""
    bare: bool = False  # it has no context: a traceback's lines have none
    method: str = ""  # of an access line, as all that follows
    url: str = ""
    status: int | None = None
    took: float | None = None  # seconds
    caller: str = ""
    worth: int = BEST
    number: int = 0
    uuids: frozenset[str] = frozenset()


class LogReader:
    """Reads one file or journal unit, and keeps its last lines. One that begins nothing belongs to the line before."""

    def __init__(self, name: str, kept: int = 200_000) -> None:
        self.name = name
        self._lines: deque[Line] = deque(maxlen=kept)
        self._begun: dict[tuple[str, str], Line] = {}  # requests without an end so far, by id and URL
        self._numbers = itertools.count(1)

    def read(self, text: str, at: float | None = None) -> None:
        """`at`: the journal's own time, for lines without one."""
        text = _COLOUR.sub("", text).rstrip()
        line = _oslo(text, at) or _access(text)
        last = self._lines[-1] if self._lines else None
        if line is None or (last and line.bare and (line.logger, line.at) == (last.logger, last.at)):
            if last and text:
                last.message = f"{last.message}\n{line.message if line else text}"[:LONGEST]
        elif not self._ended(line):
            line.number, line.uuids = next(self._numbers), frozenset(UUID.findall(text))
            self._lines.append(line)

    def _ended(self, line: Line) -> bool:
        """Whether it says how a request ended that another line began: then that one is told."""
        own = line.request_ids[-1] if line.request_ids else ""
        if line.worth == BEGUN_ONLY:
            self._begun[own, line.url] = line
        found = _RETURNED.match(line.message)
        before = self._begun.pop((own, found["url"]), None) if found else None
        if found is None or before is None:
            return False
        before.status, before.took, before.worth = int(found["status"]), line.at - before.at, BEST
        before.user_id, before.project_id = line.user_id, line.project_id
        return True

    def facts(self, request_ids: frozenset[str], server_ids: frozenset[str]) -> Iterator[Fact]:
        """What belongs to them."""
        for line in self._lines:
            named = not request_ids.isdisjoint(line.request_ids) or not server_ids.isdisjoint(line.uuids)
            if named and belongs(line.request_ids, request_ids):
                yield _fact(line, self.name, server_ids & line.uuids)


def _oslo(text: str, at: float | None) -> Line | None:
    found = _OSLO.match(text)
    when = _seconds(found["at"]) if found and found["at"] else at
    if found is None or when is None:
        return None
    words = (found["context"] or "").split()
    ids = tuple(word for word in words[:2] if word.startswith("req-"))
    user, project = (words[2:4] if len(words) > 3 and words[1].startswith("req-") else words[1:3] if ids else ()) or ("", "")
    line = Line(when, found["message"], found["logger"], ids, user.strip("-"), project.strip("-"), found["context"] is None)
    if access := _ACCESS.search(line.message):
        _served(line, access, BEST)
    elif began := _BEGUN.match(line.message):
        line.method, line.url, line.worth = began["method"], began["url"], BEGUN_ONLY
    return line


def _access(text: str) -> Line | None:
    """A line of a web server in front of a service. Its time is the request's beginning, in whole seconds."""
    found, date = _ACCESS.search(text) or _UWSGI.search(text), _DATE.search(text)
    at = _seconds(date["date"], datetime.strptime, "%d/%b/%Y:%H:%M:%S") if date else None
    if found is None or at is None:
        return None
    ids = tuple(dict.fromkeys(reversed(_REQUEST.findall(text))))
    agent = _AGENT.search(text)
    line = Line(at, text, "", ids, caller=agent[1] if agent and agent[1] in ACTORS else "")
    _served(line, found, COARSE)
    return line


def _served(line: Line, found: re.Match[str], worth: int) -> None:
    took = _TOOK.search(line.message, found.start())
    line.method, line.url, line.status, line.worth = found["method"], found["url"], int(found["status"]), worth
    if took:
        line.took = float(took["ms"]) / 1000 if took["ms"] else float(took["seconds"] or took["last"])
        line.at -= line.took if worth == BEST else 0.0


def _fact(line: Line, name: str, servers: frozenset[str]) -> Fact:
    known: dict[str, Any] = {"user_id": line.user_id, "project_id": line.project_id}
    end = None if line.took is None else line.at + line.took
    if line.method:
        path, _, query = line.url.partition("?")
        known |= {"method": line.method, "path": path, "query": query, "status": line.status, "worth": line.worth}
        kind, title = "http.server", f"{line.method} {path}"
        known |= {"caller": line.caller} if line.caller else {}
    else:
        kind, title = "log", line.logger
        known |= {"message": redact(line.message)}
        end = line.at
    return Fact(
        f"logs:{name}:{line.number}", "logs", kind, actor_of(name, line.logger), title, line.at, end, f"logs {name}",
        request_ids=frozenset(line.request_ids), server_ids=servers, attributes=known,
    )  # fmt: skip


def actor_of(name: str, logger: str) -> str:
    """The file's name tells; a logger does only where that says nothing: services use each other's modules."""
    for text in (name.rpartition("/")[2], name):
        for pattern, actor in FILES:
            if re.search(pattern, text):
                return actor
    for pattern, actor in LOGGERS:
        if found := re.match(pattern, logger):
            return actor or found[1]
    return logger.partition(".")[0]


def once_each(facts: Iterable[Fact]) -> list[Fact]:
    """A request that several logs tell of is told by the best of them."""
    found = list(facts)
    best: dict[tuple[object, ...], int] = {}
    for fact in found:
        if fact.kind == "http.server":
            best[_request(fact)] = min(best.get(_request(fact), BEGUN_ONLY), fact.get("worth"))
    return [fact for fact in found if fact.kind != "http.server" or fact.get("worth") == best[_request(fact)]]


def _request(fact: Fact) -> tuple[object, ...]:
    """Which request it was: without an id each is another."""
    return fact.actor, fact.name, fact.get("query"), fact.request_ids or fact.id


def _seconds(text: str, parse: Callable[..., datetime] = datetime.fromisoformat, *form: str) -> float | None:
    """As if the writer lived in UTC: its clock is compared with no other."""
    try:
        return parse(text.replace(",", "."), *form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
