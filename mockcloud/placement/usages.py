"""What projects and their users have been given in all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Query
from mockcloud.placement.tables import allocations, consumers

UNKNOWN = "unknown"  # the type of consumers from before 1.38


async def list_usages(ctx: Context, query: Query) -> Json:
    """By resource class; from 1.38 on by consumer type first."""
    ctx.enforce("placement:usages", {"project_id": query["project_id"]})
    rows = ctx.db.all(
        select(allocations, consumers.c.consumer_type)
        .join(consumers, consumers.c.uuid == allocations.c.consumer_uuid)
        .where(consumers.c.project_id == query["project_id"])
        .where(*([consumers.c.user_id == query["user_id"]] if "user_id" in query else []))
    )
    if not ctx.at_least("1.38"):
        return {"usages": _sums(rows)}
    wanted = query.get("consumer_type")
    kinds = {"all"} if wanted == "all" else {row["consumer_type"] or UNKNOWN for row in rows}
    found: dict[str, Any] = {}
    for kind in sorted(kinds):
        of_kind = [row for row in rows if kind in ("all", row["consumer_type"] or UNKNOWN)]
        if of_kind and wanted in (None, "all", kind):
            found[kind] = {**_sums(of_kind), "consumer_count": len({row["consumer_uuid"] for row in of_kind})}
    return {"usages": found}


def _sums(rows: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row["resource_class"]] = found.get(row["resource_class"], 0) + row["used"]
    return found
