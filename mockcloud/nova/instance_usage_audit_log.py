"""The log of usage audits. As in a stock nova no compute audits, so every host is one that has not run."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json
from mockcloud.nova.tables import services


async def list_usage_audit_logs(ctx: Context) -> Json:
    return {"instance_usage_audit_logs": _log(ctx, ctx.now())}


async def show_usage_audit_log(ctx: Context, before_timestamp: str) -> Json:
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in before_timestamp else "%Y-%m-%d %H:%M:%S"
    try:
        before = datetime.strptime(before_timestamp, form)
    except ValueError:
        raise BadRequest(f"Invalid timestamp for date {before_timestamp}") from None
    return {"instance_usage_audit_log": _log(ctx, before)}


def last_period(before: datetime) -> tuple[datetime, datetime]:
    """The last whole month before a moment."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if end == before:
        end = (end - timedelta(days=1)).replace(day=1)
    return (end - timedelta(days=1)).replace(day=1), end


def _log(ctx: Context, before: datetime) -> Json:
    rows = ctx.db.all(select(services.c.host).where(services.c.topic == "compute").order_by(services.c.id))
    hosts = [row["host"] for row in rows]
    try:
        begin, end = last_period(before)
    except OverflowError:
        raise BadRequest(f"Invalid timestamp for date {before}") from None
    return {
        "period_beginning": str(begin),
        "period_ending": str(end),
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(hosts),
        "hosts_not_run": hosts,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"{f'0 of {len(hosts)}' if hosts else 'ALL'} hosts done. 0 errors.",
        "log": {},
    }
