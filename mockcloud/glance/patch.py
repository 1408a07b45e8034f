"""Glance's two dialects of JSON patch: what a request asks for, and what becomes of the record. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mockcloud.db.engine import Row
from mockcloud.glance.record import is_reserved, read_only, reserved
from mockcloud.http.errors import BadRequest, Conflict, Forbidden
from mockcloud.http.validation import Invalid, checker
from mockcloud.http.wording import invalid_body
from specs import document

READ_ONLY = frozenset(
    ("created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "id",
     "os_hash_algo", "os_hash_value")
)  # fmt: skip
BASE = frozenset(
    ("name", "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram", "owner", "tags")
)
FORMATS = ("container_format", "disk_format")
OPERATIONS = ("add", "remove", "replace")
DRAFT4 = "application/openstack-images-v2.0-json-patch"


@dataclass(frozen=True, slots=True)
class Change:
    op: str
    name: str
    value: Any = None
    strict_add: bool = False  # draft 4: what is there cannot be added


def read_changes(operations: Any, media: str) -> list[Change]:
    """The changes that a body asks for, each valid by itself."""
    if not isinstance(operations, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    return [_change(operation, draft4=media == DRAFT4) for operation in operations]


def _change(operation: Any, draft4: bool) -> Change:
    if not isinstance(operation, dict):
        raise BadRequest("Operations must be JSON objects.")
    op, pointer = _draft4(operation) if draft4 else _draft10(operation)
    path = _decode(pointer)
    if len(path) != (2 if path[0] == "locations" and op != "replace" else 1):
        raise BadRequest(f"Invalid JSON pointer for this resource: '/{'/'.join(path)}'")
    if op != "remove" and "value" not in operation:
        raise BadRequest(f'Operation "{op}" requires a member named "value".')
    name, value = path[0], operation.get("value")
    if name in READ_ONLY:
        raise read_only(name)
    if is_reserved(name):
        raise reserved(name)
    if op != "remove" and name != "locations":
        try:
            _schema()({name: value})
        except Invalid as invalid:
            raise invalid_body("glance", invalid) from None
    return Change(op, name, value, strict_add=draft4)


def _draft10(operation: dict[str, Any]) -> tuple[str, Any]:
    known = ", ".join(OPERATIONS)
    op = operation.get("op")
    if op is None:
        raise BadRequest(f"Unable to find `op` in JSON Schema change. It must be one of the following: {known}.")
    if op not in OPERATIONS:
        raise BadRequest(f"Invalid operation: `{op}`. It must be one of the following: {known}.")
    if "path" not in operation:
        raise BadRequest("Unable to find 'path' in JSON Schema change")
    return op, operation["path"]


def _draft4(operation: dict[str, Any]) -> tuple[str, Any]:
    found = [op for op in OPERATIONS if op in operation]
    if len(found) != 1:
        count = "exactly one" if not found else "only one"
        raise BadRequest(f'Operation objects must contain {count} member named "add", "remove", or "replace".')
    return found[0], operation[found[0]]


def _decode(pointer: Any) -> list[str]:
    problem = _pointer_problem(str(pointer))
    if problem:
        raise BadRequest(f"Pointer `{pointer}` {problem}")
    return [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer.lstrip("/").split("/")]


def _pointer_problem(pointer: str) -> str:
    if not pointer.startswith("/"):
        return 'does not start with "/".'
    if re.search(r"/\s*?/", pointer[1:]):
        return 'contains adjacent "/".'
    if len(pointer) > 1 and pointer.endswith("/"):
        return 'end with "/".'
    if not pointer[1:].strip():
        return "does not contains valid token."
    if re.search("~[^01]", pointer) or pointer.endswith("~"):
        return 'contains "~" not part of a recognized escape sequence.'
    return ""


@functools.cache
def _schema() -> Callable[[Any], None]:
    """The image of our own document; patched fields and created ones obey the same."""
    fields = document("glance")["components"]["schemas"]["ImageFields"]
    return checker({**fields, "additionalProperties": {"type": "string"}})


def apply_changes(row: Row, changes: list[Change]) -> Row:
    """The row as it will be; `row` stays."""
    changed = dict(row) | {"properties": dict(row["properties"])}
    for change in changes:
        if change.name == "locations":
            done = {"add": "add", "remove": "remove", "replace": "update"}[change.op]
            raise Forbidden(f"It's not allowed to {done} locations if locations are invisible.")
        if change.strict_add and change.op == "add" and (change.name in BASE or change.name in changed["properties"]):
            raise Conflict(detail=f"Property {change.name} already present.")
        if change.name in BASE:
            _set_base(changed, change)
        else:
            _set_property(changed["properties"], change)
    return changed


def _set_base(changed: Row, change: Change) -> None:
    if change.op == "remove":
        raise Forbidden(detail=f"Property {change.name} may not be removed.")
    if change.name in FORMATS and changed["status"] not in ("queued", "importing"):
        raise Forbidden(f"Attribute {change.name} can be only replaced for a queued image.")
    changed[change.name] = sorted(set(change.value)) if change.name == "tags" else change.value


def _set_property(properties: dict[str, Any], change: Change) -> None:
    if change.op != "add" and change.name not in properties:
        raise Conflict(detail=f"Property {change.name} does not exist.")
    if change.op == "remove":
        del properties[change.name]
    else:
        properties[change.name] = change.value
