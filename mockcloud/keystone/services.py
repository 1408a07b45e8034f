"""Services, endpoints and regions: what the catalog is made of."""

from __future__ import annotations

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.credentials import expecting
from mockcloud.keystone.tables import endpoints as endpoints_table
from mockcloud.keystone.tables import regions as regions_table
from mockcloud.keystone.tables import services as services_table

KNOWN = dict.fromkeys(
    ("tenant_id", "project_id", "user_id", "public_bind_host", "admin_bind_host", "compute_host",
     "public_endpoint", "admin_endpoint", "public_port", "admin_port", "compute_port"), "",
)  # fmt: skip


def _check_endpoint(ctx: Context, tx: Transaction, row: Row) -> None:
    """A region named by the old attribute `region` is made when it is new."""
    region = row["extra"].pop("region", None)
    if region is not None and row.get("region_id") is None:
        row["region_id"] = region
        if tx.one(select(regions_table).where(regions_table.c.id == region)) is None:
            tx.insert(regions_table, id=region, description="", extra={})
    elif row.get("region_id") and tx.one(select(regions_table).where(regions_table.c.id == row["region_id"])) is None:
        raise expecting("endpoint region_id", "region table")
    if tx.one(select(services_table).where(services_table.c.id == row["service_id"])) is None:
        raise expecting("endpoint service_id", "service table")


def _new_endpoint(ctx: Context, tx: Transaction, row: Row) -> None:
    try:
        row["url"].replace("$(", "%(") % KNOWN
    except (KeyError, ValueError, TypeError) as error:
        raise BadRequest(f"Cannot create an endpoint with an invalid URL: {row['url']}.") from error
    _check_endpoint(ctx, tx, row)


def _service_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    tx.execute(delete(endpoints_table).where(endpoints_table.c.service_id == row["id"]))


def _endpoint_view(ctx: Context, row: Row) -> Json:
    shown = {name: value for name, value in row.items() if name != "extra"}
    return {**(row.get("extra") or {}), **shown, "region": row["region_id"], "links": {"self": ctx.url(f"/v3/endpoints/{row['id']}")}}


services = Collection(
    "service",
    services_table,
    "/v3/services",
    before_delete=_service_gone,
    defaults={"enabled": True, "name": "", "description": ""},
)
endpoints = Collection(
    "endpoint",
    endpoints_table,
    "/v3/endpoints",
    before_create=_new_endpoint,
    before_update=_check_endpoint,
    defaults={"enabled": True, "region_id": None},
    view=_endpoint_view,
)


def _new_region(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.one(select(regions_table).where(regions_table.c.id == row["id"])) is not None:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {row['id']}..")
    _check_region(ctx, tx, row)


def _check_region(ctx: Context, tx: Transaction, row: Row) -> None:
    """The parent is there, and no child of its own child."""
    parent, seen = row.get("parent_region_id"), {row["id"]}
    while parent:
        if parent in seen:
            raise BadRequest(f"The specified parent region {row['parent_region_id']} would create a circular region hierarchy.")
        seen.add(parent)
        above = tx.one(select(regions_table).where(regions_table.c.id == parent))
        if above is None:
            raise NotFound(f"Could not find region: {parent}.")
        parent = above["parent_region_id"]


def _region_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    """With its children, unless an endpoint is in one of them."""
    gone, level = [row["id"]], [row["id"]]
    while level:
        level = [child["id"] for child in tx.all(select(regions_table.c.id).where(regions_table.c.parent_region_id.in_(level)))]
        gone += level
    if tx.scalar(select(endpoints_table.c.id).where(endpoints_table.c.region_id.in_(gone)).limit(1)) is not None:
        raise Forbidden(f"Unable to delete region {row['id']} because it or its child regions have associated endpoints.")
    tx.execute(delete(regions_table).where(regions_table.c.id.in_(gone[1:])))


regions = Collection(
    "region",
    regions_table,
    "/v3/regions",
    before_create=_new_region,
    before_update=_check_region,
    before_delete=_region_gone,
    defaults={"description": "", "parent_region_id": None},
    keeps_id=True,
)


async def replace_region(ctx: Context, region_id: str, body: Json) -> Json:
    """Makes a region under the id of the path."""
    given = body["region"]
    if given.get("id", region_id) != region_id:
        raise BadRequest(f'Conflicting region IDs specified: "{region_id}" != "{given["id"]}"')
    return await regions.operations()["create_region"](ctx, body={"region": given | {"id": region_id}})
