"""Placement, asked in nova's own name: who has room, and the room taken; by the scheduler, and by the conductor for an alternate."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockcloud.clients import Clients, EndpointDown, Response
from mockcloud.context import RequestContext

LOG = logging.getLogger(__name__)
CANDIDATES_VERSION = "1.36"
CONCURRENT_UPDATES = 5  # how often a claim is repeated because somebody else's claim came between


class PlacementFailed(Exception):
    """Placement is away, or answers what it should not."""


@dataclass(slots=True)
class Candidates:
    """What placement offers, by the host's root provider."""

    requests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    summaries: Mapping[str, Any] = field(default_factory=dict)


class Claims:
    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def candidates(self, ctx: RequestContext, query: Mapping[str, str]) -> Candidates:
        answer = await self._send(ctx, "GET", "/allocation_candidates", params=query)
        if not answer.ok:
            raise PlacementFailed(f"GET /allocation_candidates: {answer.status} {answer.message()}")
        body = answer.json()
        summaries = body["provider_summaries"]
        requests: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for request in body["allocation_requests"]:
            for root in {summaries[provider]["root_provider_uuid"] for provider in request["allocations"]}:
                requests[root].append(request)
        return Candidates(dict(requests), summaries)

    async def claim(self, ctx: RequestContext, consumer: str, allocations: Mapping[str, Any], project_id: str, user_id: str) -> bool:
        """Takes the room for a new consumer. False: there is no room any more. What an earlier attempt left is replaced."""
        generation: int | None = None
        for _ in range(CONCURRENT_UPDATES):
            answer = await self._put(ctx, consumer, allocations, project_id, user_id, generation)
            if answer.ok:
                return True
            if not _concurrent_update(answer):
                return False
            if "consumer generation conflict" in answer.message():
                generation = (await self.allocations(ctx, consumer)).get("consumer_generation")
        return False

    async def replace(self, ctx: RequestContext, consumer: str, allocations: Mapping[str, Any], project_id: str, user_id: str) -> bool:
        """The same for a consumer that exists: its room becomes this, all of it or nothing."""
        for _ in range(CONCURRENT_UPDATES):
            generation = (await self.allocations(ctx, consumer)).get("consumer_generation")
            answer = await self._put(ctx, consumer, allocations, project_id, user_id, generation)
            if answer.ok:
                return True
            if not _concurrent_update(answer):
                return False
        return False

    async def allocations(self, ctx: RequestContext, consumer: str) -> Mapping[str, Any]:
        """Placement's body: `allocations` and, unless they are empty, `consumer_generation`."""
        answer = await self._send(ctx, "GET", f"/allocations/{consumer}")
        if not answer.ok:
            raise PlacementFailed(f"GET /allocations: {answer.status} {answer.message()}")
        body: Mapping[str, Any] = answer.json()
        return body

    async def release(self, ctx: RequestContext, consumer: str) -> None:
        """Gives all room back; none to give is fine."""
        answer = await self._send(ctx, "DELETE", f"/allocations/{consumer}")
        if not answer.ok and answer.status != 404:
            raise PlacementFailed(f"DELETE /allocations: {answer.status} {answer.message()}")

    async def release_all(self, ctx: RequestContext, consumers: Iterable[str]) -> None:
        """The same for several, as far as placement is there."""
        for consumer in consumers:
            try:
                await self.release(ctx, consumer)
            except PlacementFailed as error:
                LOG.error("the room of server %s stays claimed: %s", consumer, error)

    async def _put(
        self, ctx: RequestContext, consumer: str, allocations: Mapping[str, Any], project_id: str, user_id: str, generation: int | None
    ) -> Response:
        body = {"allocations": allocations, "project_id": project_id, "user_id": user_id, "consumer_generation": generation}
        answer = await self._send(ctx, "PUT", f"/allocations/{consumer}", json=body)
        if not answer.ok and answer.status != 409:
            raise PlacementFailed(f"PUT /allocations: {answer.status} {answer.message()}")
        return answer

    async def _send(self, ctx: RequestContext, method: str, path: str, **options: Any) -> Response:
        try:
            return await self._clients.own(ctx).request("placement", method, path, version=CANDIDATES_VERSION, **options)
        except EndpointDown as error:
            raise PlacementFailed(str(error)) from error


def _concurrent_update(answer: Response) -> bool:
    errors = answer.json().get("errors") or [{}]
    return bool(errors[0].get("code") == "placement.concurrent_update")
