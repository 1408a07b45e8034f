"""Limits of a project and what it uses of them. Usage is counted from the rows, so it can never drift from them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select

from mockcloud.cinder.faults import over_quota
from mockcloud.cinder.tables import quota_classes, quotas, snapshots, volume_types, volumes
from mockcloud.db.engine import Transaction

DEFAULTS = {
    "volumes": 10,
    "per_volume_gigabytes": -1,
    "snapshots": 10,
    "gigabytes": 1000,
    "backups": 10,
    "backup_gigabytes": 1000,
    "groups": 10,
}
PER_TYPE = ("volumes", "gigabytes", "snapshots")  # these have a limit for each volume type too
DEFAULT_CLASS = "default"

Usage = dict[str, int]


def resources(tx: Transaction) -> list[str]:
    names = [row["name"] for row in tx.all(select(volume_types.c.name).order_by(volume_types.c.created_at, volume_types.c.name))]
    return [*DEFAULTS, *(f"{resource}_{name}" for name in names for resource in PER_TYPE)]


def class_limits(tx: Transaction, class_name: str) -> dict[str, int]:
    """Every resource's limit in a class; what the class leaves open is the built-in default."""
    stmt = select(quota_classes).where(quota_classes.c.class_name == class_name)
    own = {row["resource"]: int(row["hard_limit"]) for row in tx.all(stmt)}
    return {name: own.get(name, DEFAULTS.get(name, -1)) for name in resources(tx)}


def own_limits(tx: Transaction, project_id: str) -> dict[str, int]:
    stmt = select(quotas).where(quotas.c.project_id == project_id)
    return {row["resource"]: int(row["hard_limit"]) for row in tx.all(stmt)}


def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    own = own_limits(tx, project_id)
    return {name: own.get(name, limit) for name, limit in class_limits(tx, DEFAULT_CLASS).items()}


def usage(tx: Transaction, project_id: str) -> tuple[Usage, Usage]:
    """(in use, reserved): reserved is what extensions under way will add."""
    in_use: Usage = {}
    reserved: Usage = {}
    growth = func.sum(func.coalesce(volumes.c.new_size - volumes.c.size, 0))
    stmt = select(volume_types.c.name, func.count(), func.sum(volumes.c.size), growth)
    stmt = stmt.join(volume_types, volume_types.c.id == volumes.c.volume_type_id).where(volumes.c.project_id == project_id)
    for name, count, size, growing in _rows(tx, stmt.group_by(volume_types.c.name)):
        _add(in_use, name, {"volumes": count, "gigabytes": size})
        _add(reserved, name, {"gigabytes": growing})
    stmt = select(volume_types.c.name, func.count(), func.sum(snapshots.c.volume_size), func.count())
    stmt = stmt.join(volume_types, volume_types.c.id == snapshots.c.volume_type_id).where(snapshots.c.project_id == project_id)
    for name, count, size, _ in _rows(tx, stmt.group_by(volume_types.c.name)):
        _add(in_use, name, {"snapshots": count, "gigabytes": size})
    return in_use, reserved


def _rows(tx: Transaction, stmt: object) -> list[tuple[str, int, int, int]]:
    return [(str(a), int(b), int(c), int(d)) for a, b, c, d in (row.values() for row in tx.all(stmt))]  # type: ignore[arg-type]


def _add(total: Usage, type_name: str, used: Mapping[str, int]) -> None:
    for resource, amount in used.items():
        for name in (resource, f"{resource}_{type_name}"):
            total[name] = total.get(name, 0) + amount


def claim(tx: Transaction, project_id: str, type_name: str, *, volumes: int = 0, snapshots: int = 0, gigabytes: int = 0, size: int = 0) -> None:
    """Raises 413 when the project may not have so much more. `size` is that of the one volume.

    The rows that follow in the same transaction are the claim itself.
    """
    allowed = limits(tx, project_id)
    if 0 <= allowed["per_volume_gigabytes"] < size:
        most = allowed["per_volume_gigabytes"]
        raise over_quota(f"Requested volume size {size}G is larger than maximum allowed limit {most}G.")
    in_use, reserved = usage(tx, project_id)
    wanted = {"gigabytes": gigabytes, "volumes": volumes, "snapshots": snapshots}
    for resource, amount in wanted.items():
        for name in (resource, f"{resource}_{type_name}"):
            consumed, limit = in_use.get(name, 0) + reserved.get(name, 0), allowed.get(name, -1)
            if amount > 0 and limit >= 0 and consumed + amount > limit:
                raise over_quota(_refusal(resource, name, amount, consumed, limit))


def _refusal(resource: str, name: str, amount: int, consumed: int, limit: int) -> str:
    if resource == "gigabytes":
        return (
            f"Requested volume or snapshot exceeds allowed {name} quota. "
            f"Requested {amount}G, quota is {limit}G and {consumed}G has been consumed."
        )
    if resource == "volumes":
        return f"Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'."
    return f"Maximum number of snapshots allowed ({limit}) exceeded"
