"""The L2 agents of all hosts: what makes a bound port ACTIVE, and tells nova."""

from __future__ import annotations

import logging

from sqlalchemy import update

from mockcloud.clients import Clients, EndpointDown
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.neutron.tables import ports

log = logging.getLogger(__name__)


class Agent:
    def __init__(self, db: Database, clock: Clock, clients: Clients) -> None:
        self._db, self._clock, self._clients = db, clock, clients

    async def wire(self, port_id: str, device_id: str, ctx: RequestContext) -> None:
        """The port is up; nova learns it as `network-vif-plugged`. A nova that does not want to know is no error."""
        await self._clock.sleep(0)
        bound = update(ports).where(ports.c.id == port_id, ports.c.device_id == device_id, ports.c.binding_vif_type == "ovs")
        with self._db.transaction() as tx:
            if not tx.execute(bound.values(status="ACTIVE")):
                return
        event = {"name": "network-vif-plugged", "server_uuid": device_id, "tag": port_id, "status": "completed"}
        try:
            answer = await self._clients.own(ctx).post("compute", "/v2.1/os-server-external-events", json={"events": [event]})
            if not answer.ok:
                log.info("nova answered %s to the plugging of port %s", answer.status, port_id)
        except EndpointDown as error:
            log.info("nova was not told of port %s: %s", port_id, error)
