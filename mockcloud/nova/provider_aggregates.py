"""Nova's aggregates mirrored in placement: a compute's provider is a member of what its host is a member of."""

from __future__ import annotations

import logging

from sqlalchemy import select

from mockcloud.clients import EndpointDown, Rest
from mockcloud.clock import Clock
from mockcloud.db.engine import Database, Transaction
from mockcloud.http.errors import Conflict
from mockcloud.nova.tables import aggregates, compute_nodes

LOG = logging.getLogger(__name__)
VERSION = "1.19"  # aggregates with a provider generation
CONCURRENT_UPDATES = 4


def providers_of(tx: Transaction, host: str) -> list[str]:
    """The resource providers of a host's compute nodes."""
    rows = tx.all(select(compute_nodes.c.uuid).where(compute_nodes.c.host == host))
    return [row["uuid"] for row in rows]


async def join(rest: Rest, provider: str, aggregate: str) -> bool:
    """A placement that fails is no failure of the request: nova's own rows are what counts."""
    try:
        return await _change(rest, provider, aggregate, member=True)
    except (Conflict, EndpointDown) as error:
        LOG.warning("failed to associate %s with the placement aggregate %s: %s", provider, aggregate, error)
        return False


async def mirror(rest: Rest, db: Database, clock: Clock) -> None:
    """The aggregates that the cloud began with: each host joins them when its compute has registered."""
    waiting = {(host, row["uuid"]) for row in db.all(select(aggregates)) for host in row["hosts"]}
    while waiting:
        await clock.sleep(1)
        for host, aggregate in sorted(waiting):
            with db.transaction() as tx:
                providers = providers_of(tx, host)
            for provider in providers:
                if await join(rest, provider, aggregate):
                    waiting.discard((host, aggregate))


async def leave(rest: Rest, provider: str, aggregate: str) -> None:
    """Raises Conflict when others keep changing the provider. One that is not there is no member."""
    try:
        await _change(rest, provider, aggregate, member=False)
    except EndpointDown as error:
        LOG.warning("failed to remove %s from the placement aggregate %s: %s", provider, aggregate, error)


async def drop_provider(rest: Rest, provider: str) -> None:
    """With the service that it stood for."""
    try:
        answer = await rest.delete("placement", f"/resource_providers/{provider}", version=VERSION)
    except EndpointDown as error:
        LOG.warning("failed to delete the resource provider %s: %s", provider, error)
    else:
        if not answer.ok:
            LOG.warning("failed to delete the resource provider %s: %s", provider, answer.message())


async def _change(rest: Rest, provider: str, aggregate: str, member: bool) -> bool:
    """False for a provider that placement does not know."""
    path = f"/resource_providers/{provider}/aggregates"
    for _ in range(CONCURRENT_UPDATES):
        known = await rest.get("placement", path, version=VERSION)
        if not known.ok:
            LOG.warning("the aggregates of %s cannot be read: %s", provider, known.message())
            return False
        before = set(known.json()["aggregates"])
        after = before | {aggregate} if member else before - {aggregate}
        if after == before:
            return True
        sent = {"aggregates": sorted(after), "resource_provider_generation": known.json()["resource_provider_generation"]}
        if (await rest.put("placement", path, json=sent, version=VERSION)).ok:
            return True
    raise Conflict(
        f"A conflict was encountered attempting to update resource provider {provider} (generation "
        f"{sent['resource_provider_generation']}): its aggregates keep changing"
    )
