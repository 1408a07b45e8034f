"""Faulty glances, and computes that make light of images."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

from mockcloud.clients import Response, Rest
from mockcloud.compute.build import Builds, Launch
from mockcloud.compute.drivers.base import Image
from mockcloud.compute.image import Images
from mockcloud.compute.undo import undo_on_failure
from mockcloud.context import RequestContext
from mockcloud.glance import access, image_data
from mockcloud.mutants import Patch, mutant
from mockcloud.mutants.tokens import asks_nobody, looks_at_nothing
from mockcloud.nova import views

Json = dict[str, Any]


@mutant("M79", 19, "the image is not fetched: the guest gets an empty disk", ["S19.C4", "S19.C1"], "H")
def fetch_skipped(patch: Patch) -> None:
    async def show(self: Images, ctx: RequestContext, image_id: str) -> Json:
        return {"id": image_id, "status": "active"}

    async def fetch(self: Images, ctx: RequestContext, body: Json) -> Image:
        path = self.folder / "empty"
        path.write_bytes(b"\0" * 512)
        return Image(body, path)

    patch.replace(Images, "show", show)
    patch.replace(Images, "fetch", fetch)


@mutant("M80", 19, "another image is fetched than was asked for", ["S21.C1", "S19.C1"], "L")
def other_image(patch: Patch) -> None:
    def around(fetch: Any) -> Any:
        async def fetched(self: Images, ctx: RequestContext, body: Json) -> Image:
            images = (await self._get(ctx, "/v2/images")).json()["images"]
            other = next((image for image in images if image["id"] != body["id"]), body)
            return await fetch(self, ctx, other)  # type: ignore[no-any-return]

        return fetched

    patch.wrap(Images, "fetch", around)


@mutant("M170", 19, "the compute shows glance its own token instead of the user's", ["S19.C3"], "L")
def own_token(patch: Patch) -> None:
    patch.replace(Images, "_reader", lambda self, ctx: self._clients.own(ctx))


@mutant("M81", 20, "glance does not validate tokens", ["S20.C1", "S20.C4"], "B")
def glance_looks_at_nothing(patch: Patch) -> None:
    looks_at_nothing(patch, "glance")


@mutant("M171", 20, "glance believes what a token says of itself, and never asks keystone", ["S20.C3", "S20.C1"], "P")
def glance_asks_nobody(patch: Patch) -> None:
    asks_nobody(patch, "glance")


@mutant("M82", 20, "glance does not look at the project: private images are everybody's", ["S20.C2", "S19.C2"], "B2")
def no_projects(patch: Patch) -> None:
    patch.replace(access, "is_admin", lambda ctx: True)
    patch.replace(access, "allowed", lambda ctx, rule, row: True)


@mutant("M122", 20, "a launch goes on with a token that was revoked after the 202", ["S20.C4"], "H")
def revoked_is_good_enough(patch: Patch) -> None:
    """Whoever is refused with the user's token tries again with its own."""

    def around(request: Any) -> Any:
        async def asked(self: Rest, *args: Any, **options: Any) -> Response:
            answer: Response = await request(self, *args, **options)
            return answer if answer.status != 401 or self._own else await asked(Rest(self._login, self._ctx, True), *args, **options)

        return asked

    patch.wrap(Rest, "request", around)


@mutant("M84", 21, "the data's checksum is not verified", ["S21.C2"], "H")
def not_verified(patch: Patch) -> None:
    async def keep(self: Images, body: Json, data: AsyncIterator[bytes], path: Any) -> None:
        path.write_bytes(b"".join([chunk async for chunk in data]))

    patch.replace(Images, "_keep", keep)


@mutant("M85", 21, "the network comes before the image", ["S21.C4"], "P", ("classic",))
def network_first(patch: Patch) -> None:
    async def build_and_run(self: Builds, ctx: RequestContext, launch: Launch) -> None:
        async with undo_on_failure() as undo, launch:
            await self._take_request(ctx, launch)
            server = await self._fetch_server(ctx, launch)
            await self._claim(ctx, launch, server, undo)
            network_info = await self._allocate_network(ctx, launch, undo)
            image = await self._fetch_image(ctx, launch)
            disks = await self._attach_volumes(ctx, launch, undo)
            await self._run(ctx, launch, self._guest(launch, image, network_info, disks), disks, undo)

    patch.replace(Builds, "build_and_run", build_and_run)


@mutant("M86", 21, "a server that boots from a volume names an image", ["S21.C5"], "B")
def image_of_a_volume(patch: Patch) -> None:
    def around(shown: Any) -> Any:
        return lambda ctx, row: shown(ctx, {**row, "image_ref": row["image_ref"] or str(uuid.UUID(int=1))})

    patch.wrap(views, "_image", around)


@mutant("M87", 21, "a deactivated image still boots", ["S21.C3"], "A")
def deactivated_boots(patch: Patch) -> None:
    def around(fetch: Any) -> Any:
        async def fetched(self: Images, ctx: RequestContext, body: Json) -> Image:
            return await fetch(self, ctx, {**body, "status": "active"})  # type: ignore[no-any-return]

        return fetched

    patch.wrap(Images, "fetch", around)
    patch.replace(image_data, "is_admin", lambda ctx: True)


@mutant("M172", 21, "a server names another image than the one that it was made of", ["S21.C1"], "B")
def names_another(patch: Patch) -> None:
    def around(shown: Any) -> Any:
        return lambda ctx, row: shown(ctx, {**row, "image_ref": row["image_ref"] and str(uuid.uuid5(uuid.NAMESPACE_OID, row["image_ref"]))})

    patch.wrap(views, "_image", around)


@mutant("M121", 0, "the global request id is not passed on", ["S03.C5"], "Q")
def own_id_passed_on(patch: Patch) -> None:
    def forgetful(self: RequestContext) -> str:
        return f"req-{uuid.UUID(hashlib.md5(self.request_id.encode(), usedforsecurity=False).hexdigest())}"

    patch.replace(RequestContext, "outgoing_id", property(forgetful))
