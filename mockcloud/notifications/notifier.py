"""How a service tells: its exchange, its name as a publisher, and whether anything is to be told at all."""

from __future__ import annotations

import logging
from typing import Any

from mockcloud.bus.base import Bus, Notification
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.settings import CONTROLLER

LOG = logging.getLogger(__name__)
Json = dict[str, Any]

UNVERSIONED, VERSIONED = "notifications", "versioned_notifications"  # topics
FORMATS = {"none": (), "unversioned": (UNVERSIONED,), "versioned": (VERSIONED,), "both": (UNVERSIONED, VERSIONED)}


class Notifier:
    """`formats` is the setting `notifications`. Only nova has versioned ones: what other services have goes out in any format."""

    def __init__(self, bus: Bus, clock: Clock, formats: str, exchange: str, service: str, host: str = CONTROLLER) -> None:
        self._bus, self._clock, self._exchange = bus, clock, exchange
        self.topics = FORMATS[formats]
        self.service, self.host = service, host

    @property
    def publisher(self) -> str:
        return f"{self.service}.{self.host}"

    def now(self) -> str:
        """ISO, naive UTC, by the cloud's clock."""
        return self._clock.now().isoformat()

    async def tell(
        self, ctx: RequestContext, event_type: str, payload: Json, *, priority: str = "INFO", publisher: str = "", topic: str = UNVERSIONED
    ) -> None:
        """Whatever becomes of it: what is told of has happened all the same."""
        if not self.topics:
            return
        event = Notification(event_type, publisher or self.publisher, payload, str(self._clock.now()), priority)
        try:
            await self._bus.notify(ctx, self._exchange, topic, event)
        except Exception:
            LOG.exception("the notification %s was lost", event_type)
