"""The launch of a server on this host, steps 13 to 28: the classic way, and what it shares with that of cells_v2."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from typing import Any

from mockcloud.bus.base import Incoming, MessagingTimeout, RemoteError
from mockcloud.compute import devices, network, volume
from mockcloud.compute.drivers.base import Guest, Image, PowerState
from mockcloud.compute.errors import (
    AnswerLost,
    BuildAbortException,
    ComputeResourcesUnavailable,
    Final,
    InstanceDeployFailure,
    RescheduledException,
    is_overtaken,
)
from mockcloud.compute.host import Host
from mockcloud.compute.hypervisor import instance_name
from mockcloud.compute.image import check_fits
from mockcloud.compute.undo import Undo, undo_on_failure
from mockcloud.context import RequestContext
from mockcloud.trace import step

LOG = logging.getLogger(__name__)
Json = dict[str, Any]

HOMELESS: Json = {"host": None, "node": None, "launched_on": None, "network_info": []}
CONDUCTOR_PAUSE = 1.0  # seconds between attempts to say that a launch failed
ON_THE_WAY = ["scheduling", None, "networking", "block_device_mapping", "spawning"]  # task states of a server being built


@dataclass(slots=True)
class Launch:
    """One message `run_instance` on its way through the steps. `message` are its arguments, for a host that tries next."""

    uuid: str
    message: Json = field(repr=False)
    redelivered: bool
    owned: bool = False  # this host has the server: the guard was passed
    over: bool = False
    server: Json = field(default_factory=dict)
    unplugged: set[str] = field(default_factory=set)  # ports that neutron has still to plug (cells_v2)

    @property
    def given_ports(self) -> list[str]:
        asked = self.message["requested_networks"]
        return [entry["port_id"] for entry in asked if entry.get("port_id")] if isinstance(asked, list) else []

    async def __aenter__(self) -> Launch:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.over = True

    def must_go_on(self) -> None:
        """A step that was put off happens no more when its launch is over: nobody would undo it."""
        if self.over:
            raise LaunchIsOver(self.uuid)


class Builds:
    event = "compute_run_instance"  # of the action

    def __init__(self, host: Host) -> None:
        self._host, self._conductor = host, host.conductor

    async def run_instance(
        self,
        ctx: RequestContext,
        incoming: Incoming,
        instance: Json,
        request_spec: Json,
        filter_properties: Json | None = None,
        requested_networks: network.Asked = None,
        injected_files: list[Any] | None = None,
        admin_password: str | None = None,
        is_first_time: bool = True,
        node: str | None = None,
    ) -> None:
        """Ends with a running server, with one in ERROR, or with the message at the scheduler again."""
        message = {
            "request_spec": request_spec,
            "filter_properties": filter_properties or {},
            "requested_networks": requested_networks,
            "injected_files": injected_files,
            "admin_password": admin_password,
        }
        await self.perform(ctx, Launch(instance["uuid"], message, incoming.redelivered))

    async def perform(self, ctx: RequestContext, launch: Launch) -> None:
        """One at a time for each server."""
        async with self._host.turns.of(launch.uuid):
            error: Exception | None = None
            try:
                await self.build_and_run(ctx, launch)
            except Exception as failure:
                error = await self._settle(ctx, launch, failure)
            self._host.usage.failed_builds = 0 if error is None else self._host.usage.failed_builds + 1
            if launch.owned:
                await self._host.report_usage(ctx)
                await self._close_event(ctx, launch, error)

    async def build_and_run(self, ctx: RequestContext, launch: Launch) -> None:
        """Steps 13 to 28: from the queue to a running guest, or nothing left behind."""
        async with undo_on_failure() as undo, launch:
            await self._take_request(ctx, launch)  # 13
            server = await self._fetch_server(ctx, launch)  # 14-18
            await self._claim(ctx, launch, server, undo)
            image = await self._fetch_image(ctx, launch)  # 19-21
            network_info = await self._allocate_network(ctx, launch, undo)  # 22-24
            disks = await self._attach_volumes(ctx, launch, undo)  # 25-27
            guest = self._guest(launch, image, network_info, disks)
            await self._enter(ctx, launch, "block_device_mapping", "spawning")
            await self._run(ctx, launch, guest, disks, undo)  # 28

    # 13-18

    @step(13)
    async def _take_request(self, ctx: RequestContext, launch: Launch) -> None:
        """nova-compute picks the request from the queue."""
        LOG.debug("server %s is to be launched on %s", launch.uuid, self._host.name)

    async def _fetch_server(self, ctx: RequestContext, launch: Launch) -> Json:
        answer = await self._ask_conductor(ctx, launch)
        return await self._take_answer(ctx, launch, answer)

    @step(14)
    async def _ask_conductor(self, ctx: RequestContext, launch: Launch) -> Json | None:
        """It calls the conductor for the server's data: host, flavor, ..."""
        return await self._conductor.instance(ctx, launch.uuid)

    @step(18)
    async def _take_answer(self, ctx: RequestContext, launch: Launch, answer: Json | None) -> Json:
        """It picks them from the queue."""
        if answer is None:
            raise AnswerLost("The conductor did not answer with the server.")
        return answer

    async def _claim(self, ctx: RequestContext, launch: Launch, server: Json | None, undo: Undo) -> None:
        """The first save is the guard: of two deliveries one passes. What it passed for is this host's from then on."""
        if server is None:
            raise AnswerLost("The conductor's answer with the server was lost.")
        if server["host"] != self._host.name:
            LOG.info("server %s is %s's", launch.uuid, server["host"])
            raise Overtaken
        expected = ON_THE_WAY if launch.redelivered else "scheduling"
        begun = {"task_state": None, "launched_on": self._host.name}
        launch.server = await self._conductor.save(ctx, launch.uuid, begun, expected, "building")
        launch.owned = True
        undo.push(self._host.placement.release, ctx, launch.uuid)
        await self._conductor.start_event(ctx, launch.uuid, self.event)
        image_name = (launch.message["request_spec"].get("image") or {}).get("name", "")
        await self._host.notifier.acted(ctx, "create.start", launch.server, image_name=image_name)
        if launch.redelivered:
            await self._clear_away(ctx, launch)
        self._take_room(ctx, launch, undo)
        await self._host.report_usage(ctx)

    def _take_room(self, ctx: RequestContext, launch: Launch, undo: Undo) -> None:
        if self._host.name in self._host.settings.full_hosts:
            raise ComputeResourcesUnavailable(f"{self._host.name} takes no more servers")
        undo.push(self._host.forget, ctx, launch.uuid)
        self._host.claim(launch.server)

    async def _clear_away(self, ctx: RequestContext, launch: Launch) -> None:
        """What the delivery before this one had made."""
        await self._host.hypervisor.destroy(launch.uuid)
        await self._host.networks.deallocate(ctx, launch.uuid, launch.given_ports)
        for bdm in await self._conductor.block_devices(ctx, launch.uuid):
            if bdm["volume_id"]:
                await self._host.volumes.give_back(ctx, bdm["volume_id"], launch.uuid)

    # 19-21

    async def _fetch_image(self, ctx: RequestContext, launch: Launch) -> Image | None:
        """None when the server boots from a volume: cinder reads the image then."""
        image_id = launch.server["image_ref"]
        if not image_id:
            return None
        body = await self._ask_image(ctx, image_id)
        image = await self._receive_image(ctx, launch, body)
        if image is None:
            raise AnswerLost(f"The image {image_id} was lost.")
        return image

    @step(19)
    async def _ask_image(self, ctx: RequestContext, image_id: str) -> Json | None:
        """It passes the user's token to glance, and asks for the image by its id."""
        return await self._host.images.show(ctx, image_id)

    @step(21)
    async def _receive_image(self, ctx: RequestContext, launch: Launch, body: Json | None) -> Image | None:
        """It gets the image's metadata and, unless the host has it already, its data."""
        if body is None:
            raise AnswerLost("glance's answer was lost.")
        check_fits(body, launch.server["flavor"])
        return await self._host.images.fetch(ctx, body)

    # 22-24

    async def _allocate_network(self, ctx: RequestContext, launch: Launch, undo: Undo) -> list[Json]:
        await self._enter(ctx, launch, None, "networking")
        undo.push(self._release_network, ctx, launch)
        ports = await self._ask_network(ctx, launch)
        network_info = await self._receive_network(ctx, launch, ports)
        if network_info is None:
            raise AnswerLost("The network information was lost.")
        return network_info

    @step(22)
    async def _ask_network(self, ctx: RequestContext, launch: Launch) -> list[network.Port] | None:
        """It passes the user's token to neutron, and asks for a port in each network."""
        launch.must_go_on()
        return await self._host.networks.allocate(ctx, launch.server, launch.message["requested_networks"])

    @step(24)
    async def _receive_network(self, ctx: RequestContext, launch: Launch, ports: list[network.Port] | None) -> list[Json] | None:
        """It gets the network information: addresses, MACs, binding."""
        if ports is None:
            raise AnswerLost("neutron's answer was lost.")
        mine = await self._host.networks.confirm(ctx, launch.uuid, ports)
        network_info = await self._host.networks.describe(ctx, mine)
        await self._conductor.save_network_info(ctx, launch.uuid, network_info)
        return network_info

    async def _release_network(self, ctx: RequestContext, launch: Launch) -> None:
        await self._host.networks.deallocate(ctx, launch.uuid, launch.given_ports)
        await self._conductor.save_network_info(ctx, launch.uuid, [])

    # 25-27

    async def _attach_volumes(self, ctx: RequestContext, launch: Launch, undo: Undo) -> list[Json]:
        """The server's block devices, its volumes connected. Whatever fails here would fail on every host."""
        await self._enter(ctx, launch, "networking", "block_device_mapping")
        mappings = devices.named(await self._conductor.block_devices(ctx, launch.uuid), not launch.server["image_ref"])
        wanted = [self._attachment(launch, bdm) for bdm in mappings if devices.is_volume(bdm)]
        for attachment in wanted:
            undo.push(self._detach, ctx, attachment)
        if wanted:
            try:
                await self._ask_volumes(ctx, launch, wanted)
                await self._receive_volumes(ctx, wanted)
            except Exception as error:
                if is_overtaken(error):
                    raise
                raise BuildAbortException(launch.uuid, str(error)) from error
        return mappings

    def _attachment(self, launch: Launch, bdm: Json) -> volume.Attachment:
        return volume.Attachment(launch.uuid, bdm, bdm["device_name"], bdm["volume_id"])

    @step(25)
    async def _ask_volumes(self, ctx: RequestContext, launch: Launch, wanted: list[volume.Attachment]) -> None:
        """It passes the user's token to cinder, makes what is to be made, and attaches the volumes."""
        launch.must_go_on()
        for attachment in wanted:
            if attachment.volume_id is None:
                await self._host.volumes.create(ctx, attachment)
                await self._conductor.update_block_device(ctx, attachment.bdm["id"], volume_id=attachment.volume_id)
                await self._host.volumes.wait(ctx, attachment.volume_id or "")
            await self._host.volumes.reserve(ctx, attachment)
            await self._host.volumes.attach(ctx, attachment)

    @step(27)
    async def _receive_volumes(self, ctx: RequestContext, wanted: list[volume.Attachment]) -> None:
        """It gets the block storage information and has it written down."""
        for attachment in wanted:
            if attachment.connection_info is None:
                raise AnswerLost(f"The connection of volume {attachment.volume_id} was lost.")
            await self._host.volumes.learn_attachment(ctx, attachment)
            known = {"connection_info": attachment.connection_info, "attachment_id": attachment.attachment_id}
            bdm = {"volume_id": attachment.volume_id, "device_name": attachment.device_name, **known}
            await self._conductor.update_block_device(ctx, attachment.bdm["id"], **bdm)
            attachment.bdm |= bdm

    async def _detach(self, ctx: RequestContext, attachment: volume.Attachment) -> None:
        """The volume is free again. One made for this launch goes as well if it was to go with the server."""
        if attachment.volume_id is None:
            return
        await self._host.volumes.give_back(ctx, attachment.volume_id, attachment.server_id)
        forgotten: Json = {"connection_info": None, "attachment_id": None}
        if attachment.made and attachment.bdm["delete_on_termination"]:
            await self._host.volumes.delete(ctx, attachment.volume_id)
            forgotten["volume_id"] = None
        await self._conductor.update_block_device(ctx, attachment.bdm["id"], **forgotten)

    # 28

    def _guest(self, launch: Launch, image: Image | None, network_info: list[Json], mappings: list[Json]) -> Guest:
        return Guest(
            launch.uuid,
            instance_name(launch.server),
            launch.server,
            image,
            vifs=devices.vifs(network_info),
            disks=devices.disks(mappings),
            admin_password=launch.message["admin_password"],
            injected_files=tuple(launch.message["injected_files"] or ()),
        )

    async def _run(self, ctx: RequestContext, launch: Launch, guest: Guest, disks: list[Json], undo: Undo) -> None:
        undo.push(self._host.hypervisor.destroy, launch.uuid)
        await self._spawn(ctx, launch, guest)
        power_state = await self._host.hypervisor.power_state(launch.uuid)
        if power_state is PowerState.NOSTATE:
            raise InstanceDeployFailure(f"The hypervisor of {self._host.name} does not know the server that it was to run.")
        done = {"vm_state": "active", "task_state": None, "power_state": int(power_state), "launched_at": self._host.now()}
        launch.server = await self._conductor.save(ctx, launch.uuid, done, "spawning")
        await self._host.notifier.acted(ctx, "create.end", launch.server, disks=disks, message="Success")

    @step(28)
    async def _spawn(self, ctx: RequestContext, launch: Launch, guest: Guest) -> None:
        """It generates the data for the hypervisor's driver, and executes the request on the hypervisor."""
        launch.must_go_on()
        await self._host.hypervisor.spawn(guest)

    async def _enter(self, ctx: RequestContext, launch: Launch, before: str | None, task_state: str) -> None:
        launch.server = await self._conductor.save(ctx, launch.uuid, {"task_state": task_state}, [before, task_state])

    # when it fails

    async def _settle(self, ctx: RequestContext, launch: Launch, error: Exception) -> Exception | None:
        """Everything is undone by now. The server goes to another host, or to ERROR; a server that is gone, nowhere.

        Returns what the build failed of; None when it was only overtaken.
        """
        if isinstance(error, Overtaken) or is_overtaken(error):
            LOG.info("the launch of %s on %s stops: %s", launch.uuid, self._host.name, error)
            return None
        LOG.warning("the launch of %s on %s failed", launch.uuid, self._host.name, exc_info=error)
        if isinstance(error, Final):
            error = BuildAbortException(launch.uuid, str(error))
        if launch.owned:
            await self._host.notifier.acted(ctx, "create.error", launch.server, error=error)
        goes_on = launch.owned and not isinstance(error, BuildAbortException) and launch.message["filter_properties"].get("retry")
        while True:
            try:
                await (self._reschedule(ctx, launch, error) if goes_on else self._give_up(ctx, launch, error))
            except MessagingTimeout:  # a conductor that is away must not leave the server in BUILD
                await self._host.clock.sleep(CONDUCTOR_PAUSE)
            except RemoteError as failure:
                if not is_overtaken(failure):
                    raise
                return error
            else:
                return error

    async def _reschedule(self, ctx: RequestContext, launch: Launch, error: Exception) -> None:
        """Back to the scheduler, which counts the attempts."""
        await self._conductor.save(ctx, launch.uuid, HOMELESS | {"task_state": "scheduling"}, ON_THE_WAY, "building")
        LOG.info("%s", RescheduledException(launch.uuid, str(error)))
        properties = launch.message["filter_properties"]
        retry = {**properties["retry"], "exc": traceback.format_exception(error), "exc_reason": str(error)}
        again = {**launch.message, "is_first_time": False, "filter_properties": {**properties, "retry": retry}}
        await self._host.bus.cast(ctx, "scheduler", "run_instance", version="2.9", args=again)

    async def _give_up(self, ctx: RequestContext, launch: Launch, error: Exception) -> None:
        failed = HOMELESS | {"vm_state": "error", "task_state": None, "power_state": 0}
        await self._conductor.save(ctx, launch.uuid, {}, ON_THE_WAY, "building")  # an overtaken launch leaves no fault
        details = "".join(traceback.format_exception(error))
        await self._conductor.record_fault(ctx, launch.uuid, str(error) or type(error).__name__, details)
        if not launch.owned:  # the scheduler's claim has found no keeper
            await self._host.placement.release(ctx, launch.uuid)
        await self._free_reserved(ctx, launch)
        await self._conductor.save(ctx, launch.uuid, failed, ON_THE_WAY, "building")

    async def _free_reserved(self, ctx: RequestContext, launch: Launch) -> None:
        """Nothing, in classic: a volume is the server's when it is attached, and then its undo gives it back."""

    async def _close_event(self, ctx: RequestContext, launch: Launch, error: Exception | None) -> None:
        """A build that went to another host ended well for this one."""
        exc = type(error).__name__ if isinstance(error, BuildAbortException) else None
        await self._conductor.finish_event(ctx, launch.uuid, self.event, exc)


class LaunchIsOver(Exception):
    """It succeeded, failed, or went to another host."""


class Overtaken(Exception):
    """The server is another host's by now."""
