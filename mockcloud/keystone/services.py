"""Services, endpoints and regions: what the catalog is made of."""

from __future__ import annotations

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.tables import endpoints as endpoints_table
from mockcloud.keystone.tables import regions as regions_table
from mockcloud.keystone.tables import services as services_table


def _check_endpoint(ctx: Context, tx: Transaction, row: Row) -> None:
    region = row["extra"].pop("region", None)
    row["region_id"] = row.get("region_id") or region
    if tx.one(select(services_table).where(services_table.c.id == row["service_id"])) is None:
        raise BadRequest(f"Service {row['service_id']} cannot be found.", title="Bad Request")
    if row["region_id"] and tx.one(select(regions_table).where(regions_table.c.id == row["region_id"])) is None:
        tx.insert(regions_table, id=row["region_id"], description="", extra={})


def _service_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    tx.execute(delete(endpoints_table).where(endpoints_table.c.service_id == row["id"]))


def _endpoint_view(ctx: Context, row: Row) -> Json:
    shown = {name: value for name, value in row.items() if name != "extra"}
    return {**(row.get("extra") or {}), **shown, "region": row["region_id"], "links": {"self": ctx.url(f"/v3/endpoints/{row['id']}")}}


services = Collection("service", services_table, "/v3/services", before_delete=_service_gone, defaults={"enabled": True, "description": ""})
endpoints = Collection(
    "endpoint",
    endpoints_table,
    "/v3/endpoints",
    before_create=_check_endpoint,
    before_update=_check_endpoint,
    defaults={"enabled": True, "region_id": None},
    view=_endpoint_view,
)


def _new_region(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.one(select(regions_table).where(regions_table.c.id == row["id"])) is not None:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {row['id']}..")
    _check_region(ctx, tx, row)


def _check_region(ctx: Context, tx: Transaction, row: Row) -> None:
    parent = row.get("parent_region_id")
    if parent and tx.one(select(regions_table).where(regions_table.c.id == parent)) is None:
        raise NotFound(f"Could not find region: {parent}.")


def _region_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.scalar(select(endpoints_table.c.id).where(endpoints_table.c.region_id == row["id"]).limit(1)) is not None:
        raise Forbidden(f"Unable to delete region {row['id']} because it or its child regions have associated endpoints.")


regions = Collection(
    "region",
    regions_table,
    "/v3/regions",
    before_create=_new_region,
    before_update=_check_region,
    before_delete=_region_gone,
    defaults={"description": "", "parent_region_id": None},
)
