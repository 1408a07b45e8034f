"""Faulty cinders, and computes that make light of volumes."""

from __future__ import annotations

import uuid
from typing import Any

from mockcloud.cinder import attachments, connections, lookup, states
from mockcloud.cinder import views as cinder_views
from mockcloud.cinder.states import Change
from mockcloud.compute.build import Builds, Launch
from mockcloud.compute.build_cells import CellBuilds
from mockcloud.compute.termination import Terminations
from mockcloud.compute.volume import Attachment, Volumes
from mockcloud.conductor import instances
from mockcloud.conductor.reservations import Reservations
from mockcloud.context import RequestContext
from mockcloud.mutants import Patch, mutant
from mockcloud.mutants.tokens import asks_nobody, looks_at_nothing
from mockcloud.nova import server_volumes

Json = dict[str, Any]


@mutant("M99", 25, "a volume is not reserved: two servers share it", ["S25.C2", "S25.C4"], "B")
def shared(patch: Patch) -> None:
    patch.replace(connections, "_check_attachable", lambda volume, mode: None)
    patch.replace(states, "reserve", lambda multiattach: Change("available", None))


@mutant("M100", 25, "a volume has two attachments to one server", ["S25.C1"], "B")
def attached_twice(patch: Patch) -> None:
    def around(shown: Any) -> Any:
        def twice(ctx: Any, row: Any, type_name: str | None, found: list[Any]) -> Json:
            return shown(ctx, row, type_name, [*found, *({**one, "id": str(uuid.uuid4())} for one in found)])  # type: ignore[no-any-return]

        return twice

    patch.wrap(cinder_views, "_volume", around)


@mutant("M178", 25, "a volume is in error for a while on its way to the server", ["S25.C3"], "B")
def error_on_the_way(patch: Patch) -> None:
    def around(ask: Any) -> Any:
        async def asked(self: Builds, ctx: RequestContext, launch: Launch, wanted: list[Attachment]) -> None:
            volumes = self._host.volumes
            for one in wanted:
                if one.volume_id:
                    path, before = f"/v3/volumes/{one.volume_id}/action", (await volumes._show(ctx, one.volume_id))["status"]
                    await volumes._own(ctx, "POST", path, json={"os-reset_status": {"status": "error"}})
                    await self._host.clock.sleep(0.6)
                    await volumes._own(ctx, "POST", path, json={"os-reset_status": {"status": before}})
            await ask(self, ctx, launch, wanted)

        return asked

    patch.wrap(Builds, "_ask_volumes", around)


@mutant("M101", 25, "the volume of a build that failed is not given back", ["S25.C5", "S28.C5"], "H")
def not_given_back(patch: Patch) -> None:
    async def keep(self: Any, ctx: RequestContext, what: Any) -> None:
        pass

    patch.replace(Builds, "_detach", keep)
    patch.replace(CellBuilds, "_free_reserved", keep)  # nor is it by whoever would look after it later
    patch.replace(Reservations, "free", keep)


@mutant("M102", 25, "the volume is connected to another host than the server's", ["S27.C1", "S18.C1"], "A", ("cells_v2",))
def other_host(patch: Patch) -> None:
    patch.wrap(Volumes, "_connector", lambda made: property(lambda self: {**made.fget(self), "host": "elsewhere"}))


@mutant("M104", 26, "cinder does not validate tokens", ["S26.C1"], "B")
def cinder_looks_at_nothing(patch: Patch) -> None:
    looks_at_nothing(patch, "cinder")


@mutant("M179", 26, "cinder does not look at the project: volumes are everybody's", ["S26.C2", "S27.C4"], "B2")
def no_projects(patch: Patch) -> None:
    patch.replace(lookup, "is_admin", lambda ctx: True)


@mutant("M106", 26, "an owner may delete the attachment of a running server", ["S26.C3"], "B", ("cells_v2",))
def owner_may(patch: Patch) -> None:
    async def never(ctx: Any, volume_id: str, attachment: Any) -> None:
        pass

    patch.replace(attachments, "refuse_if_nova_has_it", never)


@mutant("M107", 26, "cinder never asks keystone: it accepts revoked tokens", ["S26.C4", "S26.C1"], "B")
def cinder_asks_nobody(patch: Patch) -> None:
    asks_nobody(patch, "cinder")


@mutant("M180", 27, "nova knows another attachment than cinder", ["S27.C1"], "B")
def other_attachment(patch: Patch) -> None:
    patch.wrap(server_volumes, "_view", lambda shown: lambda row: {**shown(row), "attachment_id": str(uuid.uuid4())})


@mutant("M108", 27, "the server is ACTIVE before its volume is in-use", ["S27.C3"], "B")
def active_too_early(patch: Patch) -> None:
    def around(write: Any) -> Any:
        def written(tx: Any, now: Any, instance_uuid: str, updates: Json, expected: Any) -> None:
            if updates.get("task_state") == "block_device_mapping":
                updates = {**updates, "vm_state": "active", "power_state": 1, "launched_at": now.isoformat()}
            write(tx, now, instance_uuid, updates, expected)

        return written

    patch.wrap(instances, "write", around)
    patch.fault(25, "delay", seconds=0.6)


@mutant("M110", 27, "delete_on_termination means the contrary", ["S27.C2"], "B")
def contrary(patch: Patch) -> None:
    def around(give_back: Any) -> Any:
        async def given(self: Terminations, ctx: RequestContext, bdm: Json) -> None:
            await give_back(self, ctx, {**bdm, "delete_on_termination": not bdm["delete_on_termination"]})

        return given

    patch.wrap(Terminations, "_give_volume_back", around)


@mutant("M111", 27, "a volume made of an image is attached before it is available", ["S27.C5"], "B")
def not_waited_for(patch: Patch) -> None:
    async def wait(self: Volumes, ctx: RequestContext, volume_id: str) -> None:
        pass

    patch.replace(Volumes, "wait", wait)
    patch.settings(volume_seconds=0.5)
