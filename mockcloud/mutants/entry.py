"""Faulty nova-apis: the first entry of a server is missing, late, or wrong."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select

from mockcloud.http.context import Context
from mockcloud.http.errors import ApiError, NotFound
from mockcloud.mutants import Patch, mutant
from mockcloud.nova import cell_launch, instance_actions, launch_entries, server_launch, servers
from mockcloud.nova.launch import Launch
from mockcloud.nova.tables import flavors


@mutant("M28", 7, "a server cannot be seen until it runs: GET gives 404 after the 202", ["S07.C1"], "B")
def no_entry_yet(patch: Patch) -> None:
    def around(find_server: Any) -> Any:
        def found(ctx: Context, tx: Any, server_id: str, rule: str = "") -> Any:
            row = find_server(ctx, tx, server_id, rule)
            if rule.endswith(":show") and row["vm_state"] == "building":
                raise NotFound(f"Instance {server_id} could not be found.")
            return row

        return found

    patch.wrap(servers, "find_server", around)


@mutant("M29", 7, "the entry is written after the scheduler was asked", ["S08.C3", "S07.C2"], "Q")
def entry_too_late(patch: Patch) -> None:
    async def classic(ctx: Context, launch: Launch) -> Any:
        rows = [launch_entries.columns_of(ctx, launch, uuid, n) for n, uuid in enumerate(launch.uuids)]
        asking = asyncio.ensure_future(server_launch._call_scheduler(ctx, launch, rows))
        await asyncio.sleep(0)  # now the message is on its way
        written = await server_launch._write_entries(ctx, launch)
        await asking
        return written

    async def cells(ctx: Context, launch: Launch) -> Any:
        await cell_launch._reserve_volumes(ctx, launch)
        disks = [device.columns() for device in launch.devices]
        rows = [
            {"id": n + 1, "block_device_mappings": disks, **launch_entries.columns_of(ctx, launch, uuid, n)}
            for n, uuid in enumerate(launch.uuids)
        ]
        await cell_launch._cast_to_conductor(ctx, launch, rows)
        return await cell_launch._write_requests(ctx, launch)

    patch.replace(server_launch, "_launch", classic)
    patch.replace(server_launch, "request_builds", cells)


@mutant("M30", 7, "a refused request leaves a server behind", ["S07.C4", "S03.C3"], "B")
def refused_and_there(patch: Patch) -> None:
    def around(look_up: Any) -> Any:
        async def looked_up(ctx: Context, request: Any) -> Launch:
            try:
                found: Launch = await look_up(ctx, request)
                return found
            except ApiError:
                with ctx.db.transaction() as tx:
                    launch_entries.write_entries(ctx, tx, _bare(ctx, request, tx.one(select(flavors).limit(1))))
                raise

        return looked_up

    patch.wrap(server_launch, "_look_up", around)


def _bare(ctx: Context, request: Any, flavor: Any) -> Launch:
    owner = (ctx.project_id, ctx.user_id)
    uuid = ctx.request_id.removeprefix("req-")
    return Launch(request, owner, flavor, {}, None, [], "none", [], [uuid], None, "", "r-00000000")


@mutant("M31", 7, "task_state starts at spawning, never at scheduling", ["S07.C2", "S07.C1"], "H")
def never_scheduling(patch: Patch) -> None:
    def around(show_servers: Any) -> Any:
        async def shown(ctx: Context, rows: Any) -> Any:
            views = await show_servers(ctx, rows)
            for view in views:
                if view.get("OS-EXT-STS:task_state") == "scheduling":
                    view["OS-EXT-STS:task_state"] = "spawning"
            return views

        return shown

    patch.wrap(servers, "show_servers", around)


@mutant("M137", 7, "the servers of one request all have the same name", ["S07.C3"], "B")
def not_numbered(patch: Patch) -> None:
    def around(own: Any) -> Any:
        return lambda launch, server_id, index: own(launch, server_id, index) | {"display_name": launch.request.name}

    patch.wrap(launch_entries, "_own", around)


@mutant("M138", 7, "the action create is that of the service user", ["S07.C5"], "B")
def action_of_the_service(patch: Patch) -> None:
    def around(view: Any) -> Any:

        def shown(row: Any) -> Any:
            return view(row) | {"user_id": "nova", "project_id": "service"}

        return shown

    patch.wrap(instance_actions, "_view", around)
