"""Builds whose message died with the process that carried it: nobody would ever go on with them, so they fail."""

from __future__ import annotations

import logging
from datetime import datetime

from mockcloud.claims import Claims
from mockcloud.component import Component
from mockcloud.conductor import cells
from mockcloud.context import service_context
from mockcloud.db.engine import Database

LOG = logging.getLogger(__name__)


class BuildLost(Exception):
    """The cloud stopped before a compute had begun with the server."""


class LostBuilds:
    """`started`: when this process began. What was asked for earlier has no message any more, unless a broker kept it."""

    def __init__(self, component: Component, db: Database, started: datetime) -> None:
        self._component, self._db, self._started = component, db, started
        self._claims = Claims(component.clients)

    async def fail(self) -> None:
        """Of a server that a compute had begun with, that compute looks after."""
        if self._component.settings.bus_url:
            return
        ctx, error = service_context("nova"), BuildLost("The cloud was restarted before the server was built.")
        with self._db.transaction() as tx:
            lost = cells.asked_before(tx, self._started)
            for uuid in lost:
                cells.end(tx, self._component.clock.now(), ctx, uuid, error)
        for uuid in lost:
            LOG.warning("server %s: %s", uuid, error)
        await self._claims.release_all(ctx, lost)
