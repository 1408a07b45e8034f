"""What a worker beside the APIs is given: scheduler, conductor, compute, volume manager."""

from __future__ import annotations

from dataclasses import dataclass

from mockcloud.bus.base import Bus
from mockcloud.clients import Clients
from mockcloud.clock import Clock
from mockcloud.settings import Settings


@dataclass(frozen=True, slots=True)
class Component:
    name: str  # nova-scheduler, nova-conductor, nova-compute, cinder-volume
    host: str
    settings: Settings
    clock: Clock
    bus: Bus
    clients: Clients
