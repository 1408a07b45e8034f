"""The services table: each worker says that it is there, and goes on saying so."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select, update

from mockcloud.cinder.rpc import ZONE
from mockcloud.cinder.tables import services
from mockcloud.component import Component
from mockcloud.db.engine import Database, Row


class Registration:
    """One worker's row."""

    def __init__(self, component: Component, db: Database) -> None:
        self._component, self._db = component, db

    def report(self) -> str:
        """The service's uuid; the row is made at the first report."""
        now, component = self._component.clock.now(), self._component
        own = (services.c.host == component.host, services.c.binary == component.name)
        with self._db.transaction() as tx:
            known = tx.one(select(services).where(*own))
            if known is not None:
                tx.execute(update(services).where(*own).values(updated_at=now))
                return str(known["uuid"])
            values = {"host": component.host, "binary": component.name, "availability_zone": ZONE}
            return str(tx.insert(services, uuid=str(uuid.uuid4()), created_at=now, updated_at=now, **values))

    async def heartbeat(self) -> None:
        while True:
            await self._component.clock.sleep(self._component.settings.report_interval)
            self.report()


def is_up(service: Row, now: datetime, service_down_time: float) -> bool:
    seen: datetime = service["updated_at"] or service["created_at"]
    return now - seen <= timedelta(seconds=service_down_time)
