"""Launching servers in the dialect cells_v2: volumes reserved, a build request written, the rest left to the conductor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select

from mockcloud.clients import Response
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden, InternalError
from mockcloud.nova import quota
from mockcloud.nova.api_tables import build_requests, instance_mappings, request_specs
from mockcloud.nova.block_devices import INVALID, Device, root_of
from mockcloud.nova.build_requests import erase
from mockcloud.nova.deletion import try_to
from mockcloud.nova.launch import Launch, flavor_copy
from mockcloud.nova.launch_entries import columns_of, read_entries
from mockcloud.nova.records import to_message
from mockcloud.nova.tables import instance_group_members
from mockcloud.objects import primitive
from mockcloud.trace import step

ATTACHMENTS = "3.44"
TASK_VERSION = "1.17"


async def request_builds(ctx: Context, launch: Launch) -> list[Row]:
    """From what was looked up to the conductor's queue, or nothing left behind."""
    try:
        await _reserve_volumes(ctx, launch)
        servers = await _write_requests(ctx, launch)
        if not servers:
            raise InternalError("The servers could not be written.")
        if await _cast_to_conductor(ctx, launch, servers) is None:
            raise InternalError("The servers were asked of nobody.")
    except BaseException:
        if _take_back(ctx, launch):
            await _free_volumes(ctx, launch)
        raise
    return servers


# volumes


async def _reserve_volumes(ctx: Context, launch: Launch) -> None:
    """The second visit to cinder: of several launches one gets the volume, and the others their refusal at once."""
    for device in _with_volume(launch):
        wanted = {"volume_uuid": device.volume_id, "connector": None, "instance_uuid": launch.uuids[0]}
        answer = await ctx.rest.post("block-storage", "/v3/attachments", json={"attachment": wanted}, version=ATTACHMENTS)
        if answer.status == 400:
            raise BadRequest(f"Invalid volume: Invalid input received: {_said(answer)}")
        if answer.status in (401, 403, 404, 409):
            raise BadRequest(f"{INVALID}failed to get volume {device.volume_id}.")
        if not answer.ok:
            raise InternalError(f"cinder answered {answer.status}")
        device.attachment_id = answer.json()["attachment"]["id"]


def _said(answer: Response) -> str:
    """As cinder's client puts it."""
    return f"{answer.message()} (HTTP {answer.status}) (Request-ID: {answer.headers.get('x-openstack-request-id', '')})"


async def _free_volumes(ctx: Context, launch: Launch) -> None:
    """Asked of cinder: a reservation may have been made and its answer lost."""
    if not _with_volume(launch):
        return
    query = {"instance_id": launch.uuids[0]}
    answer = await try_to(ctx.rest.get("block-storage", "/v3/attachments", params=query, version=ATTACHMENTS))
    for attachment in answer.json()["attachments"] if answer and answer.ok else ():
        path = f"/v3/attachments/{attachment['id']}"
        await try_to(ctx.rest.delete("block-storage", path, version=ATTACHMENTS, service_token=True))


def _with_volume(launch: Launch) -> list[Device]:
    return [device for device in launch.devices if device.volume_id]


# what is written


@step(7)
async def _write_requests(ctx: Context, launch: Launch) -> list[Row]:
    """It makes the initial entries of the new servers: how they are to be built, and that they have no cell yet."""
    with ctx.db.transaction() as tx:
        return _write(ctx, tx, launch)


def _write(ctx: Context, tx: Transaction, launch: Launch) -> list[Row]:
    """The quota is checked here again: launches at the same time cannot exceed it together."""
    if launch.given_up:
        return []
    if launch.owner != (ctx.project_id, ctx.user_id):
        raise Forbidden("What was looked up for one user is not launched for another.")
    if known := _read(tx, launch):
        return known
    count, group_id, now = len(launch.uuids), launch.request.group_id, ctx.now()
    quota.check_servers(tx, ctx.project_id, ctx.user_id, launch.flavor, count, count)
    disks = [device.columns() for device in launch.devices]
    for index, server_id in enumerate(launch.uuids):
        tx.insert(request_specs, created_at=now, instance_uuid=server_id, spec=_spec(launch, server_id))
        tx.insert(build_requests, block_device_mappings=disks, **columns_of(ctx, launch, server_id, index))
        owner = {"project_id": ctx.project_id, "user_id": ctx.user_id}
        tx.insert(instance_mappings, created_at=now, instance_uuid=server_id, **owner)
        if group_id is not None:
            quota.check_group_members(tx, ctx.project_id, ctx.user_id, group_id)
            tx.insert(instance_group_members, group_uuid=group_id, instance_uuid=server_id)
    return _read(tx, launch)


def _read(tx: Transaction, launch: Launch) -> list[Row]:
    return tx.all(select(build_requests).where(build_requests.c.uuid.in_(launch.uuids)).order_by(build_requests.c.id))


def _spec(launch: Launch, server_id: str) -> dict[str, Any]:
    """What the scheduler is to look for, with the fields of nova's RequestSpec."""
    place, root = launch.request.place, root_of(launch.devices)
    destination = dict(zip(("host", "node"), place.destination, strict=True)) if place.destination else None
    return {
        "instance_uuid": server_id,
        "num_instances": len(launch.uuids),
        "project_id": launch.owner[0],
        "user_id": launch.owner[1],
        "availability_zone": launch.zone,
        "flavor": primitive("Flavor", flavor_copy(launch.flavor)),
        "image": primitive("ImageMeta", launch.image),
        "is_bfv": root.destination_type == "volume" if root else not launch.image,
        "scheduler_hints": launch.request.hints,
        "security_groups": launch.security_groups,
        "force_hosts": _named(place.host),
        "force_nodes": _named(place.node),
        "ignore_hosts": None,
        "requested_destination": destination,
        "retry": None,
    }


def _named(name: str | None) -> list[str] | None:
    return [name] if name else None


def _take_back(ctx: Context, launch: Launch) -> bool:
    """As if nobody had asked. False: the conductor was faster, and the servers are on their way."""
    launch.given_up = True
    with ctx.db.transaction() as tx:
        if read_entries(tx, launch):
            return False
        erase(tx, launch.uuids)
        tx.execute(delete(instance_group_members).where(instance_group_members.c.instance_uuid.in_(launch.uuids)))
    return True


# what is said


@step(8)
async def _cast_to_conductor(ctx: Context, launch: Launch, servers: list[Row]) -> bool:
    """It casts the launch to the conductor, who asks the scheduler; the client is answered meanwhile."""
    arguments = {
        "build_requests": [_build_request(server) for server in servers],
        "request_specs": [primitive("RequestSpec", _spec(launch, server["uuid"])) for server in servers],
        "image": dict(launch.image),
        "admin_password": launch.admin_password,
        "injected_files": [list(file) for file in launch.request.files],
        "requested_networks": launch.networks,
        "block_device_mapping": _objects("BlockDeviceMapping", (device.columns() for device in launch.devices)),
        "tags": launch.request.tags,
    }
    method = {"namespace": "compute_task", "version": TASK_VERSION}
    await ctx.bus.cast(ctx.request, "conductor", "schedule_and_build_instances", **method, args=arguments)
    return True


def _build_request(server: Row) -> dict[str, Any]:
    row = to_message(server)
    disks = _objects("BlockDeviceMapping", row.pop("block_device_mappings"))
    about = {name: row[name] for name in ("id", "project_id", "created_at", "updated_at", "tags")}
    instance = primitive("Instance", row)
    return primitive("BuildRequest", {**about, "instance_uuid": row["uuid"], "instance": instance, "block_device_mappings": disks})


def _objects(name: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [primitive(name, row) for row in rows]
