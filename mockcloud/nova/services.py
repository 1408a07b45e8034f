"""Services and whether they are up; computes may be disabled, forced down and removed."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import delete, func, or_, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.nova.aggregates import take_out
from mockcloud.nova.provider_aggregates import drop_provider, leave, providers_of
from mockcloud.nova.tables import aggregates, compute_nodes, instances, migrations, services
from mockcloud.nova.times import precise
from mockcloud.nova.values import is_true
from mockcloud.nova.zones import is_up, read_zones, zone_of_service

COMPUTE = "nova-compute"
OVER = ("confirmed", "reverted", "error", "failed", "completed", "cancelled", "done")  # what a migration may end as
UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")


async def list_services(ctx: Context, query: Query) -> Json:
    stmt = select(services).order_by(services.c.id)
    for name in ("host", "binary"):
        if query.get(name):
            stmt = stmt.where(services.c[name] == query[name])
    with ctx.db.transaction() as tx:
        zones = read_zones(tx)
        return {"services": [_view(ctx, row, zones) for row in tx.all(stmt)]}


async def update_service(ctx: Context, service_id: str, body: Json) -> Json:
    """Until 2.52 the path says what to do, and the body to which service; since then the other way round."""
    if ctx.at_least("2.53"):
        return {"service": _update_by_id(ctx, service_id, body)}
    return {"service": _update_by_host(ctx, service_id, body)}


def _update_by_host(ctx: Context, action: str, body: Json) -> Json:
    values, shown = _changes(ctx, action, body)
    who = {"host": body["host"], "binary": body["binary"]}
    with ctx.db.transaction() as tx:
        if values.get("forced_down") is False and body["binary"] == COMPUTE:
            _check_evacuations(tx, body["host"])
        _check_compute(body["binary"])
        if not tx.execute(update(services).filter_by(**who).values(**values)):
            raise NotFound(f"Host '{body['host']}' is not mapped to any cell")
    return who | shown


def _changes(ctx: Context, action: str, body: Json) -> tuple[dict[str, Any], Json]:
    """What an old-style action sets, and what it answers."""
    if action == "enable":
        return {"disabled": False, "disabled_reason": None}, {"status": "enabled"}
    if action == "disable":
        return {"disabled": True, "disabled_reason": None}, {"status": "disabled"}
    if action == "disable-log-reason":
        if "disabled_reason" not in body:
            raise BadRequest("Missing disabled reason field")
        reason = {"disabled_reason": body["disabled_reason"]}
        return {"disabled": True, **reason}, {"status": "disabled", **reason}
    if action == "force-down" and ctx.at_least("2.11"):
        if "forced_down" not in body:
            raise BadRequest("Missing forced_down field")
        down = {"forced_down": is_true(body["forced_down"])}
        return down, down
    raise NotFound("Unknown action")


def _update_by_id(ctx: Context, service_id: str, body: Json) -> Json:
    _check_uuid(service_id)
    with ctx.db.transaction() as tx:
        row = tx.one(select(services).where(services.c.uuid == service_id))
        if row is None:
            raise NotFound(f"Service {service_id} could not be found.")
        _check_compute(row["binary"])
        values = _asked(body)
        if values.get("forced_down") is False:
            _check_evacuations(tx, row["host"])
        if not values:
            raise BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
        tx.execute(update(services).where(services.c.id == row["id"]).values(**values))
        return _view(ctx, row | values, read_zones(tx))


def _asked(body: Json) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if body.get("status") == "enabled":
        if body.get("disabled_reason"):
            raise BadRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
        values = {"disabled": False, "disabled_reason": None}
    elif body.get("status") == "disabled":
        values = {"disabled": True, "disabled_reason": body.get("disabled_reason")}
    if "forced_down" in body:
        values["forced_down"] = is_true(body["forced_down"])
    return values


async def delete_service(ctx: Context, service_id: str) -> None:
    """A compute goes with its nodes, its place in aggregates and its resource providers."""
    with ctx.db.transaction() as tx:
        row = _find(ctx, tx, service_id)
        if row["binary"] == COMPUTE:
            _check_empty(tx, row["host"])
        providers = providers_of(tx, row["host"]) if row["binary"] == COMPUTE else []
        groups = [group for group in tx.all(select(aggregates)) if row["binary"] == COMPUTE and row["host"] in group["hosts"]]
    for group in groups:
        for provider in providers:
            await leave(ctx.own_rest, provider, group["uuid"])
        take_out(ctx, group["id"], row["host"])
    for provider in providers:
        await drop_provider(ctx.own_rest, provider)
    with ctx.db.transaction() as tx:
        tx.execute(delete(services).where(services.c.id == row["id"]))
        if row["binary"] == COMPUTE:
            tx.execute(delete(compute_nodes).where(compute_nodes.c.host == row["host"]))


def _find(ctx: Context, tx: Transaction, service_id: str) -> Row:
    column: Any = services.c.uuid
    if ctx.at_least("2.53"):
        _check_uuid(service_id)
    elif not service_id.isdecimal() or len(service_id) > 18:
        raise BadRequest("Invalid input received: id must be an integer")
    else:
        column = services.c.id
    row = tx.one(select(services).where(column == service_id))
    if row is None:
        raise NotFound(f"Service {service_id} not found.")
    return row


def _check_empty(tx: Transaction, host: str) -> None:
    here = select(func.count()).select_from(instances).where(instances.c.host == host, instances.c.deleted_at.is_(None))
    if tx.scalar(here):
        raise Conflict("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
    moving = select(func.count()).select_from(migrations).where(migrations.c.status.not_in(OVER))
    if tx.scalar(moving.where(or_(migrations.c.source_compute == host, migrations.c.dest_compute == host))):
        raise Conflict(
            "Unable to delete compute service that has in-progress migrations. Complete the migrations or delete the instances first."
        )


def _check_compute(binary: str) -> None:
    if binary != COMPUTE:
        raise BadRequest(f"Updating a {binary} service is not supported. Only nova-compute services can be updated.")


def _check_uuid(service_id: str) -> None:
    if not UUID.match(service_id):
        raise BadRequest(f"Invalid uuid {service_id}")


def _check_evacuations(tx: Transaction, host: str) -> None:
    left = {"source_compute": host, "status": "done", "migration_type": "evacuation"}
    if tx.one(select(migrations.c.id).filter_by(**left).limit(1)):
        raise BadRequest(
            f"Unable to force up host {host} as `done` evacuation migration records remain associated with the host. Ensure the compute "
            "service has been restarted, allowing these records to move to `completed` before retrying this request."
        )


def _view(ctx: Context, row: Row, zones: dict[str, str]) -> Json:
    up = is_up(row, ctx.now(), ctx.settings.service_down_time)
    return {
        "binary": row["binary"],
        "host": row["host"],
        "id": row["uuid"] if ctx.at_least("2.53") else row["id"],
        "zone": zone_of_service(row, zones, ctx.settings.default_availability_zone),
        "status": "disabled" if row["disabled"] else "enabled",
        "state": "up" if up else "down",
        "updated_at": precise(row["updated_at"]),
        "disabled_reason": row["disabled_reason"],
        "forced_down": row["forced_down"],
    }
