"""What was done to a server: by whom, in which request, and how each of its steps ended."""

from __future__ import annotations

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.paging import MarkerNotFound, page
from mockcloud.http.reply import Json, Query
from mockcloud.nova.links import limit_of, next_links
from mockcloud.nova.lookup import find_server, own, owner
from mockcloud.nova.tables import instance_actions, instance_actions_events, instances
from mockcloud.nova.times import changed, precise
from mockcloud.nova.views import host_id

RULE = "os_compute_api:os-instance-actions"
NEWEST_FIRST = (("created_at", "desc"), ("id", "desc"))


async def list_instance_actions(ctx: Context, server_id: str, query: Query) -> Json:
    stmt = select(instance_actions).where(instance_actions.c.instance_uuid == server_id, *changed(query, instance_actions))
    limit = limit_of(query)
    with ctx.db.transaction() as tx:
        _find(ctx, tx, server_id)
        try:
            rows, _ = page(tx, stmt, instance_actions, key="request_id", sort=NEWEST_FIRST, marker=query.get("marker"), limit=limit)
        except MarkerNotFound as unknown:
            raise BadRequest(f"Marker {unknown.marker} could not be found.") from None
    more = next_links(ctx, query, f"servers/{server_id}/os-instance-actions", rows, "request_id")
    return {"instanceActions": [_view(row) for row in rows]} | ({"links": more} if more else {})


async def show_instance_action(ctx: Context, server_id: str, request_id: str) -> Json:
    with ctx.db.transaction() as tx:
        server = _find(ctx, tx, server_id)
        mine = (instance_actions.c.instance_uuid == server_id, instance_actions.c.request_id == request_id)
        action = tx.one(select(instance_actions).where(*mine).order_by(instance_actions.c.id.desc()).limit(1))
        if action is None:
            raise NotFound(f"Action {request_id} not found")
        t = instance_actions_events
        events = tx.all(select(t).where(t.c.action_id == action["id"]).order_by(t.c.start_time.desc(), t.c.id.desc()))
    shown = _view(action)
    if ctx.at_least("2.51") or ctx.can(f"{RULE}:events", owner(server)):
        shown["events"] = [_event(ctx, event, server, action["project_id"] or server["project_id"]) for event in events]
    return {"instanceAction": shown}


def _find(ctx: Context, tx: Transaction, server_id: str) -> Row:
    """From 2.21 on a deleted server's record can be read too."""
    if not ctx.at_least("2.21"):
        return find_server(ctx, tx, server_id)
    return tx.one(own(ctx, select(instances).where(instances.c.uuid == server_id))) or find_server(ctx, tx, server_id)


def _view(row: Row) -> Json:
    shown = {name: row[name] for name in ("action", "instance_uuid", "request_id", "user_id", "project_id", "message")}
    return {**shown, "start_time": precise(row["start_time"]), "updated_at": precise(row["updated_at"])}


def _event(ctx: Context, row: Row, server: Row, project_id: str) -> Json:
    """Tracebacks and hosts are for administrators; everybody can tell hosts apart."""
    shown = {"event": row["event"], "result": row["result"], "hostId": host_id(project_id, row["host"])}
    shown |= {"start_time": precise(row["start_time"]), "finish_time": precise(row["finish_time"])}
    if ctx.can(f"{RULE}:events", owner(server)):
        shown |= {"traceback": row["traceback"], "host": row["host"] or ""}
    if ctx.can(f"{RULE}:events:details", owner(server)):
        shown["details"] = row["details"]
    return shown
