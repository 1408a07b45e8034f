"""Key pairs: of users, not of projects."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.nova import quota, ssh_keys
from mockcloud.nova.links import next_links, select_page
from mockcloud.nova.tables import key_pairs
from mockcloud.nova.times import precise

RULE = "os_compute_api:os-keypairs:"


async def list_keypairs(ctx: Context, query: Query) -> Json:
    user_id = _owner(ctx, "index", query.get("user_id"))
    stmt = select(key_pairs).where(key_pairs.c.user_id == user_id)
    with ctx.db.transaction() as tx:
        if ctx.at_least("2.35"):
            rows = select_page(tx, stmt, key_pairs, query, key="name", unknown="Marker {} could not be found.")
        else:
            rows = tx.all(stmt.order_by(key_pairs.c.name))
    following = next_links(ctx, query, "os-keypairs", rows, "name")
    shown = [{"keypair": {name: row[name] for name in ("name", "public_key", "fingerprint", "type")}} for row in rows]
    return {"keypairs": shown, **({"keypairs_links": following} if following else {})}


async def create_keypair(ctx: Context, body: Json) -> Json:
    """Without a public key a pair is made (until 2.91): its private half is in this answer and nowhere else."""
    asked = body["keypair"]
    user_id, kind = _owner(ctx, "create", asked.get("user_id")), asked.get("type", "ssh")
    with ctx.db.transaction() as tx:
        quota.check_key_pairs(tx, ctx.project_id, user_id)
    made = None
    if "public_key" not in asked:
        made = await asyncio.to_thread(ssh_keys.generate, kind, user_id, ctx.now())
    public_key = asked["public_key"] if made is None else made.public_key
    row = {"user_id": user_id, "name": asked["name"], "type": kind, "public_key": public_key, "fingerprint": _fingerprint(public_key, kind)}
    with ctx.db.transaction() as tx:
        _check_name(tx, row)
        quota.check_key_pairs(tx, ctx.project_id, user_id)
        tx.insert(key_pairs, created_at=ctx.now(), **row)
    return {"keypair": row if made is None else {**row, "private_key": made.private_key}}


def _fingerprint(public_key: str, kind: str) -> str:
    try:
        return ssh_keys.fingerprint(public_key, kind)
    except ssh_keys.InvalidKey as invalid:
        raise BadRequest(f"Keypair data is invalid: {invalid}") from None


def _check_name(tx: Transaction, row: Row) -> None:
    if tx.one(select(key_pairs.c.id).where(key_pairs.c.user_id == row["user_id"], key_pairs.c.name == row["name"])):
        raise Conflict(f"Key pair '{row['name']}' already exists.")


async def show_keypair(ctx: Context, keypair_name: str, query: Query) -> Json:
    user_id = _owner(ctx, "show", query.get("user_id"))
    row = ctx.db.one(select(key_pairs).where(key_pairs.c.user_id == user_id, key_pairs.c.name == keypair_name))
    if row is None:
        raise _missing(keypair_name, user_id)
    never = {"deleted": False, "deleted_at": None, "updated_at": None}
    return {"keypair": {**row, **never, "created_at": precise(row["created_at"])}}


async def delete_keypair(ctx: Context, keypair_name: str, query: Query) -> None:
    user_id = _owner(ctx, "delete", query.get("user_id"))
    with ctx.db.transaction() as tx:
        if not tx.execute(delete(key_pairs).where(key_pairs.c.user_id == user_id, key_pairs.c.name == keypair_name)):
            raise _missing(keypair_name, user_id)


def _owner(ctx: Context, action: str, asked: str | None) -> str:
    """Whose key pairs: the caller's own, or those of the user that an administrator names."""
    user_id = asked or ctx.user_id
    ctx.enforce(RULE + action, {"user_id": user_id})
    return user_id


def _missing(name: str, user_id: str) -> NotFound:
    return NotFound(f"Keypair {name} not found for user {user_id}")
