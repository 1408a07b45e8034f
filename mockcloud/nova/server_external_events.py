"""What other services report of servers' ports and volumes, handed on to the computes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import bindparam, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Reply
from mockcloud.nova.action_log import record_action
from mockcloud.nova.compute_rpc import VERSIONS
from mockcloud.nova.tables import instances, migrations

TAG_REQUIRED = ("volume-extended", "power-update", "accelerator-request-bound")
POWER = {"POWER_ON": "start", "POWER_OFF": "stop"}  # the action that a power-update leaves a record of, by its tag
MOVED = ("confirmed", "reverted", "error", "failed", "done", "completed", "cancelled")  # the move is over

Event = dict[str, Any]

_SERVER = Prepared(select(instances).where(instances.c.uuid == bindparam("uuid"), instances.c.deleted_at.is_(None)))
_MOVES = Prepared(
    select(migrations.c.source_compute, migrations.c.dest_compute, migrations.c.status).where(
        migrations.c.instance_uuid == bindparam("uuid")
    )
)


async def create_server_external_events(ctx: Context, body: Json) -> Reply:
    accepted: dict[str, list[Event]] = defaultdict(list)  # by host
    shown: list[Event] = []
    with ctx.db.transaction() as tx:
        for event in body["events"]:
            server = tx.one(_SERVER, uuid=event["server_uuid"])
            code = _code(event, server)
            shown.append({**event, "code": code, "status": "completed" if code == 200 else "failed"})
            if code == 200 and server is not None:
                _record(ctx, tx, event)
                for host in _hosts(tx, server):
                    accepted[host].append({"status": "completed", "tag": None, **event})
    version = VERSIONS[ctx.settings.dialect]
    for host, events in accepted.items():
        await ctx.bus.cast(ctx.request, "compute", "external_instance_event", server=host, version=version, args={"events": events})
    return Reply({"events": shown}, status=200 if all(event["code"] == 200 for event in shown) else 207)


def _code(event: Event, server: Row | None) -> int:
    if server is None:
        return 404
    if event["name"] in TAG_REQUIRED and "tag" not in event:
        return 400
    return 200 if server["host"] else 422


def _hosts(tx: Transaction, server: Row) -> set[str]:
    """While a server moves, both of its computes hear of it."""
    moves = [move for move in tx.all(_MOVES, uuid=server["uuid"]) if move["status"] not in MOVED]
    hosts = (server["host"], *(move[name] for move in moves for name in ("source_compute", "dest_compute")))
    return {host for host in hosts if host}


def _record(ctx: Context, tx: Transaction, event: Event) -> None:
    """What a user began elsewhere can be followed here."""
    action = "extend_volume" if event["name"] == "volume-extended" else POWER.get(event.get("tag", ""), "")
    if event["name"] in ("volume-extended", "power-update") and action:
        record_action(ctx, tx, event["server_uuid"], action)
