"""cinder as a compute of the dialect cells_v2 sees it: an attachment is created, given a connector, completed, deleted."""

from __future__ import annotations

from mockcloud.compute.volume import Attachment, Volumes
from mockcloud.context import RequestContext


class Attachments(Volumes):
    async def reserve(self, ctx: RequestContext, attachment: Attachment) -> None:
        """A volume made just now, or one that an earlier delivery has given back. The others nova-api has reserved."""
        if not attachment.attachment_id:
            wanted = {"volume_uuid": attachment.volume_id, "connector": None, "instance_uuid": attachment.server_id}
            answer = await self._user(ctx, "POST", "/v3/attachments", json={"attachment": wanted})
            attachment.attachment_id = answer.json()["attachment"]["id"]

    async def give_back(self, ctx: RequestContext, volume_id: str, server_id: str, attachment_id: str | None = None) -> None:
        """Every attachment of the volume to the server is deleted, also one whose id never came to be known."""
        query = {"instance_id": server_id, "volume_id": volume_id}
        known = await self._own(ctx, "GET", "/v3/attachments", params=query | {"all_tenants": "1"})
        ids = {one["id"] for one in known.json()["attachments"]} | ({attachment_id} if attachment_id else set())
        for one in sorted(ids):
            await self._own(ctx, "DELETE", f"/v3/attachments/{one}", missing_ok=True)
