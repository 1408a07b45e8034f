"""Availability zones, as services stand in them."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.reply import Json
from mockcloud.nova.tables import services
from mockcloud.nova.times import precise
from mockcloud.nova.zones import INTERNAL, is_up, read_zones, zone_of_service

Zones = dict[str, list[Row]]


async def list_availability_zones(ctx: Context) -> Json:
    enabled, disabled = _zones(ctx)
    shown = [_view(zone, True) for zone in sorted(enabled)] + [_view(zone, False) for zone in sorted(disabled)]
    return {"availabilityZoneInfo": [zone for zone in shown if zone["zoneName"] != INTERNAL]}


async def list_availability_zones_detail(ctx: Context) -> Json:
    enabled, disabled = _zones(ctx)
    shown = [_view(zone, True) | {"hosts": _hosts(ctx, enabled[zone])} for zone in sorted(enabled)]
    return {"availabilityZoneInfo": [*shown, *(_view(zone, False) for zone in sorted(disabled))]}


def _zones(ctx: Context) -> tuple[Zones, Zones]:
    """Zones with a service that is not disabled, and those with none; with their services."""
    with ctx.db.transaction() as tx:
        named, rows = read_zones(tx), tx.all(select(services).order_by(services.c.id))
    enabled: Zones = defaultdict(list)
    disabled: Zones = defaultdict(list)
    for row in rows:
        (disabled if row["disabled"] else enabled)[zone_of_service(row, named, ctx.settings.default_availability_zone)].append(row)
    return enabled, {zone: found for zone, found in disabled.items() if zone not in enabled}


def _view(zone: str, available: bool) -> Json:
    return {"zoneName": zone, "zoneState": {"available": available}, "hosts": None}


def _hosts(ctx: Context, rows: list[Row]) -> Json:
    hosts: dict[str, Json] = defaultdict(dict)
    for row in rows:
        alive = is_up(row, ctx.now(), ctx.settings.service_down_time)
        hosts[row["host"]][row["binary"]] = {"active": True, "available": alive, "updated_at": precise(row["updated_at"])}
    return hosts
