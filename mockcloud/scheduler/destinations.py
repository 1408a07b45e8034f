"""`select_destinations` of the dialect cells_v2: hosts and alternates for the conductor, who launches on them itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mockcloud.bus.base import Incoming
from mockcloud.claims import CANDIDATES_VERSION, Claims
from mockcloud.component import Component
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.notifications.scheduling import SchedulingNotifier, spec_of
from mockcloud.nova.api_tables import CELL1
from mockcloud.nova.records import without_host
from mockcloud.objects import primitive
from mockcloud.scheduler import rows
from mockcloud.scheduler.selection import NoValidHost, Selection, Selections, Selector
from mockcloud.scheduler.spec import RequestSpec, from_object
from mockcloud.trace import step
from mockcloud.turns import Turns

Json = dict[str, Any]


class Destinations:
    def __init__(self, component: Component, db: Database, claims: Claims, selector: Selector, turns: Turns) -> None:
        self._db, self._claims, self._selector, self._turns = db, claims, selector, turns
        self._alternates = component.settings.max_attempts - 1
        self._choices = SchedulingNotifier(component.bus, component.clock, component.settings, component.host)

    async def select_destinations(
        self,
        ctx: RequestContext,
        incoming: Incoming,
        spec_obj: Json,
        instance_uuids: list[str],
        return_objects: bool = False,
        return_alternates: bool = False,
    ) -> None:
        """Steps 9 to 11. A host for every server, its room claimed, or NoValidHost and nothing claimed for any."""
        spec = await self._take_request(ctx, spec_obj, instance_uuids)
        if spec is None:  # a fault has lost the request
            return
        told = spec_of(spec_obj, instance_uuids)
        await self._choices.choosing(ctx, "select_destinations.start", told)
        async with self._turns.of(spec.hint("group") or spec.instance_uuid):
            selections = await self._find_hosts(ctx, spec, self._alternates if return_alternates else 0)
            if selections is None:
                raise NoValidHost
            await self._choices.choosing(ctx, "select_destinations.end", told)
            await self._return_hosts(ctx, incoming, instance_uuids, selections)

    @step(9)
    async def _take_request(self, ctx: RequestContext, spec_obj: Json, instance_uuids: Sequence[str]) -> RequestSpec | None:
        """nova-scheduler picks the request from the queue."""
        return from_object(spec_obj, instance_uuids)

    @step(10)
    async def _find_hosts(self, ctx: RequestContext, spec: RequestSpec, alternates: int) -> Selections:
        """It filters and weighs the hosts that placement offers, and claims room on the best."""
        with self._db.transaction() as tx:
            wanted = without_host(tx, spec.instance_uuids)
            spec.group = rows.read_group(tx, spec.instance_uuid, spec.hint("group"))
        spec.instance_uuids = tuple(uuid for uuid in spec.instance_uuids if uuid in wanted)
        if not spec.instance_uuids:
            return Selections()
        selections = await self._selector.select(ctx, spec, alternates=alternates)
        with self._db.transaction() as tx:
            deserted = selections.chosen.keys() - without_host(tx, spec.instance_uuids)
        if selections.refused:  # all or nothing
            await self._claims.release_all(ctx, selections.chosen)
            raise _explained(next(iter(selections.refused.values())))
        await self._claims.release_all(ctx, deserted)  # deleted, or given up by a conductor that waited for too long
        return selections

    @step(11)
    async def _return_hosts(self, ctx: RequestContext, incoming: Incoming, instance_uuids: list[str], selections: Selections) -> None:
        """It returns a list for each server: the host that was claimed, then those that may be tried after it."""
        await incoming.reply([[_selection(one) for one in selections.chosen.get(uuid, ())] for uuid in instance_uuids])


def _explained(refused: NoValidHost) -> NoValidHost:
    """Over the bus go the sentence and the traceback: the reasons are in the latter, for the administrator."""
    for rejection in refused.rejections:
        refused.add_note(str(rejection))
    return refused


def _selection(chosen: Selection) -> Json:
    return primitive(
        "Selection",
        {
            "service_host": chosen.host,
            "nodename": chosen.node,
            "compute_node_uuid": chosen.compute_node,
            "cell_uuid": CELL1,
            "limits": None,
            "availability_zone": chosen.zone,
            "allocation_request": json.dumps(chosen.allocation_request),
            "allocation_request_version": CANDIDATES_VERSION,
        },
    )
