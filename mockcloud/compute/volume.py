"""cinder as a compute sees it, in the classic way: initialize the connection, then attach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mockcloud.clients import Clients, EndpointDown, Response
from mockcloud.clock import Clock
from mockcloud.compute.errors import VolumeFailed
from mockcloud.context import RequestContext

Json = dict[str, Any]
VERSION = "3.44"
REIMAGE = "3.68"
WAITED = 180.0  # seconds that a new volume may take: 60 polls 3 s apart
PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)  # then every 3 s


@dataclass(slots=True)
class Attachment:
    """A volume on its way to a server: filled in as it goes, so that taking it back finds what there is."""

    server_id: str
    bdm: Json  # the row of block_device_mapping
    device_name: str
    volume_id: str | None = None
    made: bool = False  # the volume was made for this launch
    connection_info: Json | None = None
    attachment_id: str | None = None


class Volumes:
    def __init__(self, clients: Clients, clock: Clock, host: str) -> None:
        self._clients, self._clock, self._host = clients, clock, host
        self.initiator, self.host_ip = "", ""  # of the hypervisor

    @property
    def _connector(self) -> Json:
        return {"host": self._host, "ip": self.host_ip, "initiator": self.initiator, "multipath": False, "os_type": "linux2",
                "platform": "x86_64", "do_local_attach": False}  # fmt: skip

    async def create(self, ctx: RequestContext, attachment: Attachment) -> None:
        """The volume that the mapping describes: empty, or from an image or a snapshot. It is there when this returns."""
        bdm = attachment.bdm
        name = f"{attachment.server_id}-blank-vol" if bdm["source_type"] == "blank" else ""
        body: Json = {"size": bdm["volume_size"], "name": name, "description": "", "volume_type": bdm["volume_type"]}
        body |= {"imageRef": bdm["image_id"]} if bdm["source_type"] == "image" else {}
        body |= {"snapshot_id": bdm["snapshot_id"]} if bdm["source_type"] == "snapshot" else {}
        answer = await self._user(ctx, "POST", "/v3/volumes", json={"volume": body})
        attachment.volume_id, attachment.made = answer.json()["volume"]["id"], True

    async def wait(self, ctx: RequestContext, volume_id: str) -> None:
        """Until it is available; raises VolumeFailed with nova's sentence when it is not in time."""
        began = self._clock.time()
        status, polls = await self._poll(ctx, volume_id, "creating", "downloading")
        if status != "available":
            raise VolumeFailed(
                f"Volume {volume_id} did not finish being created even after we waited {self._clock.time() - began:.0f} seconds or "
                f"{polls} attempts. And its status is {status}."
            )

    async def _poll(self, ctx: RequestContext, volume_id: str, *passing: str) -> tuple[str, int]:
        """The status when it is none of those that pass, or too much time has passed; how often it was asked for."""
        began, polls, pauses = self._clock.time(), 0, iter(PAUSES)
        while True:
            status, polls = str((await self._show(ctx, volume_id))["status"]), polls + 1
            if status not in passing or self._clock.time() - began > WAITED:
                return status, polls
            await self._clock.sleep(next(pauses, 3.0))

    async def reserve(self, ctx: RequestContext, attachment: Attachment) -> None:
        """The classic way reserves nothing at a launch: of several servers at once cinder lets one attach the volume."""

    async def attach(self, ctx: RequestContext, attachment: Attachment) -> None:
        """Connects this host and gives the volume to the server; of several servers at once cinder lets one have it."""
        if attachment.attachment_id:
            await self._complete(ctx, attachment)
            return
        path = f"/v3/volumes/{attachment.volume_id}/action"
        connected = await self._user(ctx, "POST", path, json={"os-initialize_connection": {"connector": self._connector}})
        attachment.connection_info = connected.json()["connection_info"]
        mode = attachment.connection_info["data"].get("access_mode") or "rw"
        given = {"instance_uuid": attachment.server_id, "mountpoint": attachment.device_name, "mode": mode}
        await self._user(ctx, "POST", path, json={"os-attach": given})

    async def _complete(self, ctx: RequestContext, attachment: Attachment) -> None:
        """The newer way, for an attachment that nova-api has reserved."""
        path = f"/v3/attachments/{attachment.attachment_id}"
        connector = {**self._connector, "mountpoint": attachment.device_name}
        answer = await self._user(ctx, "PUT", path, json={"attachment": {"connector": connector}})
        attachment.connection_info = connection(answer.json()["attachment"])
        await self._user(ctx, "POST", f"{path}/action", json={"os-complete": {}})

    async def reimage(self, ctx: RequestContext, attachment: Attachment, image_id: str) -> None:
        """An attached volume is overwritten. A second attachment keeps it reserved meanwhile, and takes the place of the first."""
        wanted = {"volume_uuid": attachment.volume_id, "instance_uuid": attachment.server_id}
        made = await self._user(ctx, "POST", "/v3/attachments", json={"attachment": wanted})
        old, attachment.attachment_id = attachment.attachment_id, made.json()["attachment"]["id"]
        await self._own(ctx, "DELETE", f"/v3/attachments/{old}", missing_ok=True)
        action = {"os-reimage": {"image_id": image_id, "reimage_reserved": True}}
        await self._user(ctx, "POST", f"/v3/volumes/{attachment.volume_id}/action", version=REIMAGE, json=action)
        status, _ = await self._poll(ctx, attachment.volume_id or "", "downloading")
        if status != "reserved":
            raise VolumeFailed("Failed to rebuild volume backed instance.")
        await self._complete(ctx, attachment)

    async def learn_attachment(self, ctx: RequestContext, attachment: Attachment) -> None:
        """The id under which cinder keeps it."""
        volume = await self._show(ctx, attachment.volume_id or "")
        attachment.attachment_id = next((one["attachment_id"] for one in _to(volume, attachment.server_id)), None)
        if attachment.attachment_id is None:
            raise VolumeFailed(f"Volume {attachment.volume_id} is not attached to {attachment.server_id}.")

    async def connect(self, ctx: RequestContext, volume_id: str) -> Json:
        """A new connection of an attached volume to this host: the server moves here."""
        path = f"/v3/volumes/{volume_id}/action"
        answer = await self._own(ctx, "POST", path, json={"os-initialize_connection": {"connector": self._connector}})
        info: Json = answer.json()["connection_info"]
        return info

    async def disconnect(self, ctx: RequestContext, volume_id: str) -> None:
        """The same backwards: the server moved away."""
        path = f"/v3/volumes/{volume_id}/action"
        await self._own(ctx, "POST", path, missing_ok=True, json={"os-terminate_connection": {"connector": self._connector}})

    async def give_back(self, ctx: RequestContext, volume_id: str, server_id: str, attachment_id: str | None = None) -> None:
        """The server has it no more; a reservation under that id goes as well. Absence is success."""
        path = f"/v3/volumes/{volume_id}"
        answer = await self._own(ctx, "GET", path, missing_ok=True)
        if answer.status == 404:
            return
        attached = _to(answer.json()["volume"], server_id)
        if attachment_id and not attached:
            await self._own(ctx, "DELETE", f"/v3/attachments/{attachment_id}", missing_ok=True)
        for one in attached:
            await self._own(ctx, "POST", f"{path}/action", json={"os-terminate_connection": {"connector": self._connector}})
            await self._own(ctx, "POST", f"{path}/action", json={"os-detach": {"attachment_id": one["attachment_id"]}})

    async def unreserve(self, ctx: RequestContext, attachment: Attachment) -> None:
        """An attachment that nova-api announced does not happen. Absence is success."""
        if attachment.attachment_id:
            await self._own(ctx, "DELETE", f"/v3/attachments/{attachment.attachment_id}", missing_ok=True)
        await self._own(ctx, "POST", f"/v3/volumes/{attachment.volume_id}/action", missing_ok=True, json={"os-unreserve": {}})

    async def keep(self, ctx: RequestContext, volume_id: str) -> None:
        """A detachment that nova-api announced does not happen."""
        await self._own(ctx, "POST", f"/v3/volumes/{volume_id}/action", missing_ok=True, json={"os-roll_detaching": {}})

    async def delete(self, ctx: RequestContext, volume_id: str) -> None:
        """Absence is success."""
        await self._own(ctx, "DELETE", f"/v3/volumes/{volume_id}", missing_ok=True)

    async def _show(self, ctx: RequestContext, volume_id: str) -> Json:
        volume: Json = (await self._user(ctx, "GET", f"/v3/volumes/{volume_id}")).json()["volume"]
        return volume

    async def _user(self, ctx: RequestContext, method: str, path: str, **options: Any) -> Response:
        return await self._send(self._clients.user(ctx).request("block-storage", method, path, **{"version": VERSION, **options}))

    async def _own(self, ctx: RequestContext, method: str, path: str, missing_ok: bool = False, **options: Any) -> Response:
        """With a service token: cinder lets nobody else disconnect a volume from a server."""
        rest = self._clients.own(ctx)
        request = rest.request("block-storage", method, path, version=VERSION, service_token=True, **options)
        return await self._send(request, missing_ok)

    async def _send(self, request: Any, missing_ok: bool = False) -> Response:
        try:
            answer: Response = await request
        except EndpointDown as error:
            raise VolumeFailed(str(error)) from error
        if not answer.ok and not (missing_ok and answer.status == 404):
            raise VolumeFailed(answer.message())
        return answer


def connection(attachment: Json) -> Json:
    """An attachment's connection, which cinder tells flat, as everybody else knows it: the type beside the data."""
    data = {name: value for name, value in attachment["connection_info"].items() if name != "attachment_id"}
    return {"driver_volume_type": data.pop("driver_volume_type", None), "data": data}


def _to(volume: Json, server_id: str) -> list[Json]:
    return [one for one in volume["attachments"] if one["server_id"] == server_id]
