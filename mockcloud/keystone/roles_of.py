"""Which roles somebody has somewhere: direct, by group, inherited, implied."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.keystone.tables import assignments, group_members, implied_roles, projects, roles


def with_implied(tx: Transaction, role_ids: Iterable[str]) -> set[str]:
    """The roles and everything that they imply, however far."""
    rules: dict[str, set[str]] = {}
    for rule in tx.all(select(implied_roles)):
        rules.setdefault(rule["prior_role_id"], set()).add(rule["implied_role_id"])
    found: set[str] = set()
    todo = set(role_ids)
    while todo:
        role = todo.pop()
        found.add(role)
        todo |= rules.get(role, set()) - found
    return found


def groups_of(tx: Transaction, user_id: str) -> list[str]:
    return [row["group_id"] for row in tx.all(select(group_members.c.group_id).where(group_members.c.user_id == user_id))]


def ancestors(tx: Transaction, project: Row) -> list[str]:
    """The project's parents, nearest first, without the domain."""
    found: list[str] = []
    parent = project["parent_id"]
    while parent and parent != project["domain_id"] and parent not in found:
        found.append(parent)
        parent = tx.scalar(select(projects.c.parent_id).where(projects.c.id == parent))
    return found


def direct_roles(tx: Transaction, user_id: str, target_type: str, target_id: str, above: Iterable[tuple[str, str]] = ()) -> set[str]:
    """Role ids without the implied ones; `above` lists (type, id) of targets whose inherited assignments reach here."""
    actors = or_(
        and_(assignments.c.actor_type == "user", assignments.c.actor_id == user_id),
        and_(assignments.c.actor_type == "group", assignments.c.actor_id.in_(groups_of(tx, user_id))),
    )
    places = [and_(assignments.c.target_type == target_type, assignments.c.target_id == target_id, assignments.c.inherited.is_(False))]
    for kind, id_ in above:
        places.append(and_(assignments.c.target_type == kind, assignments.c.target_id == id_, assignments.c.inherited.is_(True)))
    return {row["role_id"] for row in tx.all(select(assignments.c.role_id).where(actors, or_(*places)))}


def project_roles(tx: Transaction, user_id: str, project: Row) -> set[str]:
    above = [("project", parent) for parent in ancestors(tx, project)]
    above.append(("domain", project["domain_id"]))
    return with_implied(tx, direct_roles(tx, user_id, "project", project["id"], above))


def domain_roles(tx: Transaction, user_id: str, domain_id: str) -> set[str]:
    return with_implied(tx, direct_roles(tx, user_id, "domain", domain_id))


def system_roles(tx: Transaction, user_id: str) -> set[str]:
    return with_implied(tx, direct_roles(tx, user_id, "system", "system"))


def named(tx: Transaction, role_ids: Iterable[str]) -> list[dict[str, str]]:
    """`{id, name}` of roles, by name."""
    rows = tx.all(select(roles.c.id, roles.c.name).where(roles.c.id.in_(list(role_ids))).order_by(roles.c.name))
    return [{"id": row["id"], "name": row["name"]} for row in rows]
