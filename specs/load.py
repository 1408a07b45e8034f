"""Reads a service's source files, merges them and writes out their short forms."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

SERVICES = ("keystone", "nova", "glance", "neutron", "cinder", "placement")
ROOT = Path(__file__).parent / "openapi"
FORMAT = 6  # of the cache: raise it when what `_merge` makes changes
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

Document = dict[str, Any]


class SpecError(ValueError):
    """A source document that cannot be read as written."""


@functools.cache
def document(service: str) -> Document:
    """The merged document of a service, annotations included. Parsed once, then kept as JSON in the user's cache."""
    files = sorted((ROOT / service).glob("*.yaml"))
    if not files:
        raise SpecError(f"no documents for service {service!r}: choose one of {', '.join(SERVICES)}")
    kept = _cache_file(service, files)
    if kept is not None and kept.exists():
        try:
            return json.loads(kept.read_text())  # type: ignore[no-any-return]
        except ValueError:
            kept.unlink(missing_ok=True)
    merged = _merge(service, files)
    if kept is not None:
        _keep(kept, merged)
    return merged


def _cache_file(service: str, files: list[Path]) -> Path | None:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    stamp = repr([FORMAT, *((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)])
    folder = base / "mockcloud"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / f"{service}-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.json"


def _keep(file: Path, merged: Document) -> None:
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as temporary:
            json.dump(merged, temporary)
        Path(temporary.name).replace(file)
    except OSError:
        return  # a cache that cannot be written only costs time


def _merge(service: str, files: list[Path]) -> Document:
    merged: Document = {"openapi": "3.1.0", "info": {}, "paths": {}, "components": {}}
    for file in files:
        try:
            part = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        except yaml.YAMLError as error:
            raise SpecError(f"{file.name} of {service}: {error}") from error
        for path, item in (part.pop("paths", None) or {}).items():
            if path in merged["paths"]:
                raise SpecError(f"{service}: path {path} stands in two files")
            merged["paths"][path] = item
        for kind, named in (part.pop("components", None) or {}).items():
            known = merged["components"].setdefault(kind, {})
            if twice := set(known) & set(named or {}):
                raise SpecError(f"{service}: {kind} {', '.join(sorted(twice))} stand in two files")
            known.update(named or {})
        merged.update(part)
    if "x-service" not in merged:
        raise SpecError(f"{service}: service.yaml lacks x-service")
    for path, item in merged["paths"].items():
        for method in METHODS:
            if method in item:
                try:
                    _write_out(merged, path, item[method])
                except (KeyError, TypeError, AttributeError) as error:
                    raise SpecError(f"{service} {method} {path}: {type(error).__name__} {error}") from error
    return merged


def _write_out(doc: Document, path: str, operation: dict[str, Any]) -> None:
    """Short forms -> standard OpenAPI objects (annotations stay)."""
    declared = doc["components"].get("parameters", {})
    parameters = [_parameter(p) for p in operation.get("parameters") or []]
    named = {_name_of(p, declared) for p in parameters if _is_path(p, declared)}
    for name in re.findall(r"{(\w+)}", path):
        if name not in named:
            own = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            shared = declared.get(name, {}).get("in") == "path"
            parameters.append(_parameter(name) if shared else own)
    operation["parameters"] = parameters
    for action in (operation.get("x-actions") or {}).values():
        action["responses"] = _responses(doc, path, action)
        action["schema"] = _schema(action.get("schema", {"type": ["object", "null"]}))
    if "x-actions" in operation:
        operation.setdefault("responses", {})
    else:
        operation["responses"] = _responses(doc, path, operation)
    if isinstance(body := operation.get("requestBody"), str):
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(body)}}}


def _parameter(short: Any) -> Any:
    return {"$ref": f"#/components/parameters/{short}"} if isinstance(short, str) else short


def _is_path(parameter: dict[str, Any], declared: dict[str, Any]) -> bool:
    if "$ref" in parameter:
        parameter = declared[parameter["$ref"].rsplit("/", 1)[1]]
    return bool(parameter["in"] == "path")


def _name_of(parameter: dict[str, Any], declared: dict[str, Any]) -> str:
    if "$ref" in parameter:
        parameter = declared[parameter["$ref"].rsplit("/", 1)[1]]
    return str(parameter["name"])


def _schema(short: Any) -> Any:
    return {"$ref": f"#/components/schemas/{short}"} if isinstance(short, str) else short


def _responses(doc: Document, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    responses = {str(status): _response(short) for status, short in (operation.get("responses") or {}).items()}
    for status in sorted(_errors(doc, path, operation)):
        responses.setdefault(str(status), _error(doc, status))
    return responses


def _response(short: Any) -> dict[str, Any]:
    if isinstance(short, dict) and ("content" in short or "$ref" in short):
        return short
    said: dict[str, Any] = {"schema": short} if isinstance(short, str) else dict(short or {})
    response: dict[str, Any] = {"description": said.get("description", "Done")}
    if "schema" in said or "media" in said:
        schema = _schema(said["schema"]) if "schema" in said else {}
        response["content"] = {said.get("media", "application/json"): {"schema": schema} if schema else {}}
    if "headers" in said:
        response["headers"] = {n: {"description": d, "schema": {"type": "string"}} for n, d in said["headers"].items()}
    if "since" in said or "until" in said:
        response["x-openstack"] = {k: said[k] for k in ("since", "until") if k in said}
    return response


def _errors(doc: Document, path: str, operation: dict[str, Any]) -> set[int]:
    """What the document says, and what the binding itself answers."""
    errors = {int(status) for status in operation.get("x-errors") or ()}
    if not operation.get("x-public"):
        errors |= {401, 503}
    if "microversion" in doc["x-service"]:
        errors |= {400, 404, 406}
    if operation.get("requestBody") or operation.get("parameters") or "{" in path or "schema" in operation:
        errors.add(400)
    if operation.get("x-policy"):
        errors.add(403)
    if "{" in path:
        errors.add(404)
    if operation.get("x-gone"):
        errors.add(410)
    if operation.get("x-declined"):
        errors.add(501)
    return errors


REASONS = {
    300: "Multiple Choices", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Over Limit",
    415: "Unsupported Media Type", 416: "Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip


def _error(doc: Document, status: int) -> dict[str, Any]:
    media = doc["x-service"].get("error_media", "application/json")
    schema = "Error" if "Error" in doc["components"].get("schemas", {}) else None
    if status == 401 and doc["x-service"]["name"] != "keystone":
        media, schema = "application/json", None
    content = {"schema": _schema(schema)} if schema else {"schema": {"type": "object"}} if media == "application/json" else {}
    return {"description": REASONS.get(status, "Error"), "content": {media: content}}
