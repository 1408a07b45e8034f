"""What servers took of the hosts, in hours of a period."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, or_, select

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Query
from mockcloud.nova.links import next_links, select_page
from mockcloud.nova.tables import instances
from mockcloud.nova.times import precise

FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
RULE = "os_compute_api:os-simple-tenant-usage:"
PATH = "os-simple-tenant-usage"


@dataclass(frozen=True, slots=True)
class Period:
    start: datetime
    stop: datetime

    def hours_of(self, server: Row) -> float:
        """For how long of the period the server was there."""
        launched, terminated = server["launched_at"], server["terminated_at"]
        if launched is None or launched > self.stop or (terminated and terminated < self.start):
            return 0.0
        stop = min(self.stop, terminated) if terminated else self.stop
        return float((stop - max(launched, self.start)).total_seconds()) / 3600


async def list_tenant_usage(ctx: Context, query: Query) -> Json:
    """`detailed=1`: with each server's share."""
    period, servers = _read(ctx, query, select(instances))
    detailed = query.get("detailed") == "1"
    usages = []
    for project_id in dict.fromkeys(row["project_id"] for row in servers):
        mine = [_usage(ctx, row, period) for row in servers if row["project_id"] == project_id]
        usages.append(_sum(project_id, mine, period) | ({"server_usages": mine} if detailed else {}))
    following = next_links(ctx, query, PATH, servers, "uuid")
    return {"tenant_usages": usages, **({"tenant_usages_links": following} if following else {})}


async def show_tenant_usage(ctx: Context, usage_project_id: str, query: Query) -> Json:
    ctx.enforce(RULE + "show", {"project_id": usage_project_id})
    period, servers = _read(ctx, query, select(instances).where(instances.c.project_id == usage_project_id))
    mine = [_usage(ctx, row, period) for row in servers]
    usage = _sum(usage_project_id, mine, period) | {"server_usages": mine} if mine else {}
    following = next_links(ctx, query, f"{PATH}/{usage_project_id}", servers, "uuid")
    return {"tenant_usage": usage, **({"tenant_usage_links": following} if following else {})}


def _read(ctx: Context, query: Query, stmt: Select[Any]) -> tuple[Period, list[Row]]:
    """The period asked for, and the servers that were there in it."""
    now = ctx.now()
    start = _time(query.get("start"), now)
    stop = _time(query.get("end"), now + timedelta(microseconds=1))  # who asks for neither asks for no time at all, which nova allows
    if not start < stop:
        raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
    period = Period(start, min(stop, now))
    there = (or_(instances.c.terminated_at.is_(None), instances.c.terminated_at > start), instances.c.launched_at < period.stop)
    order = [("project_id", "asc"), ("uuid", "asc")]
    unknown = "Marker {} could not be found."
    with ctx.db.transaction() as tx:
        return period, select_page(tx, stmt.where(*there), instances, query, key="uuid", sort=order, unknown=unknown)


def _time(text: str | None, now: datetime) -> datetime:
    if not text:
        return now
    for form in FORMATS:
        with suppress(ValueError):
            return datetime.strptime(text, form)
    raise BadRequest("Invalid datetime string: Datetime is in invalid format")


def _usage(ctx: Context, row: Row, period: Period) -> Json:
    flavor, ended = row["flavor"], row["terminated_at"]
    return {
        "hours": period.hours_of(row),
        "flavor": flavor["name"],
        "instance_id": row["uuid"],
        "name": row["display_name"],
        "tenant_id": row["project_id"],
        "memory_mb": flavor["memory_mb"],
        "local_gb": flavor["root_gb"] + flavor.get("ephemeral_gb", 0),
        "vcpus": flavor["vcpus"],
        "started_at": precise(row["launched_at"]),
        "ended_at": precise(ended),
        "state": "terminated" if ended else row["vm_state"],
        "uptime": int(((ended or ctx.now()) - row["launched_at"]).total_seconds()),
    }


def _sum(project_id: str, usages: Sequence[Json], period: Period) -> Json:
    return {
        "tenant_id": project_id,
        "total_hours": sum(usage["hours"] for usage in usages),
        "total_local_gb_usage": sum(usage["local_gb"] * usage["hours"] for usage in usages),
        "total_memory_mb_usage": sum(usage["memory_mb"] * usage["hours"] for usage in usages),
        "total_vcpus_usage": sum(usage["vcpus"] * usage["hours"] for usage in usages),
        "start": precise(period.start),
        "stop": precise(period.stop),
    }
