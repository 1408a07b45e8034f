"""nova-conductor: the computes' way to nova's database. Every method is one transaction and answers plain JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from mockcloud.bus.base import Incoming
from mockcloud.component import Component
from mockcloud.conductor import instances, other_rows
from mockcloud.conductor.errors import RequestLost
from mockcloud.conductor.lost_builds import LostBuilds
from mockcloud.conductor.objects import Objects
from mockcloud.conductor.task import ComputeTask
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row
from mockcloud.notifications.servers import ServerNotifier
from mockcloud.nova.records import heartbeat, mark_deleted, record_fault, start_event, to_message
from mockcloud.trace import step

ANY = "any"  # stands for an expectation that was not sent: null means that there must be none


class ConductorManager:
    """The endpoint of topic `conductor` (docs/rpc.md has the contract): classic's methods here, those of cells_v2 beside it.

    `tasks` run beside it. `started` is when the process began: what servers were asked for before, nobody builds any more.
    """

    def __init__(self, component: Component, db: Database, started: datetime | None = None) -> None:
        self._component, self._db, self._clock = component, db, component.clock
        # what a compute saves is told in its name, and from here
        self._notifier = ServerNotifier(component.bus, component.clock, component.settings, "compute", component.host)
        task, objects = ComputeTask(component, db), Objects(self)
        self.schedule_and_build_instances = task.schedule_and_build_instances
        self.build_instances = task.build_instances
        self.object_action = objects.object_action
        self.object_class_action_versions = objects.object_class_action_versions
        self.tasks: list[Callable[[], Awaitable[None]]] = [self._report_state]
        if started is not None:
            self.tasks.append(LostBuilds(component, db, started).fail)

    # servers

    async def instance_get_by_uuid(self, ctx: RequestContext, incoming: Incoming, instance_uuid: str) -> None:
        """Steps 15 to 17: a compute wants to know what it has to launch."""
        wanted = await self._take_request(ctx, instance_uuid)
        if wanted is None:  # a fault has lost the request
            return
        row = await self._read_instance(ctx, wanted) if wanted else None
        if row is None:
            raise RequestLost(f"The request for server {instance_uuid} was lost on its way to the database.")
        await self._return_instance(ctx, incoming, row)

    @step(15)
    async def _take_request(self, ctx: RequestContext, instance_uuid: str) -> str | None:
        """nova-conductor picks the request from the queue."""
        return instance_uuid

    @step(16)
    async def _read_instance(self, ctx: RequestContext, instance_uuid: str) -> Row:
        """It interacts with the database."""
        with self._db.transaction() as tx:
            return instances.read(tx, instance_uuid)

    @step(17)
    async def _return_instance(self, ctx: RequestContext, incoming: Incoming, row: Row) -> None:
        """It returns the instance's information, its flavor with it."""
        await incoming.reply(to_message(row))

    async def instance_read(self, ctx: RequestContext, instance_uuid: str) -> Row:
        """The same outside the launch."""
        with self._db.transaction() as tx:
            return to_message(instances.read(tx, instance_uuid))

    async def instance_get_all_by_host(self, ctx: RequestContext, host: str) -> list[Row]:
        with self._db.transaction() as tx:
            return [to_message(row) for row in instances.read_of_host(tx, host)]

    async def instance_update(
        self,
        ctx: RequestContext,
        instance_uuid: str,
        updates: dict[str, Any],
        expected_task_state: Any = ANY,
        expected_vm_state: Any = ANY,
    ) -> Row:
        """Compare and set: an expectation is a value, null, or a list of them; one not sent expects nothing."""
        sent = {"task_state": expected_task_state, "vm_state": expected_vm_state}
        expected = {name: value if isinstance(value, list) else [value] for name, value in sent.items() if value != ANY}
        with self._db.transaction() as tx:
            before = instances.read(tx, instance_uuid) if updates and self._notifier.listening else None
            row = to_message(instances.save(tx, self._clock.now(), instance_uuid, updates, expected))
        if before is not None:
            await self._notifier.updated(ctx, before, row)
        return row

    async def instance_destroy(self, ctx: RequestContext, instance_uuid: str) -> None:
        with self._db.transaction() as tx:
            mark_deleted(tx, self._clock.now(), instance_uuid)

    async def instance_info_cache_update(self, ctx: RequestContext, instance_uuid: str, network_info: list[Any]) -> None:
        with self._db.transaction() as tx:
            instances.write(tx, self._clock.now(), instance_uuid, {"network_info": network_info}, {})

    async def instance_group_get(self, ctx: RequestContext, group_uuid: str) -> Row | None:
        """Policy, rules and the members' hosts, by member; None when it was deleted meanwhile."""
        with self._db.transaction() as tx:
            return other_rows.read_group(tx, group_uuid)

    async def instance_fault_create(self, ctx: RequestContext, instance_uuid: str, code: int, message: str, details: str = "") -> None:
        with self._db.transaction() as tx:
            record_fault(tx, self._clock.now(), instance_uuid, message, details, code=code)

    # what is done to them

    async def action_event_start(self, ctx: RequestContext, instance_uuid: str, event: str, host: str) -> None:
        """Of a request that is delivered twice the event begins once."""
        with self._db.transaction() as tx:
            if not other_rows.has_event(tx, ctx.request_id, instance_uuid, event, host):
                start_event(tx, self._clock.now(), ctx.request_id, instance_uuid, event, host)

    async def action_event_finish(
        self, ctx: RequestContext, instance_uuid: str, event: str, host: str, exc: str | None = None, traceback: str | None = None
    ) -> None:
        with self._db.transaction() as tx:
            other_rows.close_event(tx, self._clock.now(), ctx.request_id, instance_uuid, event, exc, traceback)

    async def migration_create(self, ctx: RequestContext, values: dict[str, Any]) -> Row:
        with self._db.transaction() as tx:
            return to_message(other_rows.create_migration(tx, self._clock.now(), values))

    async def migration_update(self, ctx: RequestContext, migration_id: int, values: dict[str, Any]) -> Row:
        with self._db.transaction() as tx:
            return to_message(other_rows.update_migration(tx, self._clock.now(), migration_id, values))

    async def migration_get_open(self, ctx: RequestContext, instance_uuid: str) -> Row | None:
        """The latest resize that is neither confirmed nor reverted; a failed one is that too."""
        with self._db.transaction() as tx:
            row = other_rows.read_open_migration(tx, instance_uuid)
            return to_message(row) if row else None

    # their disks

    async def block_device_mapping_get_all_by_instance(self, ctx: RequestContext, instance_uuid: str) -> list[Row]:
        with self._db.transaction() as tx:
            return [to_message(row) for row in other_rows.read_mappings(tx, instance_uuid)]

    async def block_device_mapping_create(self, ctx: RequestContext, values: dict[str, Any]) -> Row:
        with self._db.transaction() as tx:
            return to_message(other_rows.create_mapping(tx, self._clock.now(), values))

    async def block_device_mapping_update(self, ctx: RequestContext, bdm_id: int, values: dict[str, Any]) -> Row:
        with self._db.transaction() as tx:
            return to_message(other_rows.update_mapping(tx, self._clock.now(), bdm_id, values))

    async def block_device_mapping_destroy(self, ctx: RequestContext, bdm_id: int) -> None:
        with self._db.transaction() as tx:
            other_rows.destroy_mapping(tx, bdm_id)

    # the computes themselves

    async def compute_node_update(self, ctx: RequestContext, host: str, node: str, values: dict[str, Any]) -> Row:
        with self._db.transaction() as tx:
            return to_message(other_rows.save_compute_node(tx, self._clock.now(), host, node, values))

    async def service_update(self, ctx: RequestContext, host: str, binary: str, topic: str) -> Row:
        with self._db.transaction() as tx:
            return to_message(heartbeat(tx, self._clock.now(), host, binary, topic))

    async def _report_state(self) -> None:
        while True:
            with self._db.transaction() as tx:
                heartbeat(tx, self._clock.now(), self._component.host, "nova-conductor", "conductor")
            await self._clock.sleep(self._component.settings.report_interval)
