"""User messages: why accepted work failed."""

from __future__ import annotations

from sqlalchemy import delete, select

from mockcloud.cinder import faults, listing
from mockcloud.cinder.lookup import find_message, own
from mockcloud.cinder.tables import messages
from mockcloud.cinder.views import links, shown_time
from mockcloud.db.engine import Row
from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Query


async def list_messages(ctx: Context, query: Query) -> Json:
    filters = listing.filters_of(ctx, query, "message") if ctx.at_least("3.5") else {}
    stmt = own(ctx, select(messages).where(messages.c.expires_at > ctx.now()), messages)
    filtered = listing.where_filters(stmt, messages, filters)
    unknown = faults.message_not_found(str(query.get("marker")))
    with ctx.db.transaction() as tx:
        rows = listing.select_page(tx, filtered, messages, query, unknown)
    more = listing.next_links(ctx, rows, query, "messages")
    return {"messages": [_view(ctx, row) for row in rows], **({"messages_links": more} if more else {})}


async def show_message(ctx: Context, message_id: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"message": _view(ctx, find_message(ctx, tx, message_id))}


async def delete_message(ctx: Context, message_id: str) -> None:
    with ctx.db.transaction() as tx:
        find_message(ctx, tx, message_id)
        tx.execute(delete(messages).where(messages.c.id == message_id))


def _view(ctx: Context, row: Row) -> Json:
    return {
        "id": row["id"],
        "event_id": row["event_id"],
        "user_message": row["user_message"],
        "message_level": row["message_level"],
        "created_at": shown_time(row["created_at"]),
        "guaranteed_until": shown_time(row["expires_at"]),
        "request_id": row["request_id"],
        "links": links(ctx, "messages", row["id"]),
        "resource_type": row["resource_type"],
        "resource_uuid": row["resource_uuid"],
    }
