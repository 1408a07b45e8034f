"""What a reader of the documents may rely on, checked: run by `make check`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from specs.load import SpecError, document
from specs.operation import Operation, operations
from specs.project import ABSENT, Version, parse_version, project
from specs.standard import at

OPERATION_ID = re.compile(r"^[a-z]+(_[a-z0-9]+)+$")
REF = re.compile(r"^#/components/(\w+)/(\w+)$")


def lint(service: str) -> list[str]:
    """Sentences about what is wrong; empty when nothing is."""
    try:
        document(service)
        found = operations(service)
    except SpecError as error:
        return [str(error)]
    problems = [*_references(service), *_names(service, found)]
    if not problems:
        problems = [*_bodies(found), *_standard(service)]
    return [f"{service}: {problem}" for problem in problems]


def _references(service: str) -> Iterator[str]:
    doc = document(service)

    def walk(node: Any, place: str) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                match = REF.match(ref)
                if not match or match[2] not in doc["components"].get(match[1], {}):
                    yield f"{place} refers to {ref}, which is not there"
            for key, value in node.items():
                yield from walk(value, f"{place}/{key}")
        elif isinstance(node, list):
            for item in node:
                yield from walk(item, place)

    yield from walk(doc, "")


def _names(service: str, found: tuple[Operation, ...]) -> Iterator[str]:
    for name, count in Counter(operation.id for operation in found).items():
        if count > 1:
            yield f"operationId {name} stands {count} times"
        if not OPERATION_ID.match(name):
            yield f"operationId {name} is not verb_noun"
    for operation in found:
        place = f"{operation.method} {operation.path} ({operation.id})"
        if not operation.summary:
            yield f"{place} has no summary"
        if not any(status < 400 for status in operation.responses(None)) and not operation.declined and not operation.gone:
            yield f"{place} has no successful response"


def _bodies(found: tuple[Operation, ...]) -> Iterator[str]:
    for operation in found:
        for status, response in operation.source["responses"].items():
            if int(status) < 400:
                for content in response.get("content", {}).values():
                    if "schema" in content and project(content["schema"], None, operation.doc["components"]) is ABSENT:
                        yield f"{operation.id}: response {status} has no schema at the newest version"


def _versions(service: str) -> list[Version | None]:
    micro = document(service)["x-service"].get("microversion")
    if not micro:
        return [None]
    low, high = parse_version(micro["min"]), parse_version(micro["max"])
    middle = (low[0], (low[1] + high[1]) // 2)
    return [low, middle, high]


def _standard(service: str) -> Iterator[str]:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    for version in _versions(service):
        for error in OpenAPIV31SpecValidator(at(service, version)).iter_errors():
            where = "/".join(str(part) for part in error.absolute_path)
            yield f"at {version}: {where}: {error.message[:200]}"
