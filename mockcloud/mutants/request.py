"""Faulty nova-apis: what they answer to a request for a server."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import orjson
from sqlalchemy import select

from mockcloud.http.binding import Binding
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.mutants import Patch, mutant
from mockcloud.nova import launch, server_launch
from mockcloud.nova.tables import instances


@mutant("M09", 3, "an unknown image is accepted with 202, and fails later", ["S03.C3", "S06.C3"], "B")
def bad_image_accepted(patch: Patch) -> None:
    def around(fetch_image: Any) -> Any:
        async def fetched(ctx: Context, image_id: str, refusal: str = "") -> Any:
            try:
                return await fetch_image(ctx, image_id, refusal)
            except BadRequest:
                return {"id": image_id, "status": "active"}

        return fetched

    patch.wrap(launch, "fetch_image", around)


@mutant("M10", 3, "a request for a server is answered with 200", ["S03.C1", "S03.C2"], "B")
def wrong_status(patch: Patch) -> None:
    def around(answer: Any) -> Any:
        return lambda *args: dataclasses.replace(answer(*args), status=200)

    patch.wrap(server_launch, "_answer", around)


@mutant("M11", 3, "a repeated POST of the same body gets the first one's server", ["S03.C4"], "B")
def idempotent(patch: Patch) -> None:
    answers: dict[bytes, Any] = {}

    def around(create_server: Any) -> Any:
        @functools.wraps(create_server)
        async def create(ctx: Context, body: Any) -> Any:
            asked = orjson.dumps([ctx.project_id, body])
            if asked not in answers:
                answers[asked] = await create_server(ctx, body)
            return answers[asked]

        return create

    patch.wrap(server_launch, "create_server", around)


@mutant("M133", 3, "the 202 waits until the server is ACTIVE", ["S03.C2"], "H")
def waits_for_the_server(patch: Patch) -> None:
    def around(create_server: Any) -> Any:
        @functools.wraps(create_server)
        async def create(ctx: Context, body: Any) -> Any:
            reply = await create_server(ctx, body)
            built = select(instances.c.id).where(instances.c.uuid == reply.body["server"]["id"], instances.c.vm_state != "building")
            for _ in range(1_000):
                await ctx.clock.sleep(0.05)
                if ctx.db.one(built):
                    break
            return reply

        return create

    patch.wrap(server_launch, "create_server", around)


@mutant("M134", 3, "nova answers with the client's request id instead of its own", ["S03.C5"], "B")
def no_id_of_its_own(patch: Patch) -> None:
    def around(answer: Any) -> Any:
        async def answered(self: Binding, incoming: Any, fact: Any) -> Any:
            reply = await answer(self, incoming, fact)
            if self.service.name == "nova":
                reply.headers["x-openstack-request-id"] = incoming.ids.outgoing_id
            return reply

        return answered

    patch.wrap(Binding, "_answer", around)
