"""Who may disconnect a volume from a running server: nova alone (bug 2004555)."""

from __future__ import annotations

from mockcloud.cinder.faults import invalid_input, used_by_nova
from mockcloud.cinder.lookup import attachments_of
from mockcloud.clients import EndpointDown
from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.errors import Unavailable

SERVICE_ROLE = "service"


def is_service_request(ctx: Context) -> bool:
    """It came with the token of a service beside the user's own."""
    return SERVICE_ROLE in ctx.request.service_roles


async def refuse_if_nova_has_it(ctx: Context, volume_id: str, attachment: Row) -> None:
    """Raises 409 for an attachment that is connected to a server, when nova says so too."""
    if is_service_request(ctx):
        return
    if attachment["volume_id"] != volume_id:
        raise invalid_input("Mismatched volume and attachment")
    server_id = attachment["instance_uuid"]
    if server_id and attachment["connection_info"] and await _nova_has(ctx, server_id, volume_id, attachment["id"]):
        raise used_by_nova(server_id)


async def refuse_if_nova_has_volume(ctx: Context, volume_id: str, attachment_id: str | None = None) -> None:
    """The same for a request that may leave the attachment out; among several it must name one."""
    if is_service_request(ctx):
        return
    with ctx.db.transaction() as tx:
        attachments = attachments_of(tx, volume_id)
    meant = [row for row in attachments if attachment_id in (None, row["id"])]
    if attachment_id is None and not attachments:
        return
    if len(meant) != 1:
        raise used_by_nova("")
    await refuse_if_nova_has_it(ctx, volume_id, meant[0])


async def _nova_has(ctx: Context, server_id: str, volume_id: str, attachment_id: str) -> bool:
    path = f"/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}"
    try:
        answer = await ctx.own_rest.get("compute", path, version="2.89")
    except EndpointDown:
        raise Unavailable("The server is currently unavailable. Please try again at a later time.") from None
    if answer.status == 404:
        return False
    if not answer.ok:
        raise Unavailable("The server is currently unavailable. Please try again at a later time.")
    return bool(answer.json()["volumeAttachment"].get("attachment_id") == attachment_id)
