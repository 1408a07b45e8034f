"""What the cloud's volume service is made of: services, zones, pools, extensions, query filters."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from mockcloud.cinder.listing import RESOURCE_FILTERS, is_true
from mockcloud.cinder.lookup import find_type_by_name_or_id
from mockcloud.cinder.registry import is_up
from mockcloud.cinder.rpc import call_scheduler
from mockcloud.cinder.tables import services
from mockcloud.cinder.views import shown_time
from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json, Query

EXTENSIONS = (  # alias, name, what it is about, updated
    ("os-admin-actions", "AdminActions", "Actions that administrators may take", "2012-08-25T00:00:00+00:00"),
    ("os-availability-zone", "AvailabilityZones", "Availability zones", "2013-06-27T00:00:00+00:00"),
    ("os-extended-services", "ExtendedServices", "More about services", "2014-01-10T00:00:00-00:00"),
    ("os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "More about snapshots", "2012-06-19T00:00:00+00:00"),
    ("os-quota-class-sets", "QuotaClasses", "Quota classes", "2012-03-12T00:00:00+00:00"),
    ("os-quota-sets", "Quotas", "Quotas", "2011-08-08T00:00:00+00:00"),
    ("OS-SCH-HNT", "SchedulerHints", "Hints for the scheduler", "2013-04-18T00:00:00+00:00"),
    ("scheduler-stats", "Scheduler_stats", "Pools as the scheduler sees them", "2014-09-07T00:00:00+00:00"),
    ("os-services", "Services", "Services", "2012-10-28T00:00:00-00:00"),
    ("os-snapshot-actions", "SnapshotActions", "Actions on snapshots", "2013-07-16T00:00:00+00:00"),
    ("os-types-extra-specs", "TypesExtraSpecs", "Extra specs of volume types", "2011-08-24T00:00:00+00:00"),
    ("os-types-manage", "TypesManage", "Making and changing volume types", "2011-08-24T00:00:00+00:00"),
    ("os-used-limits", "UsedLimits", "What is used of the limits", "2013-10-03T00:00:00+00:00"),
    ("os-volume-actions", "VolumeActions", "Actions on volumes", "2012-05-31T00:00:00+00:00"),
    ("os-volume-encryption-metadata", "VolumeEncryptionMetadata", "How a volume is encrypted", "2013-07-10T00:00:00+00:00"),
    ("os-vol-host-attr", "VolumeHostAttribute", "Where a volume is", "2011-11-03T00:00:00+00:00"),
    ("os-vol-image-meta", "VolumeImageMetadata", "What a volume remembers of its image", "2012-12-07T00:00:00+00:00"),
    ("os-vol-mig-status-attr", "VolumeMigStatusAttribute", "How far a volume's migration is", "2013-08-08T00:00:00+00:00"),
    ("os-vol-tenant-attr", "VolumeTenantAttribute", "Whose a volume is", "2011-11-03T00:00:00+00:00"),
    ("os-volume-type-access", "VolumeTypeAccess", "Who may use a private volume type", "2014-06-26T00:00:00Z"),
)


async def list_services(ctx: Context, query: Query) -> Json:
    stmt = select(services).order_by(services.c.binary, services.c.host)
    for name in ("host", "binary"):
        if name in query:
            stmt = stmt.where(services.c[name] == query[name])
    return {"services": [_service_view(ctx, row) for row in ctx.db.all(stmt)]}


def _service_view(ctx: Context, row: Row) -> Json:
    view: dict[str, Any] = {
        "binary": row["binary"],
        "host": row["host"],
        "zone": row["availability_zone"],
        "status": "disabled" if row["disabled"] else "enabled",
        "state": "up" if is_up(row, ctx.now(), ctx.settings.service_down_time) else "down",
        "updated_at": shown_time(row["updated_at"]),
        "disabled_reason": row["disabled_reason"],
        "cluster": None,
    }
    if row["binary"] == "cinder-volume":
        view |= {"replication_status": "disabled", "active_backend_id": None, "frozen": False, "backend_state": "up"}
    return view


async def enable_service(ctx: Context, body: Json) -> Json:
    return _switched(ctx, body, disabled=False)


async def disable_service(ctx: Context, body: Json) -> Json:
    return _switched(ctx, body, disabled=True)


async def disable_service_with_reason(ctx: Context, body: Json) -> Json:
    return {**_switched(ctx, body, disabled=True), "disabled_reason": body["disabled_reason"]}


def _switched(ctx: Context, body: Json, disabled: bool) -> Json:
    """`binary` is the newer name of `service`; both come back as they were sent."""
    binary = body.get("binary", "") or body.get("service", "")
    own = (services.c.host == body["host"], services.c.binary == binary)
    values = {"disabled": disabled, "disabled_reason": body.get("disabled_reason")}
    with ctx.db.transaction() as tx:
        if not tx.execute(update(services).where(*own).values(**values)):
            raise NotFound(f"Service {binary} could not be found on host {body['host']}.")
    status = "disabled" if disabled else "enabled"
    sent = {"service": body.get("service", ""), "binary": body.get("binary", "")}
    return {"host": body["host"], **sent, "status": status, "disabled": disabled}


async def list_availability_zones(ctx: Context) -> Json:
    zones: dict[str, bool] = {}
    for row in ctx.db.all(select(services).where(services.c.binary == "cinder-volume")):
        zones[row["availability_zone"]] = zones.get(row["availability_zone"], False) or not row["disabled"]
    return {"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": up}} for name, up in zones.items()]}


async def list_pools(ctx: Context, query: Query) -> Json:
    pools: list[dict[str, Any]] = await call_scheduler(ctx, "get_pools")
    if "name" in query:
        pools = [pool for pool in pools if pool["name"] == query["name"]]
    if "volume_type" in query:
        with ctx.db.transaction() as tx:
            specs = find_type_by_name_or_id(ctx, tx, query["volume_type"])["extra_specs"]
        wanted = specs.get("volume_backend_name")
        pools = [pool for pool in pools if wanted in (None, pool["capabilities"]["volume_backend_name"])]
    return {"pools": pools if is_true(query.get("detail", "")) else [{"name": pool["name"]} for pool in pools]}


async def list_extensions(ctx: Context) -> Json:
    return {"extensions": [_extension_view(extension) for extension in EXTENSIONS]}


async def show_extension(ctx: Context, alias: str) -> Json:
    for extension in EXTENSIONS:
        if extension[0] == alias:
            return {"extension": _extension_view(extension)}
    raise NotFound("The resource could not be found.")


def _extension_view(extension: tuple[str, str, str, str]) -> Json:
    alias, name, description, updated = extension
    return {"name": name, "alias": alias, "description": description, "updated": updated, "links": []}


async def list_resource_filters(ctx: Context, query: Query) -> Json:
    wanted = query.get("resource")
    shown = {name: filters for name, filters in RESOURCE_FILTERS.items() if wanted in (None, name)}
    return {"resource_filters": [{"resource": name, "filters": filters} for name, filters in shown.items()]}
