"""How everything that is done to a server begins: by compare and set, in one transaction with its record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict
from mockcloud.nova import states
from mockcloud.nova.action_log import record_action
from mockcloud.nova.build_requests import table_of
from mockcloud.nova.lookup import find_server, is_admin
from mockcloud.nova.states import Action
from mockcloud.nova.tables import services
from mockcloud.nova.zones import is_up


def start(ctx: Context, server_id: str, action: Action, **values: Any) -> Row:
    """Begins `action` in a transaction of its own; the server's row as it is then. Cast only after it."""
    with ctx.db.transaction() as tx:
        return begin(ctx, tx, find_server(ctx, tx, server_id), action, **values)


def begin(ctx: Context, tx: Transaction, server: Row, action: Action, **values: Any) -> Row:
    """`values` are written with the new task_state. Of rivals exactly one wins; the others get 409, as in a wrong state."""
    check(ctx, server, action)
    changed = values if action.task is None else {"task_state": action.task, **values}
    if changed:
        _save(ctx, tx, server, action, changed)
    if action.record:
        record_action(ctx, tx, server["uuid"], action.record)
    return {**server, **changed}


def check(ctx: Context, server: Row, action: Action) -> None:
    if problem := states.refusal(action, server, is_admin(ctx)):
        raise Conflict(problem)


def check_host_up(ctx: Context, tx: Transaction, host: str | None) -> None:
    """Without its compute an action would only wait."""
    row = tx.one(select(services).where(services.c.host == host, services.c.binary == "nova-compute"))
    if row is None or not is_up(row, ctx.now(), ctx.settings.service_down_time):
        raise Conflict("Service is unavailable at this time.")


def _save(ctx: Context, tx: Transaction, server: Row, action: Action, values: dict[str, Any]) -> None:
    table = table_of(server)
    c = table.c
    unchanged = [c.uuid == server["uuid"], c.deleted_at.is_(None)]
    unchanged += [c[name].is_not_distinct_from(server[name]) for name in ("vm_state", "task_state", "locked")]
    if not tx.execute(update(table).where(*unchanged).values(updated_at=ctx.now(), **values)):
        now = find_server(ctx, tx, server["uuid"])
        raise Conflict(states.refusal(action, now, is_admin(ctx)) or states.in_state(action.name, now, "task_state"))
