"""A trace of OSProfiler as facts: what its points tell, of the services' own decorators and of whoever called them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from conformance.evidence import Fact, redact
from conformance.sources.shelf import UUID

Point = Mapping[str, Any]

PROJECTS = {"keystone": "keystone", "glance": "glance", "neutron": "neutron", "cinder": "cinder", "placement": "placement"}
NO_MESSAGES = frozenset({"get_client", "prepare_for_alt_rpcserver", "router", "client", "reset"})  # of RPC client classes
TOPICS = {"SchedulerAPI": "scheduler", "ComputeAPI": "compute", "ConductorAPI": "conductor", "ComputeTaskAPI": "conductor"}  # nova's
_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:\w+\.)?[`\"]?([a-z_][a-z0-9_]*)", re.IGNORECASE)
_COLUMN = re.compile(r"SELECT\s+(?:DISTINCT\s+)?[`\"]?([a-z_][a-z0-9_]*)[`\"]?\.", re.IGNORECASE)


def facts_of(report: Point) -> list[Fact]:
    """What a report (`get_report` of osprofiler's drivers) tells; what it holds beside points is left out."""
    return [fact for child in _children(report) for fact in _walk(child, "", "")]


def _children(point: Point) -> list[Point]:
    children = point.get("children") if isinstance(point, Mapping) else None
    return [child for child in children if isinstance(child, Mapping)] if isinstance(children, list) else []


def _walk(point: Point, cause: str, method: str) -> Iterator[Fact]:
    """`cause`, `method`: id and method of the nearest point above that is a fact, or of a message."""
    fact = _fact(point, cause, method)
    if fact is not None:
        yield fact
        cause = fact.id
        method = fact.name if fact.kind == "rpc.publish" else method
    for child in _children(point):
        yield from _walk(child, cause, method)


def _fact(point: Point, cause: str, method: str) -> Fact | None:
    info = point.get("info")
    if not isinstance(info, Mapping) or not isinstance(point.get("trace_id"), str):
        return None
    name = str(info.get("name", ""))
    begun, stopped = _raw(info, f"{name}-start"), _raw(info, f"{name}-stop")
    start, told = _seconds(begun.get("timestamp")), begun.get("info")
    if start is None or not isinstance(told, Mapping):
        return None
    seen = _event(name, told, method)
    if seen is None:
        return None
    kind, title, attributes = seen
    if problem := _problem(stopped.get("info")):
        attributes["error"] = problem
    host = str(info.get("host") or told.get("host") or "")
    return Fact(
        f"osprofiler:{point['trace_id']}", "osprofiler", kind, _actor(str(info.get("project", "")), str(info.get("service", ""))), title,
        start, _seconds(stopped.get("timestamp")), f"osprofiler {host}", cause, host,
        server_ids=frozenset(UUID.findall(json.dumps(told, default=str))), attributes=redact(attributes),
    )  # fmt: skip


def _event(name: str, told: Mapping[str, Any], method: str) -> tuple[str, str, dict[str, Any]] | None:
    """Kind, name and attributes; None for a point that is no event of a launch."""
    if name == "wsgi" and isinstance(asked := told.get("request"), Mapping):
        shown = {key: str(asked.get(key) or "") for key in ("method", "path", "query")}
        return "http.server", f"{shown['method']} {shown['path']}", shown
    if name.endswith("db") and isinstance(said := told.get("db"), Mapping):
        return _statement(str(said.get("statement", "")))
    function = told.get("function")
    words = str(function.get("name", "")).split(".") if isinstance(function, Mapping) else []
    if name == "rpc" and len(words) > 1:
        return _message(words, method)
    if name.endswith("driver") and words:
        return "driver", words[-1], {"function": ".".join(words)}
    return None


def _message(words: list[str], method: str) -> tuple[str, str, dict[str, Any]] | None:
    """A client class has sent it; a manager's method, or what is wrapped around one, has got it."""
    if words[-1] in NO_MESSAGES or words[-1].startswith("_"):
        return None
    if words[-2].endswith("API"):
        return "rpc.publish", words[-1], {"class": words[-2], "routing_key": TOPICS.get(words[-2], "")}
    if "<locals>" in words:  # the function that is wrapped around the method has the point, and not its name
        return "rpc.deliver", method, {}
    return "rpc.deliver", words[-1], {"class": words[-2]}


def _statement(sql: str) -> tuple[str, str, dict[str, Any]] | None:
    """A savepoint is no event. Where a statement is cut off, its first column names the table."""
    verb = sql.split(None, 1)[0].upper() if sql.strip() else ""
    tables = list(dict.fromkeys(_TABLE.findall(sql) or _COLUMN.findall(sql)))
    if verb not in ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE") or not tables:
        return None
    return "db", f"{verb} {tables[0]}", {"verb": verb, "tables": tables}


def _actor(project: str, service: str) -> str:
    if service in ("osapi_compute", "nova-api"):
        return "nova-api"
    return PROJECTS.get(project, service or project)


def _raw(info: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    found = info.get(f"meta.raw_payload.{what}")
    return found if isinstance(found, Mapping) else {}


def _problem(told: object) -> str:
    return str(told.get("etype") or "") if isinstance(told, Mapping) else ""


def _seconds(timestamp: object) -> float | None:
    try:
        return datetime.fromisoformat(str(timestamp)).replace(tzinfo=UTC).timestamp() if timestamp else None
    except ValueError:
        return None
