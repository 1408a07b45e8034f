"""Facts that a cloud records at its own seams, and serves as NDJSON: the mock cloud does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from conformance.evidence import Fact
from conformance.http import session_for
from conformance.sources import SourceError

ACTORS = {"nova": "nova-api", "cinder-volume": "cinder", "cinder-scheduler": "cinder"}
KINDS = frozenset({"http.client", "http.server", "rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer", "db", "driver", "notification"})
LOGIN = "POST /v3/auth/tokens"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class FactsSource:
    """`where["url"]` answers GET with `request_id` and `after`."""

    name = "facts"
    tells: frozenset[str] = frozenset()

    def __init__(self, where: Mapping[str, Any], cloud: Any) -> None:
        self._url = str(where.get("where") or where.get("url") or "")
        self._http = session_for(self._url)
        self.shows = KINDS
        self._after = 0

    def open(self) -> None:
        if not self._url:
            raise SourceError("the evidence source facts needs a URL")
        for line in self._lines({"kind": "http.server", "name": LOGIN}):
            self._after = max(self._after, line["id"])

    def headers(self) -> Mapping[str, str]:
        return {}

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        found: dict[int, dict[str, Any]] = {}
        for request_id in request_ids:
            for line in self._lines({"request_id": request_id}):
                found[line["id"]] = line
        return [*(self._fact(line, frozenset(server_ids)) for line in found.values()), *self._logins()]

    def _logins(self) -> list[Fact]:
        """Answers of keystone that issued a token: they belong to no request of nova."""
        lines = self._lines({"after": self._after, "kind": "http.server", "name": LOGIN})
        return [self._fact(line, frozenset()) for line in lines if line["name"] == LOGIN]

    def close(self) -> None:
        self._http.close()

    def _lines(self, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            answer = self._http.get(self._url, params=query, timeout=30)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise SourceError(f"the facts at {self._url} cannot be read: {type(error).__name__}") from error
        for text in answer.text.splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("kind"), str) and isinstance(line.get("id"), int):
                yield line  # of whatever kind: one that no rule knows may stand between two that are cause and effect

    def _fact(self, line: Mapping[str, Any], servers: frozenset[str]) -> Fact:
        attributes = dict(line.get("attributes") or {})
        attributes |= attributes.pop("context", {})  # whose message it is
        if line["kind"] == "http.client" and "path" not in attributes:
            attributes["path"] = urlsplit(str(attributes.get("url", ""))).path
        service = str(line.get("service", ""))
        return Fact(
            f"facts:{line['id']}", self.name, line["kind"], ACTORS.get(service, service), str(line.get("name", "")),
            float(line.get("start") or 0.0), line.get("end"), "facts", f"facts:{line['parent']}" if line.get("parent") else "",
            str(line.get("host", "")), frozenset({line.get("request_id", ""), line.get("global_request_id", "")} - {""}),
            servers & set(UUID.findall(json.dumps(attributes, default=str))), attributes,
        )  # fmt: skip
