"""One compute host: its parts, its record in nova and placement, its sign of life."""

from __future__ import annotations

import logging
from typing import Any

from mockcloud.bus.base import MessagingTimeout, RemoteError
from mockcloud.claims import PlacementFailed
from mockcloud.clients import EndpointDown
from mockcloud.component import Component
from mockcloud.compute.attachments import Attachments
from mockcloud.compute.conductor import Conductor
from mockcloud.compute.drivers.base import Driver
from mockcloud.compute.hypervisor import Hypervisor
from mockcloud.compute.image import Images
from mockcloud.compute.network import Networks
from mockcloud.compute.object_conductor import ObjectConductor
from mockcloud.compute.placement import DISABLED, Placement
from mockcloud.compute.plugged import PluggedInterfaces
from mockcloud.compute.usage import Share, Tracker, inventories, share
from mockcloud.compute.volume import Volumes
from mockcloud.context import RequestContext, service_context
from mockcloud.notifications.servers import ServerNotifier
from mockcloud.trace import note
from mockcloud.turns import Turns

LOG = logging.getLogger(__name__)
Json = dict[str, Any]
SHOULD_RUN = ("active", "resized", "rescued")
UNREACHABLE = (PlacementFailed, EndpointDown, MessagingTimeout, RemoteError)


class Host:
    """What all the work on this host's servers shares. `name` is the host's, `node` the hypervisor's."""

    def __init__(self, component: Component, driver: Driver) -> None:
        self.name, self.settings, self.clock, self.bus = component.host, component.settings, component.clock, component.bus
        in_cells = self.settings.dialect == "cells_v2"
        self.conductor = (ObjectConductor if in_cells else Conductor)(component.bus, component.host)
        self.notifier = ServerNotifier(component.bus, component.clock, component.settings, "compute", component.host)
        self.hypervisor = Hypervisor(driver)
        self.images = Images(component.clients, component.clock)
        self.networks = Networks(component.clients, component.host, self.settings.default_availability_zone)
        self.volumes = (Attachments if in_cells else Volumes)(component.clients, component.clock, component.host)
        self.plugged = PluggedInterfaces(component.clock)
        self.placement = Placement(component.clients)
        self.turns = Turns()  # one at a time for each server
        self.lost: set[str] = set()  # servers that should run and had no guest when this host came up
        self.tasks_found: dict[str, str | None] = {}  # of the servers that it had then
        self.tracker: Tracker | None = None
        self.provider = ""  # uuid of the compute node and of its resource provider
        self._disabled: bool | None = None  # as placement was told last
        self._reported: Json | None = None  # of the usage, since the last sign of life

    @property
    def usage(self) -> Tracker:
        if self.tracker is None:
            raise RuntimeError("init_host has not run")
        return self.tracker

    @property
    def node(self) -> str:
        return self.usage.capacity.node

    def now(self) -> str:
        return self.clock.now().isoformat()

    async def register(self) -> None:
        """Counts what is here and makes the host known. Placement may be away: the heartbeat tries again."""
        ctx = service_context("nova")
        capacity = await self.hypervisor.capacity()
        self.tracker = Tracker(capacity)
        self.volumes.initiator, self.volumes.host_ip = capacity.initiator, capacity.host_ip
        self.images.folder = capacity.image_folder
        guests = await self.hypervisor.power_states()
        for instance in await self.conductor.instances_here(ctx):
            self.tasks_found[instance["uuid"]] = instance["task_state"]
            if instance["uuid"] not in guests and instance["task_state"] is None and instance["vm_state"] in SHOULD_RUN:
                self.lost.add(instance["uuid"])
            if instance["vm_state"] not in ("building", "error", "shelved_offloaded"):
                self.usage.shares[instance["uuid"]] = share(instance["flavor"], not instance["image_ref"])
        row = await self.conductor.save_node(ctx, self.node, self.usage.node_values())
        self.provider = row["uuid"]
        await self._beat(ctx)

    async def report_state(self) -> None:
        while True:
            await self.clock.sleep(self.settings.report_interval)
            await self._beat(service_context("nova"))

    async def _beat(self, ctx: RequestContext) -> None:
        self._reported = None  # so that a report that came twice, and late, does not stand for ever
        try:
            service = await self.conductor.beat(ctx)
            if service["disabled"] != self._disabled:
                traits = [*self.usage.capacity.traits, *([DISABLED] if service["disabled"] else [])]
                await self.placement.register(ctx, self.provider, self.node, inventories(self.usage.capacity), traits)
                self._disabled = service["disabled"]
        except UNREACHABLE as error:
            LOG.warning("%s could not report: %s", self.name, error)

    # room

    def claim(self, instance: Json) -> Share:
        """Raises ComputeResourcesUnavailable."""
        wanted = share(instance["flavor"], not instance["image_ref"])
        self.usage.claim(instance["uuid"], wanted)
        note("claimed", instance_uuid=instance["uuid"], node=self.node)
        return wanted

    async def report_usage(self, ctx: RequestContext) -> None:
        """After each change. A report that is lost is made good by the next one; what was said last is not said again."""
        values = self.usage.node_values()
        if values == self._reported:
            return
        self._reported = values
        try:
            await self.conductor.save_node(ctx, self.node, values)
        except (MessagingTimeout, RemoteError) as error:
            self._reported = None
            LOG.warning("the usage of %s could not be reported: %s", self.name, error)

    async def forget(self, ctx: RequestContext, server_id: str) -> None:
        """The server takes nothing here any more."""
        self.usage.forget(server_id)
        await self.report_usage(ctx)
