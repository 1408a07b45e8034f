"""Placement, asked in nova's own name: this host's provider, and the room that servers have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.claims import CONCURRENT_UPDATES, PlacementFailed
from mockcloud.clients import Clients, Response
from mockcloud.context import RequestContext

Json = dict[str, Any]
VERSION = "1.36"
DISABLED = "COMPUTE_STATUS_DISABLED"


class Placement:
    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def register(self, ctx: RequestContext, provider: str, name: str, inventories: Json, traits: list[str]) -> None:
        """The host's provider with its inventory, made or brought up to date."""
        known = await self._send(ctx, "GET", f"/resource_providers/{provider}", refusals=(404,))
        if known.status == 404:
            await self._send(ctx, "POST", "/resource_providers", json={"name": name, "uuid": provider})
        await self._put_part(ctx, provider, "inventories", {"inventories": inventories})
        await self.set_traits(ctx, provider, traits)

    async def set_traits(self, ctx: RequestContext, provider: str, traits: list[str]) -> None:
        await self._put_part(ctx, provider, "traits", {"traits": traits})

    async def release(self, ctx: RequestContext, consumer: str) -> None:
        """Gives all of a server's room back. Absence is success."""
        await self._send(ctx, "DELETE", f"/allocations/{consumer}", refusals=(404,))

    async def providers_of(self, ctx: RequestContext, consumer: str) -> set[str]:
        """Where a server has its room."""
        return set((await self._send(ctx, "GET", f"/allocations/{consumer}")).json()["allocations"])

    async def set_allocations(self, ctx: RequestContext, instance: Mapping[str, Any], provider: str, resources: Json) -> None:
        """The server has this and nothing else: a move is over."""
        consumer = instance["uuid"]
        for _ in range(CONCURRENT_UPDATES):
            before = (await self._send(ctx, "GET", f"/allocations/{consumer}")).json()
            body = {
                "allocations": {provider: {"resources": resources}},
                "project_id": instance["project_id"],
                "user_id": instance["user_id"],
                "consumer_generation": before.get("consumer_generation"),
            }
            if (await self._send(ctx, "PUT", f"/allocations/{consumer}", refusals=(409,), json=body)).ok:
                return
        raise PlacementFailed(f"the allocations of {consumer} keep changing")

    async def leave(self, ctx: RequestContext, instance: Mapping[str, Any], provider: str, resources: Json) -> None:
        """The same for the server's other host; one that has no other keeps it here."""
        held = (await self._send(ctx, "GET", f"/allocations/{instance['uuid']}")).json()["allocations"]
        others = [other for other in held if other != provider]
        await self.set_allocations(ctx, instance, others[0] if others else provider, resources)

    async def _put_part(self, ctx: RequestContext, provider: str, part: str, body: Json) -> None:
        """Only if it is not so already: a provider's generation is not spent for nothing."""
        path = f"/resource_providers/{provider}/{part}"
        for _ in range(CONCURRENT_UPDATES):
            known = (await self._send(ctx, "GET", path)).json()
            if _same(known[part], body[part]):
                return
            sent = {**body, "resource_provider_generation": known["resource_provider_generation"]}
            if (await self._send(ctx, "PUT", path, refusals=(409,), json=sent)).ok:
                return
        raise PlacementFailed(f"{path} keeps changing")

    async def _send(self, ctx: RequestContext, method: str, path: str, refusals: tuple[int, ...] = (), **options: Any) -> Response:
        answer = await self._clients.own(ctx).request("placement", method, path, version=VERSION, **options)
        if not answer.ok and answer.status not in refusals:
            raise PlacementFailed(f"{method} {path}: {answer.status} {answer.message()}")
        return answer


def _same(known: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return sorted(known) == sorted(wanted)
    return bool(known == wanted)
