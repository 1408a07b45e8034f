"""Application credentials: a part of a user's rights, for programs."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, Forbidden, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.keystone import roles_of
from mockcloud.keystone.passwords import hash_password
from mockcloud.keystone.tables import application_credentials as table
from mockcloud.keystone.tables import roles
from mockcloud.keystone.tokens import Tokens


async def list_application_credentials(ctx: Context, user_id: str, query: Query) -> Json:
    _allow(ctx, "list_application_credentials", user_id)
    statement = select(table).where(table.c.user_id == user_id)
    if "name" in query:
        statement = statement.where(table.c.name == query["name"])
    with ctx.db.transaction() as tx:
        found = [_view(ctx, tx, row) for row in tx.all(statement)]
    links = {"self": ctx.url(f"/v3/users/{user_id}/application_credentials"), "previous": None, "next": None}
    return {"application_credentials": found, "links": links}


async def show_application_credential(ctx: Context, user_id: str, application_credential_id: str) -> Json:
    _allow(ctx, "get_application_credential", user_id)
    with ctx.db.transaction() as tx:
        return {"application_credential": _view(ctx, tx, _find(tx, user_id, application_credential_id))}


async def create_application_credential(ctx: Context, user_id: str, body: Json) -> Json:
    """Only by the user himself, for the project that his token is scoped to; the secret is shown this once."""
    _allow(ctx, "create_application_credential", user_id)
    _refuse_restricted(ctx)
    given = body["application_credential"]
    secret = given.get("secret") or secrets.token_urlsafe(64)
    with ctx.db.transaction() as tx:
        row: Row = {
            "id": uuid.uuid4().hex,
            "name": given["name"],
            "user_id": user_id,
            "project_id": _project(ctx),
            "system": None,
            "secret_hash": hash_password(secret),
            "description": given.get("description"),
            "expires_at": _expiry(given.get("expires_at"), ctx.now()),
            "unrestricted": bool(given.get("unrestricted")),
            "roles": _roles(ctx, tx, given.get("roles")),
        }
        try:
            tx.insert(table, **row)
        except IntegrityError as error:
            raise Conflict(
                f"Conflict occurred attempting to store application_credential - Duplicate entry found with name {given['name']}."
            ) from error
        return {"application_credential": _view(ctx, tx, row) | {"secret": secret}}


async def delete_application_credential(ctx: Context, user_id: str, application_credential_id: str) -> None:
    """Its tokens end with it."""
    _allow(ctx, "delete_application_credential", user_id)
    _refuse_restricted(ctx)
    with ctx.db.transaction() as tx:
        row = _find(tx, user_id, application_credential_id)
        ctx.part(Tokens).revoke_application_credential(tx, row["id"])
        tx.execute(delete(table).where(table.c.id == row["id"]))


def _allow(ctx: Context, rule: str, user_id: str) -> None:
    ctx.enforce(f"identity:{rule}", {"user_id": user_id, "target.user.id": user_id})


def _refuse_restricted(ctx: Context) -> None:
    """A program that was given a part of a user's rights makes itself no further ones, unless it is trusted to."""
    payload = ctx.part(Tokens).validate(ctx.token).payload
    used = payload.application_credential_id
    if used and not ctx.db.scalar(select(table.c.unrestricted).where(table.c.id == used)):
        raise Forbidden(
            "You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for "
            "managing additional application credentials.."
        )


def _project(ctx: Context) -> str:
    """Raises BadRequest for a token without a project: the credential would have nowhere to go."""
    if not ctx.project_id:
        raise BadRequest("Invalid application credential: a project-scoped token is required.")
    return ctx.project_id


def _find(tx: Transaction, user_id: str, credential_id: str) -> Row:
    row = tx.one(select(table).where(table.c.id == credential_id, table.c.user_id == user_id))
    if row is None:
        raise NotFound(f"Could not find Application Credential: {credential_id}.")
    return row


def _roles(ctx: Context, tx: Transaction, asked: list[dict[str, Any]] | None) -> list[str]:
    """Ids of the roles asked for with those they imply, all of them in the caller's token; without a wish, the token's."""
    token = ctx.part(Tokens).validate(ctx.token, within=tx).body
    held = {role["id"] for role in token.get("roles", ())}
    if not asked:
        return sorted(held)
    wanted = roles_of.with_implied(tx, [_role_id(tx, role) for role in asked])
    if not wanted <= held:
        raise BadRequest("Invalid application credential: Cannot create an application credential with unassigned role")
    return sorted(wanted)


def _role_id(tx: Transaction, asked: dict[str, Any]) -> str:
    column, value = (roles.c.id, asked["id"]) if "id" in asked else (roles.c.name, asked["name"])
    found = tx.scalar(select(roles.c.id).where(column == value))
    if found is None:
        raise NotFound(f"Could not find role: {value}.")
    return str(found)


MALFORMED = "The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."  # fmt: skip  # noqa: E501


def _expiry(text: str | None, now: datetime) -> datetime | None:
    """Naive UTC."""
    if not text:
        return None
    try:
        ends = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise BadRequest(f"Timestamp not in expected format. {MALFORMED}") from error
    ends = ends.astimezone(UTC).replace(tzinfo=None) if ends.tzinfo else ends
    if ends <= now:
        raise BadRequest(f"The 'expires_at' must not be before now. {MALFORMED}")
    return ends


def _view(ctx: Context, tx: Transaction, row: Row) -> Json:
    ends = row["expires_at"]
    shown = {name: row[name] for name in ("id", "name", "description", "project_id", "user_id", "system", "unrestricted")}
    return shown | {
        "expires_at": None if ends is None else ends.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "roles": [{**role, "domain_id": None} for role in roles_of.named(tx, row["roles"])],
        "links": {"self": ctx.url(f"/v3/users/{row['user_id']}/application_credentials/{row['id']}")},
    }
