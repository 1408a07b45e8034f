"""The L2 agents of all hosts: a bound port of a device becomes ACTIVE, and nova learns what happens to servers' ports."""

from __future__ import annotations

import asyncio

from sqlalchemy import select, update

from mockcloud.db.engine import Row
from mockcloud.http.service import Service
from mockcloud.neutron.notifier import Notifier, event, is_server_port
from mockcloud.neutron.tables import ports


class Agent:
    def __init__(self, service: Service, notifier: Notifier) -> None:
        self._service, self._notifier = service, notifier
        self._up = True

    async def run(self) -> None:
        """As long as this lasts ports are wired; when it begins, those that were bound before it."""
        self._up = True
        with self._service.db.transaction() as tx:
            bound = tx.all(select(ports).where(ports.c.binding_vif_type == "ovs", ports.c.device_id != "", ports.c.status == "DOWN"))
        try:
            for port in bound:
                await self._wire(port)
            await asyncio.Event().wait()
        finally:
            self._up = False

    def changed(self, old: Row | None, new: Row | None) -> None:
        """After the commit that made (`old` is None), changed or deleted (`new` is None) a port."""
        if new is None:
            if old is not None and is_server_port(old):
                self._notifier.queue(event("network-vif-deleted", old))
            return
        if new["binding_vif_type"] == "ovs" and new["device_id"] and new["status"] == "DOWN" and self._up:
            self._service.runtime.spawn(self._wire(new))  # before the notifier wakes: what comes of one change is told together
        if old is not None and is_server_port(new):
            self._notifier.queue(event("network-changed", new))
        if old is not None and old["status"] == "ACTIVE" and new["status"] == "DOWN" and is_server_port(old):
            self._notifier.queue(event("network-vif-unplugged", old, "completed"))

    def readdressed(self, port: Row) -> None:
        """After a floating IP has come to a port or has left it."""
        if is_server_port(port):
            self._notifier.queue(event("network-changed", port))

    async def _wire(self, port: Row) -> None:
        """The port is plugged, unless it was bound elsewhere or unbound meanwhile."""
        await self._service.clock.sleep(0)
        same = [ports.c[name] == port[name] for name in ("id", "device_id", "binding_host_id", "binding_vif_type", "status")]
        with self._service.db.transaction() as tx:
            wired = tx.execute(update(ports).where(*same).values(status="ACTIVE"))
        if wired and is_server_port(port):
            self._notifier.queue(event("network-vif-plugged", port, "completed"))
