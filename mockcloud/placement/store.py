"""Reads that several resources share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, NotFound
from mockcloud.placement.candidates import Provider
from mockcloud.placement.tables import allocations, inventories, resource_providers

_USED = func.sum(allocations.c.used).label("used")
_PROVIDER = Prepared(select(resource_providers).where(resource_providers.c.uuid == bindparam("uuid")))
_USED_OF = Prepared(
    select(allocations.c.resource_class, _USED)
    .where(allocations.c.provider_uuid == bindparam("uuid"))
    .group_by(allocations.c.resource_class)
)


def http_date(moment: datetime) -> str:
    """A naive UTC time as HTTP writes it."""
    return format_datetime(moment.replace(tzinfo=UTC), usegmt=True)


def find_provider(tx: Transaction, uuid: str) -> Row:
    row = tx.one(_PROVIDER, uuid=uuid)
    if row is None:
        raise NotFound(f"No resource provider with uuid {uuid} found", code="placement.resource_provider.not_found")
    return row


def check_generation(provider: Row, generation: int, message: str) -> None:
    """409 when the caller's generation is not the current one."""
    if generation != provider["generation"]:
        raise Conflict(message, code="placement.concurrent_update")


def bump(ctx: Context, tx: Transaction, provider: Row, **values: Any) -> int:
    """The provider's next generation, and `values` with it."""
    new: int = provider["generation"] + 1
    changes = {"generation": new, "updated_at": ctx.now(), **values}
    tx.execute(update(resource_providers).where(resource_providers.c.uuid == provider["uuid"]).values(**changes))
    return new


def used_by_class(tx: Transaction, uuid: str) -> dict[str, int]:
    return {row["resource_class"]: int(row["used"]) for row in tx.all(_USED_OF, uuid=uuid)}


def load_providers(tx: Transaction, uuids: Iterable[str] | None = None) -> list[Provider]:
    """Providers with inventories, usages, traits and aggregates, in three statements."""
    chosen = list(uuids) if uuids is not None else None

    def among(column: Any) -> list[Any]:
        return [] if chosen is None else [column.in_(chosen)]

    found = {
        row["uuid"]: Provider(
            row["uuid"],
            row["root_provider_uuid"],
            row["parent_provider_uuid"],
            row["generation"],
            frozenset(row["traits"]),
            frozenset(row["aggregates"]),
        )
        for row in tx.all(select(resource_providers).where(*among(resource_providers.c.uuid)).order_by(resource_providers.c.name))
    }
    for row in tx.all(select(inventories).where(*among(inventories.c.provider_uuid))):
        found[row["provider_uuid"]].inventories[row["resource_class"]] = row
    for row in tx.all(
        select(allocations.c.provider_uuid, allocations.c.resource_class, _USED)
        .where(*among(allocations.c.provider_uuid))
        .group_by(allocations.c.provider_uuid, allocations.c.resource_class)
    ):
        found[row["provider_uuid"]].used[row["resource_class"]] = int(row["used"])
    return list(found.values())
