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
    counted = select(volume_types.c.name, func.count().label("n"), func.sum(volumes.c.size).label("size"), growth.label("growth"))
    counted = counted.join(volume_types, volume_types.c.id == volumes.c.volume_type_id)
    for row in tx.all(counted.where(volumes.c.project_id == project_id).group_by(volume_types.c.name)):
        _add(in_use, row["name"], {"volumes": int(row["n"]), "gigabytes": int(row["size"])})
        _add(reserved, row["name"], {"gigabytes": int(row["growth"])})
    counted = select(volume_types.c.name, func.count().label("n"), func.sum(snapshots.c.volume_size).label("size"))
    counted = counted.join(volume_types, volume_types.c.id == snapshots.c.volume_type_id)
    for row in tx.all(counted.where(snapshots.c.project_id == project_id).group_by(volume_types.c.name)):
        _add(in_use, row["name"], {"snapshots": int(row["n"]), "gigabytes": int(row["size"])})
    return in_use, reserved


def _add(total: Usage, type_name: str, used: Mapping[str, int]) -> None:
    for resource, amount in used.items():
        for name in (resource, f"{resource}_{type_name}"):
            total[name] = total.get(name, 0) + amount


def claim(
    tx: Transaction, project_id: str, type_name: str, *, volumes: int = 0, snapshots: int = 0, gigabytes: int = 0, size: int = 0
) -> None:
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


def claim_in_type(tx: Transaction, project_id: str, type_name: str, *, volumes: int, gigabytes: int) -> None:
    """The same for a volume that changes to another type: only that type's own limits matter."""
    allowed, (in_use, _) = limits(tx, project_id), usage(tx, project_id)
    for resource, amount in (("gigabytes", gigabytes), ("volumes", volumes)):
        name = f"{resource}_{type_name}"
        consumed, limit = in_use.get(name, 0), allowed.get(name, -1)
        if 0 <= limit < consumed + amount:
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
