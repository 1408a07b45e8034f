"""One operation of a document: what the binding asks of it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Any

from specs.load import METHODS, Document, document
from specs.project import ABSENT, Version, known, project, pruner

JSON_MEDIA = "application/json"


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """A documented answer: `schema` is None without a JSON body; `cuts` is what the version drops from a full body."""

    schema: dict[str, Any] | None
    cuts: dict[str, Any]
    media: str | None


@dataclass(frozen=True, eq=False)
class Operation:
    """`source` is the OpenAPI operation object, or for an action (`action` is its key) the entry under `x-actions`."""

    service: str
    id: str
    method: str
    path: str
    source: dict[str, Any]
    parameters: list[dict[str, Any]]
    doc: Document = field(repr=False)
    action: str | None = None

    @property
    def summary(self) -> str:
        return str(self.source.get("summary", ""))

    @functools.cached_property
    def policy(self) -> str | None:
        return self.source.get("x-policy")

    @functools.cached_property
    def public(self) -> bool:
        return bool(self.source.get("x-public"))

    @functools.cached_property
    def declined(self) -> str | None:
        return self.source.get("x-declined")

    @functools.cached_property
    def gone(self) -> bool:
        """The real service still has the path, and nothing behind it."""
        return bool(self.source.get("x-gone"))

    @functools.cached_property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))

    def served_at(self, version: Version | None) -> bool:
        return known(self._bounds, version)

    @functools.cached_property
    def _bounds(self) -> dict[str, Any]:
        return {**self.source.get("x-openstack", {}), **{key: self.source[key] for key in ("since", "until") if key in self.source}}

    @functools.cached_property
    def request_media(self) -> tuple[str, ...]:
        return tuple(self.source.get("requestBody", {}).get("content", {}))

    @functools.cached_property
    def takes_stream(self) -> bool:
        """The body is not JSON: the coroutine reads it itself."""
        return bool(self.request_media) and not any("json" in media for media in self.request_media)

    def request_schema(self, version: Version | None) -> dict[str, Any] | None:
        """The JSON body's schema, references written in place; for an action that of the value under its key."""
        if self.action is not None:
            return self._schema(self.source["schema"], version)
        for media, content in self.source.get("requestBody", {}).get("content", {}).items():
            if "json" in media and "schema" in content:
                return self._schema(content["schema"], version)
        return None

    @functools.cached_property
    def body_required(self) -> bool:
        return bool(self.source.get("requestBody", {}).get("required"))

    @functools.cached_property
    def checks_body(self) -> bool:
        """The coroutine judges the body itself: the real service has sentences of its own for what is wrong with it."""
        return bool(self.source.get("x-checks-body"))

    def query_schema(self, version: Version | None) -> dict[str, Any]:
        """An object schema over the query parameters; `additionalProperties` says if others are refused."""
        properties, required = {}, []
        for parameter in self.parameters:
            made = project(parameter, version, self.doc["components"])
            if made is ABSENT or made["in"] != "query":
                continue
            properties[made["name"]] = made.get("schema", {})
            if made.get("required"):
                required.append(made["name"])
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": not self._closed_query(version),
        }

    def path_schema(self, version: Version | None) -> dict[str, Any]:
        made = [project(p, version, self.doc["components"]) for p in self.parameters]
        return {p["name"]: p.get("schema", {}) for p in made if p is not ABSENT and p["in"] == "path"}

    def _closed_query(self, version: Version | None) -> bool:
        rule = self.source.get("x-query")
        if rule is None:  # the real services check the queries of what reads, and ignore those of what writes
            rule = self.doc["x-service"].get("query", "open") if self.method == "get" else "open"
        if isinstance(rule, dict):
            return known({"since": rule["closed_since"]}, version)
        return bool(rule == "closed")

    def responses(self, version: Version | None) -> dict[int, ResponseSpec]:
        """By status, errors included."""
        made = {}
        for status, response in self.source["responses"].items():
            if not known(response.get("x-openstack"), version):
                continue
            content = response.get("content", {})
            media = next(iter(content), None)
            schema = content.get(media, {}).get("schema") if media == JSON_MEDIA or (media and "json" in media) else None
            wanted = schema is not None and int(status) < 400
            made[int(status)] = ResponseSpec(
                self._schema(schema, version) if wanted else None,
                pruner(schema, version, self.doc["components"]) if wanted else {},
                media,
            )
        return made

    def _schema(self, schema: Any, version: Version | None) -> dict[str, Any] | None:
        made = project(schema, version, self.doc["components"])
        return None if made is ABSENT else made


@functools.cache
def operations(service: str) -> tuple[Operation, ...]:
    """Every operation of a service's document; an action of an `/action` path is an operation of its own."""
    doc, made = document(service), []
    for path, item in doc["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            source = item[method]
            if "x-actions" in source:
                for key, action in source["x-actions"].items():
                    made.append(Operation(service, action["operationId"], method, path, action, source["parameters"], doc, key))
            else:
                made.append(Operation(service, source["operationId"], method, path, source, source["parameters"], doc))
    return tuple(made)
