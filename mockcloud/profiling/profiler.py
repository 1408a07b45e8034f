"""Writes the points of traced requests through the osprofiler library, out of the facts that the seams record."""

from __future__ import annotations

import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from mockcloud.profiling import points
from mockcloud.profiling.drivers import Drivers
from mockcloud.trace import Fact

LOG = logging.getLogger(__name__)
Json = dict[str, Any]


class Profiler:
    """Told of facts that begin and end. The back end is written to in a thread of its own: it may be slow, or away."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._writing = ThreadPoolExecutor(1, "osprofiler")
        self._open: dict[str, Fact] = {}  # calls without an answer so far, by the id of the call
        self._failed = False

    def point(self, fact: Fact) -> str:
        """The id of the point that a fact of a traced request becomes; empty for none."""
        return str(uuid.uuid4()) if points.named(fact) else ""

    def begun(self, fact: Fact) -> None:
        if fact.point:
            self._write(fact, "start", fact.start)

    def ended(self, fact: Fact) -> None:
        """A call's point ends with its answer, any other with its fact."""
        if fact.trace is None:
            return
        call = fact.attributes.get("msg_id") or ""
        if fact.kind == "rpc.answer" and (asked := self._open.pop(call, None)):
            self._write(asked, "stop", fact.end or 0.0)
        elif fact.point:
            if fact.kind == "rpc.publish" and call:
                self._open[call] = fact
            else:
                self._write(fact, "stop", fact.end or 0.0)

    def report(self, base_id: str) -> Json:
        """All points of a trace as a tree, in the form of osprofiler's own reports."""
        self._writing.submit(lambda: None).result()
        return self._drivers.reader().get_report(base_id)

    def close(self) -> None:
        self._writing.shutdown()

    def _write(self, fact: Fact, what: str, at: float) -> None:
        project, service, host = points.source(fact)
        assert fact.trace is not None
        info: Json = {"host": host}
        if what == "start":
            info = points.told(fact) | info
        elif "error" in fact.attributes:
            info |= {"etype": fact.attributes["error"], "message": ""}
        point = {
            "name": f"{points.named(fact)}-{what}",
            "base_id": fact.trace.base_id,
            "trace_id": fact.point,
            "parent_id": fact.trace.parent_id,
            "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "info": info,
        }
        self._writing.submit(self._send, point, project, service)

    def _send(self, point: Json, project: str, service: str) -> None:
        try:
            self._drivers.writer(project, service).notify(point)
        except Exception as error:
            if not self._failed:
                LOG.error("points of traces are lost: %s", error)
            self._failed = True
