"""nova tells of its servers: every save of a row, and what a compute does. Both dialects of a launch call the same methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockcloud.bus.base import Bus
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.notifications import server_payloads as payloads
from mockcloud.notifications.notifier import UNVERSIONED, VERSIONED, Notifier
from mockcloud.settings import CONTROLLER, Settings

Json = dict[str, Any]
Server = Mapping[str, Any]


RENAMED = {  # the versioned names of actions that have others
    "resize.prep": "resize_prep", "finish_resize": "resize_finish", "resize.confirm": "resize_confirm", "resize.revert": "resize_revert",
}  # fmt: skip


class ServerNotifier:
    """`service` is what nova calls the publisher: api, conductor, scheduler or compute."""

    def __init__(self, bus: Bus, clock: Clock, settings: Settings, service: str, host: str = CONTROLLER) -> None:
        self._notifier = Notifier(bus, clock, settings.notifications, "nova", service, host)
        self._zone = settings.default_availability_zone

    @property
    def listening(self) -> bool:
        """Whether anything is told, so that nobody looks up what nobody hears."""
        return bool(self._notifier.topics)

    async def updated(self, ctx: RequestContext, old: Server | None, new: Server) -> None:
        """A row was written; `old` has the states before, None where they are not known."""
        now = self._notifier.now()

        def unversioned() -> Json:
            return payloads.usage(new, self._zone) | payloads.states(old, new) | payloads.audit_period(now)

        def versioned(common: Json) -> Json:
            return payloads.update_payload(common, old, new, now)

        await self._tell(ctx, "update", new, unversioned, versioned)

    async def acted(
        self,
        ctx: RequestContext,
        action: str,
        server: Server,
        *,
        error: BaseException | None = None,
        disks: Sequence[Mapping[str, Any]] | None = None,
        **more: Any,
    ) -> None:
        """`action` is e.g. create.start; `disks` are its volumes where they are known; `more` is for the unversioned payload."""

        def unversioned() -> Json:
            addresses = {"fixed_ips": payloads.fixed_ips(server)} if server["network_info"] else {}
            return payloads.usage(server, self._zone) | addresses | more | (payloads.failure(error) if error else {})

        def versioned(common: Json) -> Json:
            fault = payloads.exception_payload(error, action.partition(".")[0]) if error else None
            if disks is not None:
                common["block_devices"] = payloads.block_devices(disks)
            is_create = action.startswith("create.")
            return payloads.create_payload(common, server, fault) if is_create else payloads.action_payload(common, fault)

        await self._tell(ctx, action, server, unversioned, versioned, "ERROR" if action.endswith(".error") else "INFO")

    async def plugged(self, ctx: RequestContext, what: str, phase: str, server: Server, volume_id: str = "") -> None:
        """`what` is volume_attach, volume_detach, interface_attach or interface_detach. Unversioned only the end of a volume's is told."""

        def versioned(common: Json) -> Json:
            return payloads.volume_payload(common, volume_id) if volume_id else payloads.action_payload(common, None)

        if volume_id and phase == "end" and UNVERSIONED in self._notifier.topics:
            payload = payloads.usage(server, self._zone) | {"volume_id": volume_id}
            await self._notifier.tell(ctx, f"compute.instance.{what.replace('_', '.')}", payload)
        if VERSIONED in self._notifier.topics:
            await self._tell_versioned(ctx, f"{what}.{phase}", server, versioned)

    async def deleted(self, ctx: RequestContext, server: Server) -> None:
        """The end of a deletion; `server` is as it was before."""
        gone: Json = {"vm_state": "deleted", "task_state": None, "power_state": 0, "network_info": []}
        times = dict.fromkeys(("terminated_at", "deleted_at"), self._notifier.now())
        await self.acted(ctx, "delete.end", {**server, **gone, **times})

    async def _tell(
        self, ctx: RequestContext, action: str, server: Server, unversioned: Any, versioned: Any, priority: str = "INFO"
    ) -> None:
        notifier = self._notifier
        if UNVERSIONED in notifier.topics:
            await notifier.tell(ctx, f"compute.instance.{action}", unversioned(), priority=priority)
        if VERSIONED in notifier.topics:
            name, dot, phase = action.rpartition(".")
            await self._tell_versioned(ctx, f"{RENAMED.get(name, name)}{dot}{phase}", server, versioned, priority)

    async def _tell_versioned(self, ctx: RequestContext, action: str, server: Server, payload: Any, priority: str = "INFO") -> None:
        notifier = self._notifier
        about = {"user_id": ctx.user_id, "project_id": ctx.project_id}
        data = payload(payloads.described(server, self._zone, ctx.request_id, about))
        publisher = f"nova-{notifier.service}:{notifier.host}"
        await notifier.tell(ctx, f"instance.{action}", data, priority=priority, publisher=publisher, topic=VERSIONED)
