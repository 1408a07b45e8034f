"""Deleting a server: by its compute, or here when there is none or it is down."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import select, update

from mockcloud.clients import EndpointDown, Response
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.nova.action_log import record_action
from mockcloud.nova.build_requests import disks_of, withdraw
from mockcloud.nova.compute_rpc import cast, notifier
from mockcloud.nova.records import alive, mark_deleted, to_message
from mockcloud.nova.tables import block_device_mapping, instances, services
from mockcloud.nova.zones import is_up

log = logging.getLogger(__name__)


async def destroy(ctx: Context, server: Row) -> None:
    """Whatever state the server is in. Twice is once."""
    if await _destroyed_here(ctx, server):
        return
    with ctx.db.transaction() as tx:
        row = tx.one(select(instances).where(alive(server["uuid"])))
        if row is None or row["task_state"] == "deleting":
            return
        changed = {"task_state": "deleting", "progress": 0, "updated_at": ctx.now()}
        tx.execute(update(instances).where(alive(server["uuid"])).values(**changed))
        record_action(ctx, tx, server["uuid"], "delete")
    await cast(ctx, row | changed, "terminate_instance")


async def _destroyed_here(ctx: Context, server: Row) -> bool:
    """Without a compute the API cleans up. False: a compute has the server, and works."""
    with ctx.db.transaction() as tx:
        row = tx.one(select(instances).where(alive(server["uuid"])))
        if row is None:
            row = withdraw(tx, server["uuid"])  # it has no cell: whoever schedules it will find that it is gone
            if row is None:
                return True
            disks = disks_of(row)
        elif row["host"] and _works(ctx, tx, row["host"]):
            return False
        else:
            disks = tx.all(select(block_device_mapping).where(block_device_mapping.c.instance_uuid == row["uuid"]))
            record_action(ctx, tx, row["uuid"], "delete")
            mark_deleted(tx, ctx.now(), row["uuid"])
    told, server_before = notifier(ctx, "api"), to_message(row)
    await told.acted(ctx.request, "delete.start", server_before)
    await _free_ports(ctx, row)
    await free_volumes(ctx, disks)
    await try_to(ctx.own_rest.delete("placement", f"/allocations/{row['uuid']}", version="1.28"))
    await told.deleted(ctx.request, server_before)
    return True


def _works(ctx: Context, tx: Transaction, host: str) -> bool:
    service = tx.one(select(services).where(services.c.host == host, services.c.binary == "nova-compute"))
    return service is not None and is_up(service, ctx.now(), ctx.settings.service_down_time)


async def _free_ports(ctx: Context, server: Row) -> None:
    """Ports that nova made go, those that it was given are let loose."""
    answer = await try_to(ctx.own_rest.get("network", "/v2.0/ports", params={"device_id": server["uuid"]}))
    given = {vif["id"] for vif in server["network_info"] if vif.get("preserve_on_delete")}
    loose = {"device_id": "", "device_owner": "", "binding:host_id": "", "binding:profile": {}}
    for port in answer.json()["ports"] if answer and answer.ok else []:
        path = f"/v2.0/ports/{port['id']}"
        change = ctx.own_rest.put("network", path, json={"port": loose}) if port["id"] in given else ctx.own_rest.delete("network", path)
        await try_to(change)


async def free_volumes(ctx: Context, disks: list[Row]) -> None:
    for disk in disks:
        if disk["attachment_id"]:
            path = f"/v3/attachments/{disk['attachment_id']}"
            await try_to(ctx.rest.delete("block-storage", path, version="3.44", service_token=True))
        elif disk["volume_id"]:
            await _detach(ctx, disk["volume_id"], disk["instance_uuid"])
        if disk["volume_id"] and disk["delete_on_termination"]:
            await try_to(ctx.rest.delete("block-storage", f"/v3/volumes/{disk['volume_id']}"))


async def _detach(ctx: Context, volume_id: str, server_id: str) -> None:
    """An attachment that nova's row does not know: its answer was lost, or it came late."""
    path = f"/v3/volumes/{volume_id}"
    answer = await try_to(ctx.rest.get("block-storage", path))
    for attachment in answer.json()["volume"]["attachments"] if answer and answer.ok else []:
        if attachment["server_id"] == server_id:
            body = {"os-detach": {"attachment_id": attachment["attachment_id"]}}
            await try_to(ctx.rest.post("block-storage", f"{path}/action", json=body, service_token=True))


async def try_to(request: Any) -> Response | None:
    """One step of cleaning up: what fails is logged, the others go on. What is not there is fine."""
    try:
        answer: Response = await request
    except EndpointDown as error:
        log.warning("cleaning up after a server: %s", error)
        return None
    if not answer.ok and answer.status != 404:
        log.warning("cleaning up after a server: %s %s", answer.status, answer.message())
    return answer
