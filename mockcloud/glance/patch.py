"""Glance's JSON patch of an image: pure."""

from __future__ import annotations

from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.errors import BadRequest, Conflict, Forbidden

READ_ONLY = frozenset(
    ("created_at", "updated_at", "status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size", "direct_url", "self",
     "file", "schema", "id")
)  # fmt: skip
KEPT = frozenset(
    ("name", "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram", "owner", "tags")
)
OPERATIONS = ("add", "remove", "replace")
KINDS: dict[str, tuple[type, ...]] = {
    "protected": (bool,), "os_hidden": (bool,), "min_disk": (int,), "min_ram": (int,), "tags": (list,), "visibility": (str,),
}  # fmt: skip
VISIBILITIES = ("public", "private", "shared", "community")


def apply_patch(row: Row, operations: list[dict[str, Any]]) -> Row:
    """The row as it will be; `row` stays."""
    changed = dict(row) | {"properties": dict(row["properties"])}
    for operation in operations:
        op, name = operation["op"], _name(operation["path"])
        if op not in OPERATIONS:
            raise BadRequest(f"Operations must be one of {', '.join(OPERATIONS)}: {op}")
        if name in READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.")
        if op != "remove" and "value" not in operation:
            raise BadRequest(f'Operation "{op}" requires a member named "value".')
        if name in KEPT:
            _base(changed, op, name, operation.get("value"))
        else:
            _property(changed["properties"], op, name, operation.get("value"))
    return changed


def _name(path: str) -> str:
    if not path.startswith("/") or len(path) < 2 or "/" in path[1:]:
        raise BadRequest(f"Invalid JSON pointer for this resource: '{path}'")
    return path[1:].replace("~1", "/").replace("~0", "~")


def _base(changed: Row, op: str, name: str, value: Any) -> None:
    if op == "remove":
        raise Forbidden(f"Property {name} may not be removed.")
    kinds = KINDS.get(name)
    wrong = (kinds and not isinstance(value, kinds)) or (kinds == (int,) and (isinstance(value, bool) or value < 0))
    if wrong or (name == "visibility" and value not in VISIBILITIES) or (kinds is None and not isinstance(value, str | None)):
        raise BadRequest(f"Invalid value for '{name}': {value!r}")
    if name in ("container_format", "disk_format") and changed["status"] != "queued" and value != changed[name]:
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")
    changed[name] = sorted(set(value)) if name == "tags" else value


def _property(properties: dict[str, Any], op: str, name: str, value: Any) -> None:
    if op != "add" and name not in properties:
        raise Conflict(f"Property {name} does not exist.")
    if op == "remove":
        del properties[name]
        return
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"Invalid value for property '{name}': {value!r} is not of type 'string'")
    properties[name] = value
