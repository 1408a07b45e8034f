"""Users and their passwords."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json, Query
from mockcloud.keystone import roles_of
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.credentials import refusal
from mockcloud.keystone.groups import groups
from mockcloud.keystone.passwords import hash_password, verify_password
from mockcloud.keystone.projects import projects
from mockcloud.keystone.tables import application_credentials, assignments, domains, group_members
from mockcloud.keystone.tables import groups as groups_table
from mockcloud.keystone.tables import projects as projects_table
from mockcloud.keystone.tables import users as users_table
from mockcloud.keystone.tokens import Tokens

HIDDEN = ("extra", "password_hash", "created_at")
OPTIONAL = ("description", "default_project_id")


def user_view(ctx: Context, row: Row) -> Json:
    shown = {name: value for name, value in row.items() if name not in HIDDEN and not (name in OPTIONAL and value is None)}
    links = {"self": ctx.url(f"/v3/users/{row['id']}")}
    return {**(row.get("extra") or {}), **shown, "password_expires_at": None, "links": links}


def _new_user(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.one(select(domains).where(domains.c.id == row["domain_id"])) is None:
        raise NotFound(f"Could not find domain: {row['domain_id']}.")
    _check_default_project(tx, row)
    _take_password(row)


def _check_default_project(tx: Transaction, row: Row) -> None:
    default = row.get("default_project_id")
    if default and tx.one(select(domains).where(domains.c.id == default)) is not None:
        raise BadRequest("User's default project ID cannot be a domain ID: " + default)


def _take_password(row: Row) -> bool:
    """Moves a password from the attributes to its hash; whether there was one."""
    row["extra"].pop("original_password", None)
    if "password" not in row["extra"]:
        return False
    password = row["extra"].pop("password")
    row["password_hash"] = None if password is None else hash_password(password)
    return True


def _changed_user(ctx: Context, tx: Transaction, row: Row) -> None:
    _check_default_project(tx, row)
    if _take_password(row) or not row["enabled"]:
        ctx.part(Tokens).revoke_user(tx, row["id"])


def _user_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    ctx.part(Tokens).revoke_user(tx, row["id"])
    tx.execute(delete(group_members).where(group_members.c.user_id == row["id"]))
    tx.execute(delete(assignments).where(assignments.c.actor_type == "user", assignments.c.actor_id == row["id"]))
    tx.execute(delete(application_credentials).where(application_credentials.c.user_id == row["id"]))


users = Collection(
    "user",
    users_table,
    "/v3/users",
    before_create=_new_user,
    before_update=_changed_user,
    before_delete=_user_gone,
    defaults={"enabled": True, "options": {}},
    target=lambda row: {"user_id": row["id"]},
    view=user_view,
)


async def change_user_password(ctx: Context, user_id: str, body: Json) -> None:
    """By the user himself, with the old password; no token is needed, and all of his tokens end."""
    given = body["user"]
    with ctx.db.transaction() as tx:
        row = tx.one(select(users_table).where(users_table.c.id == user_id))
        good = verify_password(given["original_password"], row["password_hash"] if row else None)
        if row is None or not good or not row["enabled"]:
            raise refusal()
        hashed = hash_password(given["password"])
        tx.execute(update(users_table).where(users_table.c.id == user_id).values(password_hash=hashed))
        ctx.part(Tokens).revoke_user(tx, user_id)


async def list_user_groups(ctx: Context, user_id: str, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        _allowed(ctx, tx, "list_groups_for_user", user_id)
        found = select(groups_table).where(groups_table.c.id.in_(roles_of.groups_of(tx, user_id)))
        return groups.listed(ctx, tx, found, query, f"/v3/users/{user_id}/groups")


async def list_user_projects(ctx: Context, user_id: str, query: Query) -> Json:
    """Where the user has a role."""
    with ctx.db.transaction() as tx:
        _allowed(ctx, tx, "list_user_projects", user_id)
        theirs = [row["id"] for row in tx.all(select(projects_table)) if roles_of.project_roles(tx, user_id, row)]
        found = select(projects_table).where(projects_table.c.id.in_(theirs))
        return projects.listed(ctx, tx, found, query, f"/v3/users/{user_id}/projects")


async def list_group_users(ctx: Context, group_id: str, query: Query) -> Json:
    with ctx.db.transaction() as tx:
        group = tx.one(select(groups_table).where(groups_table.c.id == group_id))
        ctx.enforce("identity:list_users_in_group", groups.target_of(group or {}))
        groups.find(tx, group_id)
        members = select(group_members.c.user_id).where(group_members.c.group_id == group_id)
        found = select(users_table).where(users_table.c.id.in_(members))
        return users.listed(ctx, tx, found, query, f"/v3/groups/{group_id}/users")


async def check_group_user(ctx: Context, group_id: str, user_id: str) -> None:
    with ctx.db.transaction() as tx:
        _membership(ctx, tx, "check_user_in_group", group_id, user_id)
        _require_member(tx, group_id, user_id)


async def add_group_user(ctx: Context, group_id: str, user_id: str) -> None:
    with ctx.db.transaction() as tx:
        _membership(ctx, tx, "add_user_to_group", group_id, user_id)
        if group_id not in roles_of.groups_of(tx, user_id):
            tx.insert(group_members, group_id=group_id, user_id=user_id)


async def remove_group_user(ctx: Context, group_id: str, user_id: str) -> None:
    with ctx.db.transaction() as tx:
        _membership(ctx, tx, "remove_user_from_group", group_id, user_id)
        _require_member(tx, group_id, user_id)
        tx.execute(delete(group_members).where(group_members.c.group_id == group_id, group_members.c.user_id == user_id))
        ctx.part(Tokens).revoke_user(tx, user_id)


def _membership(ctx: Context, tx: Transaction, rule: str, group_id: str, user_id: str) -> None:
    """403 for who may not, before 404 for what is not there."""
    group = tx.one(select(groups_table).where(groups_table.c.id == group_id))
    user = tx.one(select(users_table).where(users_table.c.id == user_id))
    ctx.enforce(f"identity:{rule}", groups.target_of(group or {}) | users.target_of(user or {}))
    groups.find(tx, group_id)
    users.find(tx, user_id)


def _require_member(tx: Transaction, group_id: str, user_id: str) -> None:
    if group_id not in roles_of.groups_of(tx, user_id):
        raise NotFound(f"User '{user_id}' not found in group '{group_id}'")


def _allowed(ctx: Context, tx: Transaction, rule: str, user_id: str) -> None:
    row = tx.one(select(users_table).where(users_table.c.id == user_id))
    ctx.enforce(f"identity:{rule}", users.target_of(row or {}))
    users.find(tx, user_id)
