"""What a token is asked for: a project, a domain, the system, or nothing."""

from __future__ import annotations

from typing import Any

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.errors import NotFound
from mockcloud.keystone import roles_of
from mockcloud.keystone.credentials import Json, Principal, domain_id, expecting, refusal
from mockcloud.keystone.lookup import DOMAIN, PROJECT, PROJECT_NAMED

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
    project = tx.one(PROJECT, id=principal.user["default_project_id"])
    if project is None or not project["enabled"] or not roles_of.project_roles(tx, principal.user["id"], project):
        return "", ""
    domain = tx.one(DOMAIN, id=project["domain_id"])
    if domain is None or not domain["enabled"]:
        return "", ""
    return "project", project["id"]


def _project(tx: Transaction, asked: Json) -> str | None:
    if not asked.get("name"):
        return _id(tx.one(PROJECT, id=str(asked.get("id", ""))))
    if "domain" not in asked:
        raise expecting("domain", "project")
    return _id(tx.one(PROJECT_NAMED, name=asked["name"], domain_id=domain_id(tx, asked["domain"])))


def _domain(tx: Transaction, asked: Json) -> str | None:
    return _id(tx.one(DOMAIN, id=domain_id(tx, asked)))


def _id(row: Row | None) -> str | None:
    return None if row is None else row["id"]
