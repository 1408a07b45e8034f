"""Traces of OSProfiler: every launch is sent with a trace of its own, and its points are read where the cloud puts them."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import osprofiler.drivers  # noqa: F401 - they are found as subclasses
from osprofiler import profiler, web
from osprofiler.drivers import base

from conformance.evidence import Fact
from conformance.http import session_for
from conformance.sources import SourceError
from conformance.sources.points import facts_of

KEY = "OSPROFILER_HMAC_KEY"  # the environment's variable
PATIENCE = 5.0  # seconds in which a point is in the back end


class OsprofilerSource:
    """`where`: `connection_string` as osprofiler's drivers take it, or http(s):// (GET {it}/{base id}), and `hmac_key`.

    It is never complete: what has no decorator leaves no point, nor does a database connection to a cell.
    """

    name = "osprofiler"
    shows: frozenset[str] = frozenset()
    tells = frozenset({"http.server", "db", "driver"})

    def __init__(self, where: Mapping[str, Any], cloud: Any) -> None:
        chosen, _, key = str(where.get("where") or "").partition(";hmac=")
        self._connection = chosen or str(where.get("connection_string") or "")
        self._key = key or os.environ.get(KEY, "") or str(where.get("hmac_key") or "")
        self._cloud = cloud
        self._traces: dict[str, str] = {}  # base ids by request id
        self._lock = threading.Lock()

    def open(self) -> None:
        """Asks nova for something, traced: the trace must have points."""
        if "://" not in self._connection:
            raise SourceError("the evidence source osprofiler needs a connection string, e.g. redis://host:6379")
        if not self._key:
            raise SourceError(f"the evidence source osprofiler needs the HMAC key that the services trust: {KEY}, or ;hmac=KEY")
        headers = self.headers()
        self._cloud.member.get("compute", "/flavors", headers=headers)
        due = time.monotonic() + PATIENCE
        while not self._report(_base_id(headers)).get("children"):
            if time.monotonic() > due:
                raise SourceError(f"no point of a traced request is at {self._place}: the services do not trace, or trust another HMAC key")
            time.sleep(0.05)

    def headers(self) -> Mapping[str, str]:
        base_id = str(uuid.uuid4())
        profiler.init(self._key, base_id=base_id, parent_id=base_id)
        try:
            return dict(web.get_trace_id_headers())
        finally:
            profiler.clean()

    def sent(self, headers: Mapping[str, str], request_id: str) -> None:
        if base_id := _base_id(headers):
            with self._lock:
                self._traces[request_id] = base_id

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        servers, asked = frozenset(server_ids), frozenset(request_ids)
        found: list[Fact] = []
        for request_id in asked & self._traces.keys():
            traced = facts_of(self._report(self._traces[request_id]))
            found += [replace(fact, request_ids=frozenset({request_id}), server_ids=fact.server_ids & servers) for fact in traced]
        return found

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def _place(self) -> str:
        """The connection string without its password."""
        sent = urlsplit(self._connection)
        return f"{sent.scheme}://{sent.netloc.rpartition('@')[2]}{sent.path}"

    def _report(self, base_id: str) -> Mapping[str, Any]:
        try:
            report = self._fetched(base_id) if self._connection.startswith(("http:", "https:")) else self._read(base_id)
        except Exception as error:  # each back end has exceptions of its own
            raise SourceError(f"the traces at {self._place} cannot be read: {_reason(error)}") from error
        return report if isinstance(report, Mapping) else {}

    def _fetched(self, base_id: str) -> Any:
        with session_for(self._connection) as http:
            answer = http.get(f"{self._connection.rstrip('/')}/{base_id}", timeout=30)
            answer.raise_for_status()
            return answer.json()

    def _read(self, base_id: str) -> Any:
        """By a driver that has read nothing yet: what it has read stays in it."""
        return base.get_driver(self._connection, conf={}).get_report(base_id)


def _base_id(headers: Mapping[str, str]) -> str:
    try:
        return str(json.loads(base64.urlsafe_b64decode(headers.get(web.X_TRACE_INFO, "")))["base_id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
