"""Limits of a project and its users, and what is used of them. Usage is counted from the rows, so it can never drift from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, func, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.errors import Forbidden
from mockcloud.nova.api_tables import build_requests
from mockcloud.nova.tables import (
    instance_group_members,
    instance_groups,
    instances,
    key_pairs,
    project_user_quotas,
    quota_classes,
    quotas,
)

DEFAULTS = {
    "cores": 20,
    "fixed_ips": -1,
    "floating_ips": -1,
    "injected_file_content_bytes": 10_240,
    "injected_file_path_bytes": 255,
    "injected_files": 5,
    "instances": 10,
    "key_pairs": 100,
    "metadata_items": 128,
    "ram": 51_200,
    "security_group_rules": -1,
    "security_groups": -1,
    "server_group_members": 10,
    "server_groups": 10,
}
DEFAULT_CLASS = "default"


def _limits_of(table: Table, *names: str) -> Prepared:
    return Prepared(select(table.c.resource, table.c.hard_limit).where(*(table.c[name] == bindparam(name) for name in names)))


_OF_CLASS = _limits_of(quota_classes, "class_name")
_OF_PROJECT = _limits_of(quotas, "project_id")
_OF_USER = _limits_of(project_user_quotas, "project_id", "user_id")


def _asked(*names: str) -> Prepared:
    """The same sums over servers that have no cell yet."""
    t = build_requests
    sums: list[Any] = [func.count().label("instances"), func.sum(t.c.vcpus).label("cores"), func.sum(t.c.memory_mb).label("ram")]
    return Prepared(select(*sums).select_from(t).where(*(t.c[name] == bindparam(name) for name in names)))


def _used(*names: str) -> Prepared:
    """The sums over servers that are there, and how many groups, in one row."""
    sums = (func.count().label("instances"), func.sum(instances.c.vcpus).label("cores"), func.sum(instances.c.memory_mb).label("ram"))
    groups = select(func.count()).select_from(instance_groups)
    groups = groups.where(*(instance_groups.c[name] == bindparam(name) for name in names))
    there = (instances.c.deleted_at.is_(None), or_(instances.c.vm_state.is_(None), instances.c.vm_state != "soft-delete"))
    mine = (instances.c[name] == bindparam(name) for name in names)
    return Prepared(select(*sums, groups.scalar_subquery().label("server_groups")).select_from(instances).where(*there, *mine))


_USED, _USED_BY_USER = _used("project_id"), _used("project_id", "user_id")
_ASKED, _ASKED_BY_USER = _asked("project_id"), _asked("project_id", "user_id")

Amounts = Mapping[str, int]


def class_limits(tx: Transaction, class_name: str = DEFAULT_CLASS) -> dict[str, int]:
    """What the class leaves open is the built-in default. -1 is no limit, here as everywhere."""
    return DEFAULTS | _limits(tx.all(_OF_CLASS, class_name=class_name))


def own_limits(tx: Transaction, project_id: str) -> dict[str, int]:
    """Only what was set for the project."""
    return _limits(tx.all(_OF_PROJECT, project_id=project_id))


def own_user_limits(tx: Transaction, project_id: str, user_id: str) -> dict[str, int]:
    return _limits(tx.all(_OF_USER, project_id=project_id, user_id=user_id))


def limits_of(tx: Transaction, project_id: str, user_id: str = "") -> dict[str, int]:
    """Of a project, or of one user in it."""
    limits = class_limits(tx) | own_limits(tx, project_id)
    return limits | own_user_limits(tx, project_id, user_id) if user_id else limits


def usage_of(tx: Transaction, project_id: str, user_id: str = "") -> dict[str, int]:
    """instances, cores, ram (MiB) and server_groups; what belongs to users, not projects, is always 0, as in nova."""
    whose = {"project_id": project_id} | ({"user_id": user_id} if user_id else {})
    counted = [tx.one(_USED_BY_USER if user_id else _USED, **whose)]
    if tx.knows(build_requests):
        counted.append(tx.one(_ASKED_BY_USER if user_id else _ASKED, **whose))
    used = dict.fromkeys(DEFAULTS, 0)
    for name, value in (item for row in counted for item in (row or {}).items()):
        used[name] += int(value or 0)
    return used


def over(limits: Amounts, used: Amounts, deltas: Amounts) -> list[str]:
    """The resources of which `deltas` more would be too much, in order."""
    return sorted(name for name, more in deltas.items() if 0 <= limits[name] < used.get(name, 0) + more)


def check(tx: Transaction, project_id: str, deltas: Amounts, user_id: str = "") -> None:
    """Raises nova's 403 when the project, or the user by a limit of their own, may not have `deltas` more.

    The rows that follow in the same transaction are the claim itself.
    """
    for limits, used in _scopes(tx, project_id, user_id):
        if overs := over(limits, used, deltas):
            raise refusal(overs, deltas, limits, used)


def check_servers(tx: Transaction, project_id: str, user_id: str, flavor: Mapping[str, Any], min_count: int, max_count: int) -> int:
    """How many servers of a flavor may be made: `max_count`, or fewer but `min_count`; raises 403 for less."""
    allowed = max_count
    for limits, used in _scopes(tx, project_id, user_id):
        allowed = min(allowed, room(limits, used, flavor))
        if allowed < min_count:
            deltas = {"instances": max_count, "cores": max_count * flavor["vcpus"], "ram": max_count * flavor["memory_mb"]}
            asked = {**deltas, "instances": max_count if min_count == max_count else f"{min_count}-{max_count}"}
            raise refusal(over(limits, used, deltas), asked, limits, used)
    return allowed


def room(limits: Amounts, used: Amounts, flavor: Mapping[str, Any]) -> int:
    """How many more servers of the flavor the limits leave room for."""
    each = {"instances": 1, "cores": flavor["vcpus"], "ram": flavor["memory_mb"]}
    return min((limits[name] - used[name]) // amount if limits[name] >= 0 and amount else 2**31 for name, amount in each.items())


def refusal(overs: Sequence[str], asked: Mapping[str, Any], limits: Amounts, used: Amounts) -> Forbidden:
    if overs[0] in ("key_pairs", "server_groups"):
        return Forbidden(f"Quota exceeded, too many {overs[0].replace('_', ' ')}.")
    names, wanted, consumed, allowed = (
        ", ".join(str(value) for value in values)
        for values in (overs, [asked[n] for n in overs], [used[n] for n in overs], [limits[n] for n in overs])
    )
    return Forbidden(f"Quota exceeded for {names}: Requested {wanted}, but already used {consumed} of {allowed} {names}")


def check_key_pairs(tx: Transaction, project_id: str, user_id: str, more: int = 1) -> None:
    used = int(tx.scalar(select(func.count()).select_from(key_pairs).where(key_pairs.c.user_id == user_id)))
    if over(limits_of(tx, project_id, user_id), {"key_pairs": used}, {"key_pairs": more}):
        raise Forbidden("Quota exceeded, too many key pairs.")


def check_group_members(tx: Transaction, project_id: str, user_id: str, group_uuid: str, more: int = 1) -> None:
    """Counted are the user's own servers in the group."""
    members = select(instance_group_members.c.instance_uuid).where(instance_group_members.c.group_uuid == group_uuid)
    mine = (instances.c.uuid.in_(members), instances.c.user_id == user_id, instances.c.deleted_at.is_(None))
    used = int(tx.scalar(select(func.count()).select_from(instances).where(*mine)))
    if tx.knows(build_requests):
        asked = (build_requests.c.uuid.in_(members), build_requests.c.user_id == user_id)
        used += int(tx.scalar(select(func.count()).select_from(build_requests).where(*asked)))
    if over(limits_of(tx, project_id, user_id), {"server_group_members": used}, {"server_group_members": more}):
        raise Forbidden("Quota exceeded, too many servers in group")


def check_metadata_items(tx: Transaction, project_id: str, items: int) -> None:
    if not items:  # no limit is below nothing
        return
    limits = limits_of(tx, project_id)
    if over(limits, {}, {"metadata_items": items}):
        raise Forbidden(f"Maximum number of metadata items exceeds {limits['metadata_items']}")


def check_injected_files(tx: Transaction, project_id: str, files: Sequence[tuple[str, str]]) -> None:
    """`files`: (path, content) of each."""
    if not files:
        return
    limits = limits_of(tx, project_id)
    longest = [max((len(file[part]) for file in files), default=0) for part in (0, 1)]
    if over(limits, {}, {"injected_files": len(files)}):
        raise Forbidden("Personality file limit exceeded")
    if over(limits, {}, {"injected_file_path_bytes": longest[0]}):
        raise Forbidden(f"Personality file path exceeds maximum {limits['injected_file_path_bytes']}")
    if over(limits, {}, {"injected_file_content_bytes": longest[1]}):
        raise Forbidden(f"Personality file content exceeds maximum {limits['injected_file_content_bytes']}")


def _scopes(tx: Transaction, project_id: str, user_id: str) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    yield limits_of(tx, project_id), usage_of(tx, project_id)
    if user_id and (own := own_user_limits(tx, project_id, user_id)):
        yield dict.fromkeys(DEFAULTS, -1) | own, usage_of(tx, project_id, user_id)


def _limits(rows: Sequence[Row]) -> dict[str, int]:
    return {row["resource"]: int(row["hard_limit"]) for row in rows}
