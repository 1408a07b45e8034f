"""Faulty nova-apis that do not look before they accept a request."""

from __future__ import annotations

from typing import Any

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.mutants import Patch, mutant
from mockcloud.nova import cell_launch, launch, network_checks, quota, volume_checks
from mockcloud.nova.block_devices import Device


@mutant("M23", 6, "the quota is not checked", ["S06.C1"], "B")
def no_quota(patch: Patch) -> None:
    patch.replace(quota, "check_servers", lambda tx, project_id, user_id, flavor, min_count, max_count: max_count)


@mutant("M24", 6, "min_disk and min_ram are not checked", ["S06.C2"], "B")
def image_need_not_fit(patch: Patch) -> None:
    def around(check_image: Any) -> Any:
        def checked(ctx: Context, image: Any, flavor: Any, root: Any, image_id: str) -> None:
            check_image(ctx, {key: image[key] for key in image if key not in ("min_ram", "min_disk")}, flavor, root, image_id)

        return checked

    patch.wrap(launch, "check_image", around)


@mutant("M25", 6, "images that are not active, or another project's, are accepted", ["S06.C3"], "B2")
def any_image(patch: Patch) -> None:
    async def fetch_image(ctx: Context, image_id: str, refusal: str = "") -> Any:
        answer = await ctx.own_rest.get("image", f"/v2/images/{image_id}")
        if not answer.ok:
            raise BadRequest("Can not find requested image")
        return {**answer.json(), "status": "active"}

    patch.replace(launch, "fetch_image", fetch_image)


@mutant("M27", 6, "a network that is not there, a port in use and another user's key are accepted", ["S06.C5", "S06.C6"], "B2")
def any_network_and_key(patch: Patch) -> None:
    async def unchecked(ctx: Context, asked: Any) -> None:
        """Whatever was asked for is fine."""

    patch.replace(network_checks, "_check_visible", unchecked)
    patch.replace(network_checks, "_check_port", unchecked)
    patch.replace(launch, "_key", lambda ctx, name: None)


@mutant("M136", 6, "a volume is accepted in whatever state it is", ["S06.C4"], "B")
def any_volume(patch: Patch) -> None:
    def around(check: Any) -> Any:
        async def unrefused(ctx: Context, asked: Device | launch.Launch) -> None:
            try:
                await check(ctx, asked)
            except BadRequest:
                return

        return unrefused

    patch.wrap(volume_checks, "_check_volume", around)
    patch.wrap(cell_launch, "_reserve_volumes", around)
