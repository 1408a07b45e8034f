"""What could be allocated, over REST."""

from __future__ import annotations

from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Query
from mockcloud.placement.candidates import Candidate, Provider, allocation_candidates
from mockcloud.placement.queries import check_names, read_wish
from mockcloud.placement.store import load_providers


async def list_allocation_candidates(ctx: Context, query: Query) -> Json:
    wish = read_wish(ctx, query)
    with ctx.db.transaction() as tx:
        check_names(tx, wish.groups.values(), wish.root_required | wish.root_forbidden)
        providers = load_providers(tx)
    found = allocation_candidates(providers, wish, query.get("limit"))
    wanted = {name for group in wish.groups.values() for name in group.resources}
    used = {uuid for candidate in found for uuids in (*candidate.mappings.values(), candidate.amounts) for uuid in uuids}
    if ctx.at_least("1.29"):
        roots = {provider.root for provider in providers if provider.uuid in used}
        used |= {provider.uuid for provider in providers if provider.root in roots}
    return {
        "allocation_requests": [_request(ctx, candidate) for candidate in found],
        "provider_summaries": {p.uuid: _summary(ctx, p, wanted) for p in providers if p.uuid in used},
    }


def _request(ctx: Context, candidate: Candidate) -> Json:
    if not ctx.at_least("1.12"):
        given = [{"resource_provider": {"uuid": uuid}, "resources": amounts} for uuid, amounts in candidate.amounts.items()]
        return {"allocations": given}
    made: Row = {"allocations": {uuid: {"resources": amounts} for uuid, amounts in candidate.amounts.items()}}
    return made | ({"mappings": candidate.mappings} if ctx.at_least("1.34") else {})


def _summary(ctx: Context, provider: Provider, wanted: set[str]) -> Json:
    summary = provider.summary()
    shown: Row = {"resources": summary["resources"]}
    if not ctx.at_least("1.27"):
        shown["resources"] = {name: value for name, value in summary["resources"].items() if name in wanted}
    if ctx.at_least("1.17"):
        shown["traits"] = summary["traits"]
    if ctx.at_least("1.29"):
        shown |= {name: summary[name] for name in ("parent_provider_uuid", "root_provider_uuid")}
    return shown
