"""Where a resize or a cold migration goes, and the room it takes meanwhile.

While the move lasts the server's one allocation holds both places: its old flavor on the source, the new one on the
destination (on one host: their sum). Confirming leaves the new part, reverting the old one; both are the compute's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from mockcloud.claims import Claims, PlacementFailed
from mockcloud.component import Component
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.nova.tables import instances
from mockcloud.scheduler import rows
from mockcloud.scheduler.resources import amounts
from mockcloud.scheduler.retries import MaxRetriesExceeded, attempt, with_attempt
from mockcloud.scheduler.selection import NoValidHost, Selector
from mockcloud.scheduler.spec import RequestSpec, from_message

LOG = logging.getLogger(__name__)

Fields = Mapping[str, Any]


class Resizes:
    def __init__(self, component: Component, db: Database, claims: Claims, selector: Selector) -> None:
        self._component, self._db, self._claims, self._selector = component, db, claims, selector

    async def prepare(
        self, ctx: RequestContext, instance: Fields, image: Fields, flavor: Fields, request_spec: Fields, filter_properties: Fields
    ) -> None:
        """Chooses, claims, and hands over to the destination; without a host the server is as it was."""
        began = self._component.clock.now()
        arguments = {"instance": instance, "image": image, "instance_type": flavor}
        arguments |= {"request_spec": request_spec, "filter_properties": filter_properties}
        spec = self._spec(instance, image, flavor, request_spec, filter_properties)
        reserved = self._reserved(instance)
        try:
            if attempt(filter_properties) > 1:  # what the attempt before claimed on its destination
                await self._claims.replace(ctx, spec.instance_uuid, reserved, spec.project_id, spec.user_id)
            if attempt(filter_properties) > self._component.settings.max_attempts:
                raise MaxRetriesExceeded(spec.instance_uuid)
            place = await self._find_host(ctx, spec, reserved, "cold migrate" if _migrates(instance, flavor) else "resize")
            properties = with_attempt(filter_properties, spec, place, self._component.settings.max_attempts)
            sent = {**arguments, "filter_properties": properties, "node": place[1]}
            await self._component.bus.cast(ctx, "compute", "prep_resize", server=place[0], args=sent)
        except Exception as error:
            if not isinstance(error, NoValidHost):
                LOG.exception("the move of server %s failed", spec.instance_uuid)
            await self._stay(ctx, spec, reserved)
            with self._db.transaction() as tx:
                now = self._component.clock.now()
                rows.explain(tx, now, spec.instance_uuid, error)
                rows.record_event(tx, began, now, spec.instance_uuid, (ctx.request_id, self._component.host), error)

    def _spec(self, instance: Fields, image: Fields, flavor: Fields, request_spec: Fields, filter_properties: Fields) -> RequestSpec:
        asked = {**request_spec, "instance_type": flavor, "image": image, "instance_uuids": [instance["uuid"]]}
        spec = from_message({"instance_properties": instance, **asked}, filter_properties)
        spec.instance_uuid = instance["uuid"]
        spec.boots_from_volume = not instance["image_ref"]
        if _migrates(instance, flavor) or not self._component.settings.allow_resize_to_same_host:
            spec.ignore_hosts = (*spec.ignore_hosts, instance["host"])
        with self._db.transaction() as tx:
            spec.group = rows.read_group(tx, spec.instance_uuid, spec.hint("group"))
        return spec

    def _reserved(self, instance: Fields) -> dict[str, Any]:
        """What the server takes where it is."""
        with self._db.transaction() as tx:
            source = rows.read_node(tx, instance["host"], instance["node"])
        return {source: {"resources": amounts(instance["flavor"], not instance["image_ref"])}} if source else {}

    async def _find_host(self, ctx: RequestContext, spec: RequestSpec, reserved: Fields, move: str) -> tuple[str, str]:
        found = await self._selector.select(ctx, spec, reserved=reserved)
        if not found.chosen:
            raise NoValidHost(f"No valid host found for {move}", found.refused[spec.instance_uuid].rejections)
        chosen = found.chosen[spec.instance_uuid][0]
        return chosen.host, chosen.node

    async def _stay(self, ctx: RequestContext, spec: RequestSpec, reserved: Fields) -> None:
        """Only the old room stays claimed, and the server is free for other requests."""
        try:
            await self._claims.replace(ctx, spec.instance_uuid, reserved, spec.project_id, spec.user_id)
        except PlacementFailed as error:
            LOG.error("the room of server %s may be claimed twice: %s", spec.instance_uuid, error)
        waiting = (instances.c.uuid == spec.instance_uuid, instances.c.task_state == "resize_prep")
        with self._db.transaction() as tx:
            tx.execute(update(instances).where(*waiting).values(task_state=None, updated_at=self._component.clock.now()))


def _migrates(instance: Fields, flavor: Fields) -> bool:
    """A move without a new flavor must not end where it began."""
    return bool(flavor.get("flavorid") == instance["flavor"].get("flavorid"))
