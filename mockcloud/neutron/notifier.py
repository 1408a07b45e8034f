"""What nova is told: events about servers' ports, in batches."""

from __future__ import annotations

import logging

from mockcloud.clients import EndpointDown
from mockcloud.db.engine import Row
from mockcloud.http.service import Service

log = logging.getLogger(__name__)

Event = dict[str, str]


def is_server_port(port: Row) -> bool:
    return bool(port["device_id"]) and str(port["device_owner"]).startswith("compute:")


def event(name: str, port: Row, status: str = "") -> Event:
    found = {"name": name, "server_uuid": port["device_id"], "tag": port["id"]}
    return found | ({"status": status} if status else {})


class Notifier:
    """Sends at once; what comes within `send_events_interval` seconds after that goes together."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: list[Event] = []
        self._busy = False

    def queue(self, told: Event) -> None:
        self._waiting.append(told)
        if not self._busy:
            self._busy = True
            self._service.runtime.spawn(self._send_all())

    async def _send_all(self) -> None:
        clock = self._service.clock
        try:
            await clock.sleep(0)  # what one request brings about goes together
            while self._waiting:
                events, self._waiting = self._waiting, []
                await self._send(events)
                await clock.sleep(self._service.settings.send_events_interval)
        finally:
            self._busy = False

    async def _send(self, events: list[Event]) -> None:
        """A nova that is away or does not want to know is no error of neutron's."""
        try:
            answer = await self._service.clients.own().post("compute", "/v2.1/os-server-external-events", json={"events": events})
        except EndpointDown as error:
            log.info("nova was not told of %s: %s", events, error)
            return
        if not answer.ok:
            log.info("nova answered %s to %s", answer.status, events)
