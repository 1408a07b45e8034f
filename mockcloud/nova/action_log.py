"""instance_actions: what was asked of a server, by whom and in which request."""

from __future__ import annotations

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.nova.tables import instance_actions


def record_action(ctx: Context, tx: Transaction, instance_uuid: str, action: str) -> None:
    """`action`: create, delete, start, stop, reboot, resize, confirmResize, ... as nova names them."""
    now = ctx.now()
    who = {"request_id": ctx.request_id, "user_id": ctx.user_id, "project_id": ctx.project_id}
    tx.insert(instance_actions, instance_uuid=instance_uuid, action=action, created_at=now, updated_at=now, start_time=now, **who)
