"""The launch of a server on this host in the dialect cells_v2: the network beside the volumes, the image inside the spawn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

from mockcloud.bus.base import Incoming
from mockcloud.compute import volume
from mockcloud.compute.build import HOMELESS, ON_THE_WAY, Builds, Launch, Overtaken
from mockcloud.compute.errors import (
    AnswerLost,
    ComputeResourcesUnavailable,
    GroupAffinityViolation,
    RescheduledException,
    VolumeFailed,
)
from mockcloud.compute.host import Host
from mockcloud.compute.network import Port
from mockcloud.compute.undo import Undo, undo_on_failure
from mockcloud.context import RequestContext
from mockcloud.objects import data_of, primitive
from mockcloud.trace import step

LOG = logging.getLogger(__name__)
Json = dict[str, Any]
TASK_VERSION = "1.25"


class CellBuilds(Builds):
    event = "compute__do_build_and_run_instance"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        limit = host.settings.max_concurrent_builds
        self._room = asyncio.Semaphore(limit) if limit else contextlib.nullcontext()

    async def build_and_run_instance(
        self,
        ctx: RequestContext,
        incoming: Incoming,
        instance: Json,
        image: Json,
        request_spec: Json,
        filter_properties: Json,
        admin_password: str | None = None,
        injected_files: list[Any] | None = None,
        requested_networks: Any = None,
        security_groups: Any = None,
        block_device_mapping: list[Json] | None = None,
        node: str | None = None,
        limits: Json | None = None,
        host_list: list[Json] | None = None,
        accel_uuids: list[str] | None = None,
    ) -> None:
        """Ends with a running server, with one in ERROR, or with the conductor, who tries the next of `host_list`."""
        message = {
            "image": image,
            "request_spec": request_spec,
            "filter_properties": filter_properties,
            "admin_password": admin_password,
            "injected_files": injected_files,
            "requested_networks": requested_networks,
            "security_groups": security_groups,
            "block_device_mapping": block_device_mapping,
            "host_list": host_list or [],
        }
        async with self._room:
            await self.perform(ctx, Launch(data_of(instance)["uuid"], message, incoming.redelivered))

    async def build_and_run(self, ctx: RequestContext, launch: Launch) -> None:
        """Steps 13 to 28: from the queue to a running guest, or nothing left behind."""
        async with undo_on_failure() as undo, launch:
            await self._take_request(ctx, launch)  # 13
            server = await self._begin(ctx, launch)  # 14-18
            await self._claim(ctx, launch, server, undo)
            async with self._network_beside(ctx, launch, undo) as network:  # 22-24
                disks = await self._attach_volumes(ctx, launch, undo)  # 25-27
                await self._enter(ctx, launch, "block_device_mapping", "spawning")
                image = await self._fetch_image(ctx, launch)  # 19-21
                network_info = await network
            guest = self._guest(launch, image, network_info, disks)
            await self._host.plugged.wait(launch.uuid, launch.unplugged, self._host.settings.vif_plugging_timeout)
            await self._run(ctx, launch, guest, disks, undo)  # 28

    # 14-18

    async def _begin(self, ctx: RequestContext, launch: Launch) -> Json:
        answer = await self._ask_conductor(ctx, launch)
        return await self._take_answer(ctx, launch, answer)

    @step(14)
    async def _ask_conductor(self, ctx: RequestContext, launch: Launch) -> Json | None:
        """It has the conductor begin the event, and save the server as one that is being built: the guard of two deliveries."""
        expected: list[str | None] = ["scheduling", None]
        if launch.redelivered and await self._was_here(ctx, launch):
            expected = ON_THE_WAY
        await self._conductor.start_event(ctx, launch.uuid, self.event)
        return await self._conductor.save(ctx, launch.uuid, {"vm_state": "building", "task_state": None}, expected, "building")

    async def _was_here(self, ctx: RequestContext, launch: Launch) -> bool:
        """Whether an earlier delivery got as far as the claim. The server may be another host's by now."""
        server = await self._conductor.instance(ctx, launch.uuid)
        if server is None or server["host"] not in (None, self._host.name):
            raise Overtaken
        return bool(server["host"])

    async def _claim(self, ctx: RequestContext, launch: Launch, server: Json | None, undo: Undo) -> None:
        """Host and node are the server's from here on."""
        if server is None:
            raise AnswerLost("The conductor's answer with the server was lost.")
        launch.server = server
        await self._check_allocation(ctx, launch)
        launch.owned = True
        undo.push(self._host.placement.release, ctx, launch.uuid)
        await self._host.notifier.acted(ctx, "create.start", launch.server, image_name=launch.message["image"].get("name", ""))
        if launch.redelivered:
            await self._clear_away(ctx, launch)
        group = _group_of(launch)
        async with self._host.turns.of(group) if group else contextlib.nullcontext():
            self._take_room(ctx, launch, undo)
            here = {"host": self._host.name, "node": self._host.node, "launched_on": self._host.name}
            launch.server = await self._conductor.save(ctx, launch.uuid, here, None, "building")
            await self._host.report_usage(ctx)
            if group:
                await self._check_group(ctx, launch, group)

    async def _check_allocation(self, ctx: RequestContext, launch: Launch) -> None:
        """Of two copies of a message on two hosts, one has the room that was claimed."""
        providers = await self._host.placement.providers_of(ctx, launch.uuid)
        if not providers:
            raise ComputeResourcesUnavailable("nothing is allocated to the server")
        if self._host.provider not in providers:
            LOG.info("server %s has its room elsewhere", launch.uuid)
            raise Overtaken

    async def _check_group(self, ctx: RequestContext, launch: Launch, group_uuid: str) -> None:
        """The scheduler could not see members on their way at the same time: the last word is here."""
        group = await self._conductor.group(ctx, group_uuid)
        others = [host for uuid, host in group["hosts"].items() if uuid != launch.uuid] if group else []
        if group is None:
            return
        most = int((group["rules"] or {}).get("max_server_per_host", 1))
        if group["policy"] == "anti-affinity" and others.count(self._host.name) >= most:
            raise GroupAffinityViolation("Anti-affinity")
        if group["policy"] == "affinity" and others and self._host.name not in others:
            raise GroupAffinityViolation("Affinity")

    async def _clear_away(self, ctx: RequestContext, launch: Launch) -> None:
        """Reservations that nobody has used yet go as well: attaching makes them anew."""
        await super()._clear_away(ctx, launch)
        await self._free_reserved(ctx, launch)

    async def _free_reserved(self, ctx: RequestContext, launch: Launch) -> None:
        """A cinder that is away keeps no server in BUILD: what stays reserved is freed when the server is deleted."""
        for bdm in await self._conductor.block_devices(ctx, launch.uuid):
            if bdm["attachment_id"]:
                try:
                    await self._host.volumes.give_back(ctx, bdm["volume_id"], launch.uuid, bdm["attachment_id"])
                except VolumeFailed as error:
                    LOG.warning("volume %s of server %s stays reserved: %s", bdm["volume_id"], launch.uuid, error)
                else:
                    await self._conductor.update_block_device(ctx, bdm["id"], attachment_id=None)

    # 22-24

    @contextlib.asynccontextmanager
    async def _network_beside(self, ctx: RequestContext, launch: Launch, undo: Undo) -> AsyncIterator[asyncio.Task[list[Json]]]:
        """The network is allocated while the block works. One that fails waits for it, so that it can be undone."""
        await self._enter(ctx, launch, None, "networking")
        self._host.plugged.expect(launch.uuid)
        undo.push(self._release_network, ctx, launch)
        network = asyncio.get_running_loop().create_task(self._network(ctx, launch))
        try:
            yield network
        except Exception:
            await asyncio.wait([network])
            raise
        finally:
            network.cancel()
            await asyncio.gather(network, return_exceptions=True)

    async def _network(self, ctx: RequestContext, launch: Launch) -> list[Json]:
        ports = await self._ask_network(ctx, launch)
        launch.unplugged = {port.body["id"] for port in ports or () if _is_unplugged(port)}
        network_info = await self._receive_network(ctx, launch, ports)
        if network_info is None:
            raise AnswerLost("The network information was lost.")
        return network_info

    # 25-27

    def _attachment(self, launch: Launch, bdm: Json) -> volume.Attachment:
        """With what nova-api or the conductor has reserved."""
        return volume.Attachment(launch.uuid, bdm, bdm["device_name"], bdm["volume_id"], attachment_id=bdm["attachment_id"])

    # when it is over

    async def _reschedule(self, ctx: RequestContext, launch: Launch, error: Exception) -> None:
        """Back to the conductor, with the hosts that are left to try."""
        server = await self._conductor.save(ctx, launch.uuid, HOMELESS | {"task_state": "scheduling"}, ON_THE_WAY, "building")
        LOG.info("%s", RescheduledException(launch.uuid, str(error)))
        message = dict(launch.message)
        hosts, properties = message.pop("host_list"), message["filter_properties"]
        retry = {**properties["retry"], "exc": traceback.format_exception(error), "exc_reason": str(error)}
        again = {
            **message,
            "instances": [primitive("Instance", server)],
            "filter_properties": {**properties, "retry": retry},
            "legacy_bdm": False,
            "host_lists": [hosts],
        }
        await self._host.bus.cast(ctx, "conductor", "build_instances", namespace="compute_task", version=TASK_VERSION, args=again)

    async def _close_event(self, ctx: RequestContext, launch: Launch, error: Exception | None) -> None:
        """It says Success even of a build that failed, as nova's does: the build has caught its own error."""
        self._host.plugged.forget(launch.uuid)
        await self._conductor.finish_event(ctx, launch.uuid, self.event)


def _group_of(launch: Launch) -> str | None:
    hints: Mapping[str, Any] = data_of(launch.message["request_spec"]).get("scheduler_hints") or {}
    group = hints.get("group")
    return group[0] if isinstance(group, list) and group else group or None


def _is_unplugged(port: Port) -> bool:
    """As neutron answered to its binding: the agent of this host is still to wire it."""
    return bool(port.body["status"] != "ACTIVE" and port.body["admin_state_up"])
