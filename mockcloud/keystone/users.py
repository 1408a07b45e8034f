"""Users, their passwords, groups and memberships."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound, Unauthorized
from mockcloud.http.reply import Json
from mockcloud.keystone import roles_of
from mockcloud.keystone.collection import Collection
from mockcloud.keystone.passwords import hash_password, verify_password
from mockcloud.keystone.projects import project_view
from mockcloud.keystone.tables import application_credentials, assignments, domains, group_members, projects
from mockcloud.keystone.tables import groups as groups_table
from mockcloud.keystone.tables import users as users_table
from mockcloud.keystone.tokens import Tokens

HIDDEN = ("extra", "password_hash", "created_at")


def user_view(ctx: Context, row: Row) -> Json:
    shown = {name: value for name, value in row.items() if name not in HIDDEN and not (name in OPTIONAL and value is None)}
    links = {"self": ctx.url(f"/v3/users/{row['id']}")}
    return {**(row.get("extra") or {}), **shown, "password_expires_at": None, "links": links}


OPTIONAL = ("description", "default_project_id")


def _new_user(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.one(select(domains).where(domains.c.id == row["domain_id"])) is None:
        raise NotFound(f"Could not find domain: {row['domain_id']}.")
    _take_password(row)


def _take_password(row: Row) -> bool:
    password = row["extra"].pop("password", None)
    if password is not None:
        row["password_hash"] = hash_password(password)
    return password is not None


def _changed_user(ctx: Context, tx: Transaction, row: Row) -> None:
    if _take_password(row) or not row["enabled"]:
        ctx.part(Tokens).revoke_user(tx, row["id"])


def _user_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    ctx.part(Tokens).revoke_user(tx, row["id"])
    tx.execute(delete(group_members).where(group_members.c.user_id == row["id"]))
    tx.execute(delete(assignments).where(assignments.c.actor_type == "user", assignments.c.actor_id == row["id"]))
    tx.execute(delete(application_credentials).where(application_credentials.c.user_id == row["id"]))


def _group_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    tx.execute(delete(group_members).where(group_members.c.group_id == row["id"]))
    tx.execute(delete(assignments).where(assignments.c.actor_type == "group", assignments.c.actor_id == row["id"]))


users = Collection(
    "user",
    users_table,
    "/v3/users",
    before_create=_new_user,
    before_update=_changed_user,
    before_delete=_user_gone,
    defaults={"enabled": True, "options": {}},
    target=lambda row: {"target.user.id": row["id"], "target.user.domain_id": row["domain_id"], "user_id": row["id"]},
    view=user_view,
)

groups = Collection(
    "group",
    groups_table,
    "/v3/groups",
    before_delete=_group_gone,
    defaults={"description": ""},
    target=lambda row: {"target.group.domain_id": row["domain_id"]},
)


async def change_user_password(ctx: Context, user_id: str, body: Json) -> None:
    """By the user himself, with the old password; no token is needed, and all of his tokens end."""
    given = body["user"]
    with ctx.db.transaction() as tx:
        row = tx.one(select(users_table).where(users_table.c.id == user_id))
        if not verify_password(given["original_password"], row["password_hash"] if row else None):
            raise Unauthorized("The request you have made requires authentication.")
        hashed = hash_password(given["password"])
        tx.execute(update(users_table).where(users_table.c.id == user_id).values(password_hash=hashed))
        ctx.part(Tokens).revoke_user(tx, user_id)


async def list_user_groups(ctx: Context, user_id: str) -> Json:
    with ctx.db.transaction() as tx:
        row = users.find(tx, user_id)
        ctx.enforce("identity:list_groups_for_user", {"target.user.domain_id": row["domain_id"], "user_id": user_id})
        found = tx.all(select(groups_table).where(groups_table.c.id.in_(roles_of.groups_of(tx, user_id))))
    return {"groups": [groups.shown(ctx, group) for group in found], "links": _links(ctx, f"/v3/users/{user_id}/groups")}


async def list_user_projects(ctx: Context, user_id: str) -> Json:
    """Where the user has a role."""
    with ctx.db.transaction() as tx:
        row = users.find(tx, user_id)
        target = {"target.user.domain_id": row["domain_id"], "target.user.id": user_id, "user_id": user_id}
        ctx.enforce("identity:list_user_projects", target)
        found = [project for project in tx.all(select(projects)) if roles_of.project_roles(tx, user_id, project)]
    return {"projects": [project_view(ctx, project) for project in found], "links": _links(ctx, f"/v3/users/{user_id}/projects")}


async def list_group_users(ctx: Context, group_id: str) -> Json:
    with ctx.db.transaction() as tx:
        group = groups.find(tx, group_id)
        ctx.enforce("identity:list_users_in_group", {"target.group.domain_id": group["domain_id"]})
        members = select(group_members.c.user_id).where(group_members.c.group_id == group_id)
        found = tx.all(select(users_table).where(users_table.c.id.in_(members)))
    return {"users": [user_view(ctx, user) for user in found], "links": _links(ctx, f"/v3/groups/{group_id}/users")}


async def check_group_user(ctx: Context, group_id: str, user_id: str) -> None:
    with ctx.db.transaction() as tx:
        _membership(ctx, tx, "check_user_in_group", group_id, user_id)
        if group_id not in roles_of.groups_of(tx, user_id):
            raise NotFound(f"Could not find user {user_id} in group {group_id}.")


async def add_group_user(ctx: Context, group_id: str, user_id: str) -> None:
    with ctx.db.transaction() as tx:
        _membership(ctx, tx, "add_user_to_group", group_id, user_id)
        if group_id not in roles_of.groups_of(tx, user_id):
            tx.insert(group_members, group_id=group_id, user_id=user_id)


async def remove_group_user(ctx: Context, group_id: str, user_id: str) -> None:
    with ctx.db.transaction() as tx:
        _membership(ctx, tx, "remove_user_from_group", group_id, user_id)
        if group_id not in roles_of.groups_of(tx, user_id):
            raise NotFound(f"Could not find user {user_id} in group {group_id}.")
        tx.execute(delete(group_members).where(group_members.c.group_id == group_id, group_members.c.user_id == user_id))
        ctx.part(Tokens).revoke_user(tx, user_id)


def _membership(ctx: Context, tx: Transaction, rule: str, group_id: str, user_id: str) -> None:
    group, user = groups.find(tx, group_id), users.find(tx, user_id)
    ctx.enforce(f"identity:{rule}", {"target.group.domain_id": group["domain_id"], "target.user.domain_id": user["domain_id"]})


def _links(ctx: Context, path: str) -> Json:
    return {"self": ctx.url(path), "previous": None, "next": None}
