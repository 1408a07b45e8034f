"""What a token is asked for: a project, a domain, the system, or nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from mockcloud.db.engine import Transaction
from mockcloud.http.errors import NotFound
from mockcloud.keystone import roles_of
from mockcloud.keystone.credentials import Json, Principal, domain_id, expecting, refusal
from mockcloud.keystone.tables import domains, projects

KINDS = ("system", "project", "domain", "OS-TRUST:trust", "unscoped")
Scope = tuple[str, str]  # kind, id; two empty strings without one


def named_scope(scope: Any) -> str:
    """Which one of the kinds a request names; empty without a scope. Raises BadRequest for none or several."""
    if scope is None:
        return ""
    kinds = [scope] if scope == "unscoped" else [kind for kind in KINDS if isinstance(scope, dict) and kind in scope]
    if len(kinds) != 1:
        raise expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
    return kinds[0]


def wanted_scope(tx: Transaction, principal: Principal, scope: Any) -> Scope:
    """The scope asked for; without one, the user's default project where he has a role there, else none at all."""
    kind = named_scope(scope)
    if principal.application_credential is not None:
        if kind:
            raise refusal("Error authenticating with application credential: Application credentials cannot request a scope.")
        return "project", principal.application_credential["project_id"]
    if kind == "":
        return _default(tx, principal)
    if kind == "unscoped":
        return "", ""
    if kind == "system":
        return "system", "system"
    if kind == "OS-TRUST:trust":
        raise NotFound(f"Could not find trust: {scope[kind].get('id')}.")  # this cloud keeps no trusts
    found = _project(tx, scope[kind]) if kind == "project" else _domain(tx, scope[kind])
    if found is None:
        raise refusal()
    return kind, found


def _default(tx: Transaction, principal: Principal) -> Scope:
    project = tx.one(select(projects).where(projects.c.id == principal.user["default_project_id"]))
    if project is None or not project["enabled"] or not roles_of.project_roles(tx, principal.user["id"], project):
        return "", ""
    if not tx.scalar(select(domains.c.enabled).where(domains.c.id == project["domain_id"])):
        return "", ""
    return "project", project["id"]


def _project(tx: Transaction, asked: Json) -> str | None:
    if not asked.get("name"):
        return tx.scalar(select(projects.c.id).where(projects.c.id == str(asked.get("id", ""))))  # type: ignore[no-any-return]
    if "domain" not in asked:
        raise expecting("domain", "project")
    inside = projects.c.domain_id == domain_id(tx, asked["domain"])
    return tx.scalar(select(projects.c.id).where(projects.c.name == asked["name"], inside))  # type: ignore[no-any-return]


def _domain(tx: Transaction, asked: Json) -> str | None:
    return tx.scalar(select(domains.c.id).where(domains.c.id == domain_id(tx, asked)))  # type: ignore[no-any-return]
