"""The plain OpenAPI 3.1 document of a service at one microversion: for validators, fuzzers, Swagger and export."""

from __future__ import annotations

from typing import Any

from specs.load import METHODS, document
from specs.project import ABSENT, ANNOTATIONS, Version, known, parse_version, project, text_version

REQUEST_ID = {"description": "The id of this request", "schema": {"type": "string", "pattern": "^req-"}}


def at(service: str, version: str | Version | None = None) -> dict[str, Any]:
    """`version` None: the newest. The result holds no annotation but `x-declined`."""
    doc = document(service)
    micro = doc["x-service"].get("microversion")
    wanted = None
    if micro:
        wanted = parse_version(version) if isinstance(version, str) else version or parse_version(micro["max"])
        if not parse_version(micro["min"]) <= wanted <= parse_version(micro["max"]):
            raise ValueError(f"{service} knows microversions {micro['min']} to {micro['max']}, not {text_version(wanted)}")
    components = {
        kind: {name: made for name, node in named.items() if (made := project(node, wanted)) is not ABSENT}
        for kind, named in doc["components"].items()
    }
    components.setdefault("securitySchemes", {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}})
    info = dict(doc["info"])
    if wanted:
        info["version"] = text_version(wanted)
    return {
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": doc["x-service"].get("mount", "") or "/"}],
        "security": [{"token": []}],
        "paths": _paths(doc, wanted),
        "components": components,
    }


def _paths(doc: dict[str, Any], version: Version | None) -> dict[str, Any]:
    paths = {}
    for path, item in doc["paths"].items():
        kept = {method: made for method in METHODS if method in item and (made := _operation(doc, path, method, item[method], version))}
        if kept:
            paths[path] = kept
    return paths


def _operation(doc: dict[str, Any], path: str, method: str, source: dict[str, Any], version: Version | None) -> dict[str, Any] | None:
    if not known(source.get("x-openstack"), version):
        return None
    if "x-actions" in source:
        actions = _action_operation(doc, path, source, version)
        if actions is None:
            return None
        source = actions
    made: dict[str, Any] = project({k: v for k, v in source.items() if not _private(k)}, version)
    made["responses"] = {status: r for status, r in made["responses"].items() if r is not ABSENT}
    made["parameters"] = [p for p in made.get("parameters", ()) if _exists(doc, p, version)]
    headers = _headers(doc)
    for response in made["responses"].values():
        response["headers"] = {**headers, **response.get("headers", {})}
    if not made.get("parameters"):
        made.pop("parameters", None)
    if source.get("x-public"):
        made["security"] = []
    return made


def _exists(doc: dict[str, Any], parameter: dict[str, Any], version: Version | None) -> bool:
    """Whether the version has the named parameter that is referred to."""
    return project(parameter, version, doc["components"]) is not ABSENT


def _private(key: str) -> bool:
    return key.startswith("x-") and key not in ("x-declined", *ANNOTATIONS)


def _headers(doc: dict[str, Any]) -> dict[str, Any]:
    headers: dict[str, Any] = {"x-openstack-request-id": REQUEST_ID}
    if "microversion" in doc["x-service"]:
        headers["OpenStack-API-Version"] = {"description": "The version that answered", "schema": {"type": "string"}}
        headers["Vary"] = {"description": "What the answer depends on", "schema": {"type": "string"}}
    return headers


def _action_operation(doc: dict[str, Any], path: str, source: dict[str, Any], version: Version | None) -> dict[str, Any] | None:
    """The actions of a path as one standard operation: a body of exactly one known key."""
    branches: list[dict[str, Any]] = []
    responses: dict[str, Any] = {}
    for key, action in source["x-actions"].items():
        bounds = {**action.get("x-openstack", {}), **{k: action[k] for k in ("since", "until") if k in action}}
        if not known(bounds, version):
            continue
        branches.append(
            {
                "title": action["operationId"],
                "type": "object",
                "required": [key],
                "additionalProperties": False,
                "properties": {key: action["schema"]},
            }
        )
        for status, response in action["responses"].items():
            if known(response.get("x-openstack"), version):
                responses.setdefault(status, response)
    if not branches:
        return None
    return {
        "operationId": source.get("operationId") or path.strip("/").replace("/", "_").replace("{", "").replace("}", ""),
        "summary": source.get("summary", "Perform an action"),
        "parameters": source["parameters"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": branches}}}},
        "responses": responses,
    }
