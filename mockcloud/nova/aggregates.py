"""Host aggregates: hosts with something in common, an availability zone among the rest."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.nova.provider_aggregates import join, leave, providers_of
from mockcloud.nova.tables import aggregates, instances, services
from mockcloud.nova.times import precise

ZONE = "availability_zone"


async def list_aggregates(ctx: Context) -> Json:
    return {"aggregates": [_view(row) for row in ctx.db.all(select(aggregates).order_by(aggregates.c.id))]}


async def create_aggregate(ctx: Context, body: Json) -> Json:
    name, zone = body["aggregate"]["name"].strip(), body["aggregate"].get(ZONE)
    metadata = {ZONE: zone.strip()} if zone else {}
    with ctx.db.transaction() as tx:
        _check_name(tx, name)
        values = {"uuid": str(uuid.uuid4()), "created_at": ctx.now(), "name": name, "metadata": metadata}
        made = _view(_find(tx, tx.insert(aggregates, **values)))
    return {"aggregate": {key: value for key, value in made.items() if key not in ("hosts", "metadata")}}


async def show_aggregate(ctx: Context, aggregate_id: str) -> Json:
    number = _number(aggregate_id)
    with ctx.db.transaction() as tx:
        return {"aggregate": _view(_find(tx, number))}


async def update_aggregate(ctx: Context, aggregate_id: str, body: Json) -> Json:
    number, asked = _number(aggregate_id), dict(body["aggregate"])
    with ctx.db.transaction() as tx:
        row = _find(tx, number)
        name = asked.pop("name", row["name"]).strip()
        _check_name(tx, name, besides=row["id"])
        _check_zone(tx, row | {"name": name}, asked, "Cannot update aggregate")
        return {"aggregate": _save(ctx, tx, row, name=name, metadata=_merged(row["metadata"], asked))}


async def delete_aggregate(ctx: Context, aggregate_id: str) -> None:
    number = _number(aggregate_id)
    with ctx.db.transaction() as tx:
        if _find(tx, number)["hosts"]:
            raise BadRequest(f"Cannot remove host from aggregate {number}. Reason: Host aggregate is not empty.")
        tx.execute(delete(aggregates).where(aggregates.c.id == number))


async def set_aggregate_metadata(ctx: Context, aggregate_id: str, body: Json) -> Json:
    """Merges; a null takes its key away."""
    number = _number(aggregate_id)
    with ctx.db.transaction() as tx:
        row = _find(tx, number)
        _check_zone(tx, row, body["metadata"], "Cannot update metadata of aggregate")
        return {"aggregate": _save(ctx, tx, row, metadata=_merged(row["metadata"], body["metadata"]))}


async def add_aggregate_host(ctx: Context, aggregate_id: str, body: Json) -> Json:
    number, host = _number(aggregate_id), body["host"]
    with ctx.db.transaction() as tx:
        if not _has_compute(tx, host):
            raise NotFound(f"Compute host {host} could not be found.")
        row = _find(tx, number)
        action = f"Cannot add host to aggregate {number}"
        _check_other_zones(tx, row, row["metadata"].get(ZONE), [host], action, Conflict)
        _check_servers_stay(tx, host, _zone_without(tx, host), row["metadata"].get(ZONE), f"{action}. Reason: The host cannot be added to")
        if host in row["hosts"]:
            raise Conflict(f"Aggregate {number} already has host {host}.")
        shown = _save(ctx, tx, row, hosts=[*row["hosts"], host])
        providers = providers_of(tx, host)
    for provider in providers:
        await join(ctx.own_rest, provider, row["uuid"])
    return {"aggregate": shown}


async def remove_aggregate_host(ctx: Context, aggregate_id: str, body: Json) -> Json:
    number, host = _number(aggregate_id), body["host"]
    with ctx.db.transaction() as tx:
        row = _read(tx, number)
        if row is None or not _has_compute(tx, host) or host not in row["hosts"]:
            raise NotFound(f"Cannot remove host {host} in aggregate {number}")
        action = f"Cannot remove host from aggregate {number}. Reason: The host cannot be removed from"
        _check_servers_stay(tx, host, row["metadata"].get(ZONE), _zone_without(tx, host, number), action, removal=True)
        providers = providers_of(tx, host)
    for provider in providers:
        await leave(ctx.own_rest, provider, row["uuid"])
    return {"aggregate": take_out(ctx, number, host)}


def take_out(ctx: Context, number: int, host: str) -> Json:
    """The host is no member any more; the aggregate as it is then."""
    with ctx.db.transaction() as tx:
        row = _find(tx, number)
        return _save(ctx, tx, row, hosts=[member for member in row["hosts"] if member != host])


def _number(aggregate_id: str) -> int:
    try:
        return int(aggregate_id)
    except ValueError:
        raise BadRequest("Invalid input received: id must be an integer") from None


def _read(tx: Transaction, number: int) -> Row | None:
    """No database has an integer longer than 63 bits."""
    return tx.one(select(aggregates).where(aggregates.c.id == number)) if abs(number) < 2**63 else None


def _find(tx: Transaction, number: int) -> Row:
    row = _read(tx, number)
    if row is None:
        raise NotFound(f"Aggregate {number} could not be found.")
    return row


def _check_name(tx: Transaction, name: str, besides: int = 0) -> None:
    if tx.one(select(aggregates.c.id).where(aggregates.c.name == name, aggregates.c.id != besides)):
        raise Conflict(f"Aggregate {name} already exists.")


def _has_compute(tx: Transaction, host: str) -> bool:
    return tx.one(select(services.c.id).where(services.c.host == host, services.c.binary == "nova-compute")) is not None


def _servers_on(tx: Transaction, hosts: Iterable[str]) -> int:
    stmt = select(func.count()).select_from(instances).where(instances.c.host.in_(list(hosts)), instances.c.deleted_at.is_(None))
    return int(tx.scalar(stmt))


def _check_zone(tx: Transaction, row: Row, asked: Mapping[str, Any], action: str) -> None:
    """A zone that an aggregate has is not taken away, and not changed over servers' heads."""
    if ZONE not in asked:
        return
    action = f"{action} {row['id']}"
    if not asked[ZONE]:
        raise BadRequest(f"{action}. Reason: Aggregate {row['name']} does not support empty named availability zone.")
    _check_other_zones(tx, row, asked[ZONE], row["hosts"], action, BadRequest)
    if row["metadata"].get(ZONE) != asked[ZONE] and _servers_on(tx, row["hosts"]):
        raise BadRequest(f"{action}. Reason: One or more hosts contain instances in this zone.")


def _check_other_zones(tx: Transaction, row: Row, zone: str | None, hosts: Iterable[str], action: str, refuse: type[ApiError]) -> None:
    """A host is in one zone."""
    if zone is None:
        return
    others = [other for other in tx.all(select(aggregates)) if other["id"] != row["id"] and set(other["hosts"]) & set(hosts)]
    conflicting = [other["metadata"][ZONE] for other in others if other["metadata"].get(ZONE, zone) != zone]
    if conflicting:
        raise refuse(f"{action}. Reason: One or more hosts already in availability zone(s) {conflicting}.")


def _zone_without(tx: Transaction, host: str, left_out: int = 0) -> str | None:
    """What names the host's zone besides one aggregate."""
    rows = tx.all(select(aggregates).where(aggregates.c.id != left_out))
    return next((row["metadata"][ZONE] for row in rows if host in row["hosts"] and row["metadata"].get(ZONE)), None)


def _check_servers_stay(tx: Transaction, host: str, old: str | None, new: str | None, reason: str, removal: bool = False) -> None:
    """Servers do not change their zone by what happens to their host. No zone named is no change."""
    named = old if removal else new
    if named is None or old == new or not (count := _servers_on(tx, [host])):
        return
    raise Conflict(
        f"{reason} the aggregate as the availability zone of the host would change from '{old}' to '{new}' but the host already has "
        f"{count} instance(s). Changing the AZ of an existing instance is not supported by this action. Move the instances away from "
        "this host then try again. If you need to move the instances between AZs then you can use shelve_offload and unshelve to "
        "achieve this.."
    )


def _merged(metadata: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**metadata, **asked}.items() if value is not None}


def _save(ctx: Context, tx: Transaction, row: Row, **values: Any) -> Json:
    changed = {**values, "updated_at": ctx.now()}
    tx.execute(update(aggregates).where(aggregates.c.id == row["id"]).values(**changed))
    return _view({**row, **changed})


def _view(row: Row) -> Json:
    return {
        "availability_zone": row["metadata"].get(ZONE),
        "created_at": precise(row["created_at"]),
        "deleted": False,
        "deleted_at": None,
        "hosts": row["hosts"],
        "id": row["id"],
        "metadata": row["metadata"],
        "name": row["name"],
        "updated_at": precise(row["updated_at"]),
        "uuid": row["uuid"],
    }
