"""Volumes of a server that is built on another host: their attachments went with the build that failed, and are made anew."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from mockcloud.clients import Clients, EndpointDown, Response
from mockcloud.clock import Clock
from mockcloud.conductor import other_rows
from mockcloud.conductor.errors import VolumeBDMNotFound, VolumeTaken
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row

LOG = logging.getLogger(__name__)
VERSION = "3.44"


class Reservations:
    def __init__(self, clients: Clients, db: Database, clock: Clock) -> None:
        self._clients, self._db, self._clock = clients, db, clock

    async def renew(self, ctx: RequestContext, instance_uuid: str) -> None:
        """Each volume without an attachment gets one, with no connector yet. Raises VolumeTaken, and no volume is reserved then."""
        disks = self._disks(instance_uuid)
        try:
            for disk in disks:
                if not disk["attachment_id"]:
                    disk["attachment_id"] = await self._reserve(ctx, disk)
                    self._note(disk)
        except Exception:
            await self._free(ctx, disks)
            raise

    async def free(self, ctx: RequestContext, instance_uuid: str) -> None:
        """There is no other host: what was kept for it is free again."""
        await self._free(ctx, self._disks(instance_uuid))

    def _disks(self, instance_uuid: str) -> list[Row]:
        with self._db.transaction() as tx:
            return [disk for disk in other_rows.read_mappings(tx, instance_uuid) if disk["volume_id"]]

    async def _reserve(self, ctx: RequestContext, disk: Row) -> str:
        wanted = {"volume_uuid": disk["volume_id"], "connector": None, "instance_uuid": disk["instance_uuid"]}
        rest = self._clients.user(ctx)
        try:
            answer: Response = await rest.post("block-storage", "/v3/attachments", json={"attachment": wanted}, version=VERSION)
        except EndpointDown as error:
            raise VolumeTaken(str(error)) from error
        if not answer.ok:
            raise VolumeTaken(answer.message())
        attachment: dict[str, Any] = answer.json()["attachment"]
        return str(attachment["id"])

    async def _free(self, ctx: RequestContext, disks: list[Row]) -> None:
        """What cinder does not free now is freed when the server is deleted: its row keeps the attachment."""
        for disk in disks:
            if disk["attachment_id"] and await self._delete(ctx, disk["attachment_id"]):
                disk["attachment_id"] = None
                with contextlib.suppress(VolumeBDMNotFound):  # the server was deleted meanwhile
                    self._note(disk)

    async def _delete(self, ctx: RequestContext, attachment_id: str) -> bool:
        path = f"/v3/attachments/{attachment_id}"
        try:
            answer = await self._clients.own(ctx).delete("block-storage", path, version=VERSION, service_token=True)
        except EndpointDown as error:
            LOG.warning("attachment %s stays: %s", attachment_id, error)
            return False
        return answer.ok or answer.status == 404

    def _note(self, disk: Row) -> None:
        with self._db.transaction() as tx:
            other_rows.update_mapping(tx, self._clock.now(), disk["id"], {"attachment_id": disk["attachment_id"]})
