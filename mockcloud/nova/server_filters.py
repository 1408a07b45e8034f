"""Which servers a list is asked for: the query as a statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, String, and_, cast, not_, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.patterns import BadPattern, matcher
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden
from mockcloud.http.reply import Query
from mockcloud.nova.lookup import is_admin
from mockcloud.nova.status import ANY, states_of
from mockcloud.nova.tables import flavors, instances

FOR_ALL = {  # since which version everybody may filter by what
    "2.1": ("reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants"),
    "2.5": ("ip6",),
    "2.26": ("tags", "tags-any", "not-tags", "not-tags-any"),
    "2.66": ("changes-before",),
    "2.73": ("locked",),
    "2.83": ("availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at", "power_state", "task_state",
             "vm_state", "progress", "user_id"),
    "2.90": ("hostname",),
}  # fmt: skip
PAGING = ("limit", "marker", "sort_key", "sort_dir")
JOINED = ("block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices")

EXACT = {"image": "image_ref", "image_ref": "image_ref", "vm_state": "vm_state", "task_state": "task_state", "uuid": "uuid",
         "host": "host", "project_id": "project_id", "tenant_id": "project_id", "user_id": "user_id"}  # fmt: skip
PATTERNS = {
    **{name: name for name in (
        "reservation_id", "availability_zone", "key_name", "power_state", "progress", "hostname", "kernel_id", "ramdisk_id", "node",
        "launch_index", "root_device_name", "locked_by", "access_ip_v4", "access_ip_v6", "created_at", "launched_at", "terminated_at",
        "config_drive",
    )},
    "name": "display_name", "display_name": "display_name", "auto_disk_config": "disk_config",
    "description": "display_description", "display_description": "display_description",
}  # fmt: skip
SORTED = {"auto_disk_config": "disk_config", "instance_type_id": "memory_mb"}  # nova's names of what our columns are called else
UNSORTED = {"architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at",
            "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "memory_mb", "os_type",
            "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode"}  # fmt: skip


def select_servers(ctx: Context, tx: Transaction, query: Query, list_name: str) -> Select[Any] | None:
    """None: there can be none. `list_name` is `index` or `detail`, as the policies have it."""
    asked = _allowed(ctx, query)
    if "status" in query and not any(states_of(query["status"])):
        if ctx.at_least("2.38"):
            raise BadRequest("Invalid status value")
        return None
    asked |= _states(query)
    stmt = _alive_or_not(ctx, select(instances), asked)
    stmt = _of_projects(ctx, stmt, asked, list_name)
    if (flavor := asked.pop("flavor", None)) is not None:
        if tx.one(select(flavors.c.id).where(flavors.c.flavorid == flavor)) is None:
            return None
        stmt = stmt.where(instances.c.flavor["flavorid"].as_string() == flavor)
    return stmt.where(*(_condition(name, value) for name, value in asked.items() if name in CONDITIONS))


def _allowed(ctx: Context, query: Query) -> dict[str, Any]:
    """What of the query is a filter for this caller; the rest is ignored, as nova does it."""
    everything = {**{name: values[-1] for name, values in query.extra.items()}, **query}
    if ctx.can("os_compute_api:servers:allow_all_filters"):
        asked = {name: value for name, value in everything.items() if name not in PAGING}
        for name in asked:
            if name in JOINED or name.startswith("_"):
                raise BadRequest(f"Invalid filter field: {name}.")
        return asked
    allowed = {name for since, names in FOR_ALL.items() if ctx.at_least(since) for name in names}
    return {name: value for name, value in everything.items() if name in allowed}


def _states(query: Query) -> dict[str, Any]:
    """The status as states; a status of many tasks is only its vm_states."""
    if "status" not in query:
        return {}
    vm_states, tasks = states_of(query["status"])
    return {"vm_state": vm_states} | ({} if ANY in tasks else {"task_state": tasks})


def _alive_or_not(ctx: Context, stmt: Select[Any], asked: dict[str, Any]) -> Select[Any]:
    since, before = _time(asked, "changes-since"), _time(asked, "changes-before")
    if since and before and before < since:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    if since:
        stmt = stmt.where(instances.c.updated_at >= since)
    if before:
        stmt = stmt.where(instances.c.updated_at < before + timedelta(seconds=1))  # nova keeps whole seconds
    deleted = _lenient_bool(asked.pop("deleted")) if "deleted" in asked else None if since or before else False
    if asked.get("vm_state") == ["deleted"]:
        if not is_admin(ctx):
            raise Forbidden("Only administrators may list deleted instances")
        deleted = True
    soft = asked.pop("soft_deleted", None)
    if deleted is None:
        return stmt
    if deleted:
        gone = instances.c.deleted_at.is_not(None)
        return stmt.where(gone if soft is not None and not soft else or_(gone, instances.c.vm_state == "soft-delete"))
    stmt = stmt.where(instances.c.deleted_at.is_(None))
    return stmt if soft else stmt.where(or_(instances.c.vm_state.is_(None), instances.c.vm_state != "soft-delete"))


def _of_projects(ctx: Context, stmt: Select[Any], asked: dict[str, Any], list_name: str) -> Select[Any]:
    if "all_tenants" in asked and (asked["all_tenants"] == "" or strict_bool(asked["all_tenants"])):
        ctx.enforce(f"os_compute_api:servers:{list_name}:get_all_tenants")
        return stmt
    asked.pop("tenant_id", None)
    asked.pop("project_id", None)
    return stmt.where(instances.c.project_id == ctx.project_id)


def _time(asked: dict[str, Any], name: str) -> datetime | None:
    text = asked.pop(name, None)
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text.replace(" ", "+"))
        return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
    except (ValueError, OverflowError):
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. '{text}' is not a 'date-time'") from None


TRUE, FALSE = ("1", "t", "true", "on", "y", "yes"), ("0", "f", "false", "off", "n", "no")


def strict_bool(text: str) -> bool:
    if text.strip().lower() not in (*TRUE, *FALSE):
        known = ", ".join(f"'{word}'" for word in sorted((*TRUE, *FALSE)))
        raise BadRequest(f"Invalid input received: Unrecognized value '{text}', acceptable values are: {known}")
    return text.strip().lower() in TRUE


def _lenient_bool(text: str) -> bool:
    return text.strip().lower() in TRUE


def _condition(name: str, value: Any) -> ColumnElement[bool]:
    return CONDITIONS[name](value)


def _exactly(column: str) -> Callable[[Any], ColumnElement[bool]]:
    return lambda value: instances.c[column].in_(value if isinstance(value, list) else [value])


def _like(name: str, column: str) -> Callable[[str], ColumnElement[bool]]:
    def condition(pattern: str) -> ColumnElement[bool]:
        check_pattern(name, pattern)
        return cast(instances.c[column], String).regexp_match(pattern)

    return condition


def check_pattern(name: str, pattern: str) -> None:
    try:
        matcher(pattern)
    except BadPattern as error:
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {pattern}. {error}") from None


def _config_drive(text: str) -> ColumnElement[bool]:
    """The real column is text: `True` or nothing."""
    check_pattern("config_drive", text)
    return instances.c.config_drive.is_(matcher(text)("True")) if text else instances.c.id.is_not(None)


def _has_tag(tag: str) -> ColumnElement[bool]:
    return cast(instances.c.tags, String).contains(orjson.dumps(tag).decode(), autoescape=True)


def _tags(combine: Callable[..., ColumnElement[bool]]) -> Callable[[str], ColumnElement[bool]]:
    return lambda text: combine(*(_has_tag(tag) for tag in text.split(",")))


CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    **{name: _exactly(column) for name, column in EXACT.items()},
    **{name: _like(name, column) for name, column in PATTERNS.items()},
    "config_drive": _config_drive,
    "locked": lambda text: instances.c.locked.is_(strict_bool(text)),
    "tags": _tags(and_),
    "tags-any": _tags(or_),
    "not-tags": lambda text: not_(_tags(and_)(text)),
    "not-tags-any": lambda text: not_(_tags(or_)(text)),
}


def sort_of(ctx: Context, query: Query) -> list[tuple[str, str]]:
    """Columns and directions; what cannot be sorted by is left out, with its direction."""
    keys, directions = query.get("sort_key", ["created_at"]), query.get("sort_dir", ["desc"])
    unsorted = UNSORTED | (set() if ctx.at_least("2.73") else {"locked"})
    pairs = []
    for number, key in enumerate(name.strip() for name in keys):
        if key in ("host", "node") and not is_admin(ctx):
            raise Forbidden(f"Only administrators can sort servers by {key}")
        direction = (directions[number] if number < len(directions) else "desc").strip()
        if direction not in ("asc", "desc"):
            raise BadRequest(f"Unknown sort direction, must be one of: {', '.join(('asc-nullsfirst', 'asc-nullslast', 'desc'))}")
        if key not in unsorted:
            pairs.append((SORTED.get(key, key), direction))
    return [*pairs, *((key, "desc") for key in ("created_at", "id") if key not in dict(pairs))]


def address_patterns(ctx: Context, query: Query) -> dict[int, str]:
    """By IP version, what `ip` and `ip6` ask for."""
    allowed = _allowed(ctx, query)
    patterns = {version: allowed[name] for name, version in (("ip", 4), ("ip6", 6)) if name in allowed}
    for version, pattern in patterns.items():
        check_pattern("ip" if version == 4 else "ip6", pattern)
    return patterns


def has_address(row: Row, patterns: Mapping[int, str]) -> bool:
    subnets = [subnet for vif in row["network_info"] for subnet in vif["network"]["subnets"]]
    ips = [ip for subnet in subnets for ip in subnet["ips"]]
    return any(ip["version"] in patterns and matcher(f"^(?:{patterns[ip['version']]})")(ip["address"]) for ip in ips)
