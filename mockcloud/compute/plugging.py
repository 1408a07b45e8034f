"""Volumes and interfaces of a server that exists: attached and detached."""

from __future__ import annotations

from typing import Any

from mockcloud.compute import devices
from mockcloud.compute.drivers.base import Vif
from mockcloud.compute.errors import InterfaceAttachFailed, InterfaceDetachFailed, is_overtaken
from mockcloud.compute.host import Host
from mockcloud.compute.network import Port
from mockcloud.compute.operation import operation
from mockcloud.compute.undo import undo_on_failure
from mockcloud.compute.volume import Attachment
from mockcloud.context import RequestContext

Json = dict[str, Any]
NETWORK_CHANGES = ("network-changed", "network-vif-deleted")  # that a port is plugged changes no address


class Plugging:
    def __init__(self, host: Host) -> None:
        self._host, self._conductor = host, host.conductor

    async def attach_volume(self, ctx: RequestContext, instance: Json, bdm_id: int, volume_id: str, device: str | None = None) -> None:
        """When it fails the volume is free and its row is gone."""
        uuid, volumes = instance["uuid"], self._host.volumes
        async with operation(self._host, ctx, instance, "compute_attach_volume"), undo_on_failure() as undo:
            await self._host.notifier.plugged(ctx, "volume_attach", "start", instance, volume_id)
            rows = await self._conductor.block_devices(ctx, uuid)
            bdm = next(row for row in rows if row["id"] == bdm_id)
            name = device or bdm["device_name"] or devices.next_device([*(row["device_name"] for row in rows), "/dev/vda"])
            attachment = Attachment(uuid, bdm, name, volume_id, attachment_id=bdm["attachment_id"])
            undo.push(self._conductor.destroy_block_device, ctx, bdm_id)
            undo.push(volumes.unreserve, ctx, attachment)
            undo.push(volumes.give_back, ctx, volume_id, uuid)
            await volumes.attach(ctx, attachment)
            await volumes.learn_attachment(ctx, attachment)
            undo.push(self._host.hypervisor.detach, uuid, volume_id)
            await self._host.hypervisor.attach(uuid, devices.disk({**bdm, "device_name": name}, attachment))
            known = {"connection_info": attachment.connection_info, "attachment_id": attachment.attachment_id}
            await self._conductor.update_block_device(ctx, bdm_id, device_name=name, **known)
            await self._host.notifier.plugged(ctx, "volume_attach", "end", instance, volume_id)

    async def detach_volume(self, ctx: RequestContext, instance: Json, volume_id: str, attachment_id: str | None = None) -> None:
        """When it fails the volume is in use as before."""
        uuid, volumes = instance["uuid"], self._host.volumes
        async with operation(self._host, ctx, instance, "compute_detach_volume"), undo_on_failure() as undo:
            await self._host.notifier.plugged(ctx, "volume_detach", "start", instance, volume_id)
            undo.push(volumes.keep, ctx, volume_id)
            await self._host.hypervisor.detach(uuid, volume_id)
            await volumes.give_back(ctx, volume_id, uuid)
            for bdm in await self._conductor.block_devices(ctx, uuid):
                if bdm["volume_id"] == volume_id:
                    if bdm["delete_on_termination"]:
                        await volumes.delete(ctx, volume_id)
                    await self._conductor.destroy_block_device(ctx, bdm["id"])
            await self._host.notifier.plugged(ctx, "volume_detach", "end", instance, volume_id)

    async def attach_interface(
        self,
        ctx: RequestContext,
        instance: Json,
        network_id: str | None = None,
        port_id: str | None = None,
        requested_ip: str | None = None,
        tag: str | None = None,
    ) -> Json:
        """The new VIF. Without a network and a port: in the project's one network."""
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_attach_interface"), undo_on_failure() as undo:
            await self._host.notifier.plugged(ctx, "interface_attach", "start", instance)
            server = await self._conductor.instance(ctx, uuid) or instance
            known = [vif["id"] for vif in server["network_info"]]
            undo.push(self._drop_unknown_ports, ctx, uuid, known, port_id)
            entry = {"network_id": network_id, "port_id": port_id, "fixed_ip": requested_ip, "tag": tag}
            ports = await self._host.networks.allocate(ctx, server, [entry] if network_id or port_id else None)
            if not ports:
                raise InterfaceAttachFailed(uuid)
            (vif,) = await self._host.networks.describe(ctx, ports)
            undo.push(self._host.hypervisor.detach, uuid, vif["id"])
            await self._host.hypervisor.attach(uuid, Vif(vif))
            server["network_info"] = [*server["network_info"], vif]
            await self._conductor.save_network_info(ctx, uuid, server["network_info"])
            await self._host.notifier.plugged(ctx, "interface_attach", "end", server)
            return dict(vif)
        raise InterfaceAttachFailed(uuid)  # the server went away meanwhile

    async def _drop_unknown_ports(self, ctx: RequestContext, uuid: str, known: list[str], given: str | None) -> None:
        for port in await self._host.networks.ports_of(ctx, uuid):
            if port["id"] not in known:
                await self._host.networks.remove_port(ctx, port["id"], port["id"] == given)

    async def detach_interface(self, ctx: RequestContext, instance: Json, port_id: str) -> None:
        uuid = instance["uuid"]
        async with operation(self._host, ctx, instance, "compute_detach_interface"):
            await self._host.notifier.plugged(ctx, "interface_detach", "start", instance)
            server = await self._conductor.instance(ctx, uuid) or instance
            vif = next((vif for vif in server["network_info"] if vif["id"] == port_id), None)
            if vif is None:
                raise InterfaceDetachFailed(uuid)
            await self._host.hypervisor.detach(uuid, port_id)
            await self._host.networks.remove_port(ctx, port_id, vif["preserve_on_delete"])
            server["network_info"] = [vif for vif in server["network_info"] if vif["id"] != port_id]
            await self._conductor.save_network_info(ctx, uuid, server["network_info"])
            await self._host.notifier.plugged(ctx, "interface_detach", "end", server)

    async def external_instance_event(self, ctx: RequestContext, events: list[Json]) -> None:
        """What neutron and cinder tell of servers: what changes a network is read anew. A deleted server has none.

        That an interface is plugged is heard at once: a build that has the server's turn waits for it.
        """
        for event in events:
            if event["name"] == "network-vif-plugged":
                self._host.plugged.hear(event["server_uuid"], event.get("tag") or "")
        for uuid in {event["server_uuid"] for event in events if event["name"] in NETWORK_CHANGES}:
            async with self._host.turns.of(uuid):
                try:
                    await self.refresh_network(ctx, uuid)
                except Exception as error:
                    if not is_overtaken(error):
                        raise

    async def refresh_network(self, ctx: RequestContext, uuid: str) -> None:
        """As neutron has it now. Ports that are gone leave the guest; new ones come by attach_interface only."""
        server = await self._conductor.instance(ctx, uuid)
        if server is None or server["host"] != self._host.name:
            return
        now = {port["id"]: port for port in await self._host.networks.ports_of(ctx, uuid)}
        kept = [vif for vif in server["network_info"] if vif["id"] in now]
        ports = [Port(now[vif["id"]], vif["preserve_on_delete"], vif["tag"]) for vif in kept]
        network_info = await self._host.networks.describe(ctx, ports)
        for vif in server["network_info"]:
            if vif["id"] not in now:
                await self._host.hypervisor.detach(uuid, vif["id"])
        if network_info != server["network_info"]:
            await self._conductor.save_network_info(ctx, uuid, network_info)
