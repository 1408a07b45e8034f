"""Every operation of every document meets nonsense: it is refused in the service's own words, and nothing breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest

import specs
from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client

PLACES = ["00000000-0000-4000-8000-000000000000", "no-such-thing", "x" * 300, "ünï códe %00", "-1", "99999999999999999999"]
QUERIES = [
    "limit=-1&marker=nothing",
    "limit=many&sort_key=;drop&sort_dir=up",
    "limit=99999999999999999999&changes-since=yesterday",
    "%FF=%00&fields=",
]
VALUES: list[Any] = [None, [], {}, "", "x" * 70_000, -1, 10**30, True, [None], {"id": None}, [{"": [[]]}], "\u0000", "2026-02-30T25:61:61Z"]
NOT_JSON = [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"text"', b"1e999", b"[" * 5_000]


def requests(operation: specs.Operation) -> Iterator[tuple[str, bytes, str]]:
    """(path with query, body, content type), each wrong in its own way."""
    for number, place in enumerate(PLACES):
        path = operation.path
        for name in operation.path_parameters:
            path = path.replace(f"{{{name}}}", quote(place))
        if operation.method == "get":
            yield from ((f"{path}?{query}", b"", "application/json") for query in QUERIES)
        elif operation.method in ("post", "put", "patch"):
            media = next(iter(operation.request_media), "application/json")
            yield path, b"a=b", "text/plain"
            if number == 0:
                yield from ((path, body, media) for body in bodies(operation))
        else:
            yield path, b"", "application/json"
        if not operation.path_parameters:
            return


def bodies(operation: specs.Operation) -> Iterator[bytes]:
    yield from NOT_JSON
    schema = operation.request_schema(version_of(operation.service)) or {}
    properties = schema.get("properties", {})
    keys = [operation.action] if operation.action else list(properties)
    inner = schema if operation.action else next(iter(properties.values()), {})
    fields = list(inner.get("properties", {})) if isinstance(inner, dict) else []
    for value in VALUES:
        yield json.dumps(dict.fromkeys(keys, value) or value).encode()
        for key in keys[:1]:
            yield json.dumps({key: dict.fromkeys(fields, value)}).encode()


def newest(service: str) -> str | None:
    micro = specs.document(service)["x-service"].get("microversion")
    return micro["max"] if micro else None


def version_of(service: str) -> specs.Version | None:
    version = newest(service)
    return specs.parse_version(version) if version else None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ["admin", "member"])
@pytest.mark.parametrize("service", specs.SERVICES)
async def test_nonsense_is_refused_in_the_services_own_words(cloud: Cloud, service: str, who: str) -> None:
    caller = client(cloud, who)
    await caller.login()
    token, wrong = caller.token, []
    for operation in specs.operations(service):
        if destroys_the_caller(operation):
            continue
        for path, body, media in requests(operation):
            answer = await sent(caller, operation, path, body, media)
            if problem := complaint(operation, answer):
                wrong.append(f"{operation.id} {operation.method.upper()} {path[:120]} {body[:80]!r}: {answer.status} {problem}")
    assert not wrong, "\n".join(wrong)
    assert cloud.violations == []
    caller.token = token
    answer = await caller.get("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status == 200, "the caller's own token has suffered"


def destroys_the_caller(operation: specs.Operation) -> bool:
    """The token of the test is its own subject here."""
    return operation.path == "/v3/auth/tokens" and operation.method in ("get", "head", "delete")


async def sent(caller: Client, operation: specs.Operation, path: str, body: bytes, media: str) -> Response:
    version = newest(operation.service)
    return await caller.request(
        operation.service, operation.method.upper(), path, content=body, headers={"Content-Type": media}, version=version
    )


def complaint(operation: specs.Operation, answer: Response) -> str:
    if answer.status < 400:
        return ""  # not all nonsense is wrong: an unknown filter finds nothing
    if answer.status >= 500 and not (answer.status == 501 and operation.declined):
        return answer.content[:300].decode(errors="replace")
    documented = operation.responses(version_of(operation.service))
    if answer.status not in documented and answer.status not in (404, 405, 413, 415):
        return "is not documented"
    return badly_worded(operation, answer)


def badly_worded(operation: specs.Operation, answer: Response) -> str:
    if answer.status == 413:
        return "" if b"Request is too large." in answer.content else "is not the size limiter's"
    schema = specs.document(operation.service)["components"]["schemas"].get("Error")
    if operation.method == "head" or schema is None or "json" not in answer.headers.get("content-type", ""):
        return "" if operation.method == "head" or answer.content else "has no body"
    validator = jsonschema.Draft202012Validator(schema)
    error = next(validator.iter_errors(answer.json()), None)
    return "" if error is None else f"is worded {answer.content[:200]!r}"
