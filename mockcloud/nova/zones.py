"""Availability zones: an aggregate's metadata names one for its hosts, the others are in the default zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.tables import aggregates, services

_AGGREGATES = Prepared(select(aggregates.c.hosts, aggregates.c.metadata).order_by(aggregates.c.id.desc()))
INTERNAL = "internal"  # where services without guests are


def read_zones(tx: Transaction) -> dict[str, str]:
    """By host, those that an aggregate names."""
    rows = tx.all(_AGGREGATES)
    return {host: row["metadata"]["availability_zone"] for row in rows if row["metadata"].get("availability_zone") for host in row["hosts"]}


def zone_of_service(service: Row, zones: Mapping[str, str], default: str) -> str:
    return zones.get(service["host"], default) if service["topic"] == "compute" else INTERNAL


def available_zones(tx: Transaction, default: str) -> set[str]:
    """Those with a service that is not disabled."""
    zones = read_zones(tx)
    return {zone_of_service(row, zones, default) for row in tx.all(select(services).where(services.c.disabled.is_(False)))}


def is_up(service: Row, now: datetime, service_down_time: float) -> bool:
    seen = service["last_seen_up"] or service["created_at"]
    return not service["forced_down"] and now - seen <= timedelta(seconds=service_down_time)
