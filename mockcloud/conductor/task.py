"""The namespace `compute_task` of the dialect cells_v2: the conductor sees to it that servers are built."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockcloud.bus.base import Incoming
from mockcloud.claims import Claims
from mockcloud.component import Component
from mockcloud.conductor import cells
from mockcloud.conductor.errors import MaxRetriesExceeded, RequestLost
from mockcloud.conductor.reservations import Reservations
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row
from mockcloud.notifications.scheduling import SchedulingNotifier, spec_of
from mockcloud.notifications.servers import ServerNotifier
from mockcloud.nova.records import to_message, without_host
from mockcloud.objects import data_of, primitive
from mockcloud.trace import step

LOG = logging.getLogger(__name__)
Json = dict[str, Any]
SCHEDULER_VERSION, COMPUTE_VERSION = "4.5", "6.0"


@dataclass(slots=True)
class Build:
    """What the computes are told of a build besides the server: the arguments that are the same on every host."""

    request_spec: Json
    arguments: Json = field(repr=False)

    @property
    def forced(self) -> bool:
        spec = data_of(self.request_spec)
        return len(spec["force_hosts"] or ()) == 1 or len(spec["force_nodes"] or ()) == 1


class ComputeTask:
    def __init__(self, component: Component, db: Database) -> None:
        self._component, self._db, self._clock, self._bus = component, db, component.clock, component.bus
        about = (component.bus, component.clock, component.settings)
        self._servers = ServerNotifier(*about, "conductor", component.host)
        self._choices = SchedulingNotifier(*about, component.host)
        self._max_attempts = component.settings.max_attempts
        self._claims, self._reservations = Claims(component.clients), Reservations(component.clients, db, component.clock)

    async def schedule_and_build_instances(
        self,
        ctx: RequestContext,
        incoming: Incoming,
        build_requests: list[Json],
        request_specs: list[Json],
        image: Json,
        admin_password: str | None = None,
        injected_files: list[Any] | None = None,
        requested_networks: Any = None,
        block_device_mapping: list[Json] | None = None,
        tags: list[str] | None = None,
    ) -> None:
        """From nova-api's build requests to the computes' queues. Servers without a host end in cell0, all of the request's."""
        specs = {data_of(spec)["instance_uuid"]: spec for spec in request_specs}
        with self._db.transaction() as tx:
            pending = without_host(tx, specs)  # of a message that comes again, some may be under way
        uuids = [uuid for uuid in specs if uuid in pending]
        if not uuids:
            return
        try:
            host_lists = await self._call_scheduler(ctx, specs[uuids[0]], uuids)
            if host_lists is None:
                raise RequestLost("The scheduler returned no hosts.")
        except Exception as error:
            LOG.exception("scheduling of %s failed", ", ".join(uuids))
            await self._give_up(ctx, uuids, error)
            for uuid in uuids:
                await self._choices.found_none(ctx, "build_instances", spec_of(specs[uuid], [uuid]), uuid, error)
            return
        shared: Json = {
            "image": image,
            "admin_password": admin_password,
            "injected_files": injected_files,
            "requested_networks": requested_networks,
            "security_groups": data_of(specs[uuids[0]])["security_groups"],
            "block_device_mapping": block_device_mapping,
        }
        for uuid, hosts in zip(uuids, host_lists, strict=True):
            properties = {"scheduler_hints": data_of(specs[uuid])["scheduler_hints"]}
            await self._build(ctx, uuid, hosts, Build(specs[uuid], shared | {"filter_properties": properties}))

    @step(8)
    async def _call_scheduler(self, ctx: RequestContext, spec: Json, uuids: list[str]) -> list[list[Json]] | None:
        """It calls the scheduler for a host for each server, and for others to try after it."""
        wanted = {"spec_obj": spec, "instance_uuids": uuids, "return_objects": True, "return_alternates": True}
        found: list[list[Json]] | None = await self._bus.call(
            ctx, "scheduler", "select_destinations", version=SCHEDULER_VERSION, args=wanted
        )
        return found

    async def _build(self, ctx: RequestContext, uuid: str, hosts: list[Json], build: Build) -> None:
        """The server into its cell, then to its host. One that is deleted meanwhile leaves no claim."""
        if not hosts:
            await self._give_up(ctx, [uuid], RequestLost("The scheduler returned no host."))
            return
        with self._db.transaction() as tx:
            server = cells.move_in(tx, self._clock.now(), ctx, uuid)
            under_way = cells.under_way(tx, [uuid])
        if server is None:
            await self._claims.release_all(ctx, {uuid} - under_way)
            return
        if "retry" not in build.arguments["filter_properties"]:
            await self._servers.updated(ctx, None, to_message(server))
        try:
            if not await self._launch(ctx, server, hosts, build):
                raise RequestLost("The launch of the server was sent to nobody.")
        except Exception as error:
            LOG.exception("the launch of %s failed", uuid)
            await self._give_up(ctx, [uuid], error)

    @step(12)
    async def _launch(self, ctx: RequestContext, server: Row, hosts: list[Json], build: Build) -> bool:
        """It casts the build to the compute of the chosen host, with the hosts to try when it fails there."""
        host = data_of(hosts[0])
        arguments = {
            **build.arguments,
            "instance": primitive("Instance", to_message(server)),
            "request_spec": build.request_spec,
            "filter_properties": self._with_attempt(build, host),
            "node": host["nodename"],
            "limits": host["limits"] or {},
            "host_list": hosts[1:],
            "accel_uuids": [],
        }
        await self._bus.cast(ctx, "compute", "build_and_run_instance", server=host["service_host"], version=COMPUTE_VERSION, args=arguments)
        return True

    def _with_attempt(self, build: Build, host: Json) -> Json:
        """This attempt added. No `retry` in it means that there is no second attempt."""
        properties: Json = build.arguments["filter_properties"]
        if self._max_attempts == 1 or build.forced:
            return properties
        before = properties.get("retry") or {"num_attempts": 0, "hosts": []}
        hosts = [*before["hosts"], [host["service_host"], host["nodename"]]]
        return {**properties, "retry": {"num_attempts": before["num_attempts"] + 1, "hosts": hosts}}

    async def _give_up(self, ctx: RequestContext, uuids: Collection[str], error: Exception, with_event: bool = True) -> None:
        """Servers that still wait fail. Of those and of deleted ones no claim stays."""
        with self._db.transaction() as tx:
            now, host = self._clock.now(), self._component.host
            for uuid in uuids:
                if cells.bury(tx, now, ctx, uuid, error) and with_event:
                    cells.record_failure(tx, now, ctx, uuid, error, host)
            under_way = cells.under_way(tx, uuids)
        await self._claims.release_all(ctx, [uuid for uuid in uuids if uuid not in under_way])

    # another host

    async def build_instances(
        self,
        ctx: RequestContext,
        instances: list[Json],
        image: Json,
        filter_properties: Json,
        admin_password: str | None = None,
        injected_files: list[Any] | None = None,
        requested_networks: Any = None,
        security_groups: Any = None,
        block_device_mapping: list[Json] | None = None,
        legacy_bdm: bool = False,
        request_spec: Json | None = None,
        host_lists: list[list[Json]] | None = None,
    ) -> None:
        """A compute could not build its server: the next of the alternates, whose room is claimed now, or none."""
        shared: Json = {
            "image": image,
            "admin_password": admin_password,
            "injected_files": injected_files,
            "requested_networks": requested_networks,
            "security_groups": security_groups,
            "block_device_mapping": block_device_mapping,
            "filter_properties": filter_properties,
        }
        for instance, hosts in zip(instances, host_lists or [], strict=True):
            await self._build_again(ctx, data_of(instance)["uuid"], hosts, Build(request_spec or {}, shared))

    async def _build_again(self, ctx: RequestContext, uuid: str, hosts: list[Json], build: Build) -> None:
        with self._db.transaction() as tx:
            if not without_host(tx, [uuid]):
                return
        try:
            left = await self._claim_next(ctx, uuid, hosts, build)
            await self._reservations.renew(ctx, uuid)
        except Exception as error:
            LOG.warning("server %s cannot be built elsewhere: %s", uuid, error)
            await self._reservations.free(ctx, uuid)
            await self._give_up(ctx, [uuid], error, with_event=False)
            await self._choices.found_none(ctx, "build_instances", spec_of(build.request_spec, [uuid]), uuid, error)
        else:
            await self._build(ctx, uuid, left, build)

    async def _claim_next(self, ctx: RequestContext, uuid: str, hosts: list[Json], build: Build) -> list[Json]:
        """The alternates from the first on whose room could be claimed. Raises MaxRetriesExceeded when there is none."""
        spec: Mapping[str, Any] = data_of(build.request_spec)
        for number, host in enumerate(hosts):
            allocations = json.loads(data_of(host)["allocation_request"])["allocations"]
            if await self._claims.claim(ctx, uuid, allocations, spec["project_id"], spec["user_id"]):
                return hosts[number:]
        raise MaxRetriesExceeded(uuid)
