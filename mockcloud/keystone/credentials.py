"""Who somebody says to be: the authentication methods, and the scope that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.errors import BadRequest, Unauthorized
from mockcloud.keystone.passwords import verify_password
from mockcloud.keystone.tables import application_credentials, domains, projects, users
from mockcloud.keystone.tokens import Payload, TokenError, Tokens

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user, and what the methods used bind the new token to."""

    user: Row
    methods: tuple[str, ...]
    parent: Payload | None = None  # the token that was shown
    application_credential: Row | None = None


def refusal() -> Unauthorized:
    """One answer for every reason, so that nobody learns which."""
    return Unauthorized("The request you have made requires authentication.")


def authenticate(tx: Transaction, tokens: Tokens, identity: Json, now: datetime) -> Principal:
    """Raises Unauthorized, or BadRequest for a method without its part."""
    principal: Principal | None = None
    for method in identity["methods"]:
        if method not in METHODS:
            raise refusal()
        if not isinstance(identity.get(method), dict):
            raise BadRequest(f"Expecting to find {method} in identity. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")  # fmt: skip  # noqa: E501
        found = METHODS[method](tx, tokens, identity[method], now)
        if principal is not None and principal.user["id"] != found.user["id"]:
            raise refusal()
        principal = found if principal is None else _both(principal, found)
    if principal is None:
        raise refusal()
    domain = tx.one(select(domains).where(domains.c.id == principal.user["domain_id"]))
    if not principal.user["enabled"] or domain is None or not domain["enabled"]:
        raise refusal()
    return principal


def _both(one: Principal, other: Principal) -> Principal:
    return Principal(one.user, (*one.methods, *other.methods), one.parent or other.parent, one.application_credential)


def _by_password(tx: Transaction, tokens: Tokens, given: Json, now: datetime) -> Principal:
    asked = given.get("user")
    if not isinstance(asked, dict):
        raise BadRequest("Invalid input for field 'identity/password': 'user' is a required property")
    user = _user(tx, asked)
    if not verify_password(str(asked.get("password", "")), user["password_hash"] if user else None) or user is None:
        raise refusal()
    return Principal(user, ("password",))


def _by_token(tx: Transaction, tokens: Tokens, given: Json, now: datetime) -> Principal:
    try:
        payload, _ = tokens.validate(str(given.get("id", "")))
    except TokenError as error:
        raise refusal() from error
    if payload.application_credential_id:
        raise refusal()  # such a token cannot be rescoped
    user = tx.one(select(users).where(users.c.id == payload.user_id))
    if user is None:
        raise refusal()
    return Principal(user, ("token",), parent=payload)


def _by_application_credential(tx: Transaction, tokens: Tokens, given: Json, now: datetime) -> Principal:
    table = application_credentials
    if "id" in given:
        row = tx.one(select(table).where(table.c.id == str(given["id"])))
    else:
        user = _user(tx, given["user"]) if isinstance(given.get("user"), dict) else None
        row = tx.one(select(table).where(table.c.name == given.get("name"), table.c.user_id == user["id"])) if user else None
    if not verify_password(str(given.get("secret", "")), row["secret_hash"] if row else None) or row is None:
        raise refusal()
    if row["expires_at"] is not None and row["expires_at"] <= now:
        raise refusal()
    owner = tx.one(select(users).where(users.c.id == row["user_id"]))
    if owner is None:
        raise refusal()
    return Principal(owner, ("application_credential",), application_credential=row)


METHODS = {"password": _by_password, "token": _by_token, "application_credential": _by_application_credential}


def _user(tx: Transaction, asked: Json) -> Row | None:
    if "id" in asked:
        return tx.one(select(users).where(users.c.id == str(asked["id"])))
    domain_id = _domain_id(tx, asked.get("domain") or {})
    return tx.one(select(users).where(users.c.name == str(asked.get("name", "")), users.c.domain_id == domain_id))


def _domain_id(tx: Transaction, asked: Json) -> str | None:
    if "id" in asked:
        return str(asked["id"])
    found = tx.scalar(select(domains.c.id).where(domains.c.name == str(asked.get("name", ""))))
    return str(found) if found else None


def wanted_scope(tx: Transaction, principal: Principal, scope: Any) -> tuple[str, str]:
    """(kind, id) of the scope asked for; without one, the user's default project, else none at all."""
    if principal.application_credential is not None:
        if scope:
            raise refusal()
        return "project", principal.application_credential["project_id"]
    if scope == "unscoped":
        return "", ""
    if not scope:
        default = principal.user["default_project_id"]
        return ("project", default) if default and principal.parent is None else ("", "")
    if not isinstance(scope, dict) or len(scope) != 1:
        raise BadRequest("Invalid input for field 'scope': exactly one of project, domain, system or OS-TRUST:trust is expected.")
    kind, asked = next(iter(scope.items()))
    if kind == "system":
        return "system", "system"
    table = {"project": projects, "domain": domains}.get(kind)
    if table is None or not isinstance(asked, dict):
        raise refusal()
    return kind, _scope_id(tx, table, asked)


def _scope_id(tx: Transaction, table: Table, asked: Json) -> str:
    if "id" in asked:
        found = tx.scalar(select(table.c.id).where(table.c.id == str(asked["id"])))
    else:
        query = select(table.c.id).where(table.c.name == str(asked.get("name", "")))
        if table is projects:
            query = query.where(projects.c.domain_id == _domain_id(tx, asked.get("domain") or {}))
        found = tx.scalar(query)
    if found is None:
        raise refusal()
    return str(found)
