"""Who somebody says to be: the authentication methods, and what they bind the new token to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.errors import BadRequest, Forbidden, NotFound, Unauthorized
from mockcloud.keystone.lookup import DOMAIN, DOMAIN_NAMED, USER, USER_NAMED
from mockcloud.keystone.passwords import verify_password
from mockcloud.keystone.tables import application_credentials
from mockcloud.keystone.tokens import Payload, TokenError, Tokens

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user, and what the methods used bind the new token to."""

    user: Row
    methods: tuple[str, ...]
    parent: Payload | None = None  # the token that was shown
    application_credential: Row | None = None


def refusal(message: str = "The request you have made requires authentication.") -> Unauthorized:
    """One answer for every reason that could tell a stranger what exists."""
    return Unauthorized(message)


def expecting(attribute: str, target: str) -> BadRequest:
    return BadRequest(
        f"Expecting to find {attribute} in {target}. The server could not comply with the request since it is either malformed or "
        "otherwise incorrect. The client is assumed to be in error."
    )


def check_methods(identity: Json) -> list[str]:
    """The methods named, each once. Raises BadRequest for one without its part, Unauthorized for one that is not served."""
    methods = list(dict.fromkeys(identity["methods"]))
    for method in methods:
        if method not in identity:
            raise expecting(method, "identity")
    if not set(methods) <= set(METHODS):
        raise refusal("Attempted to authenticate with an unsupported method.")
    return methods


def authenticate(tx: Transaction, tokens: Tokens, identity: Json, now: datetime) -> Principal:
    """Raises Unauthorized, or BadRequest for a method with half of its part."""
    principal: Principal | None = None
    for method in check_methods(identity):
        found = METHODS[method](tx, tokens, identity[method], now)
        if principal is not None and principal.user["id"] != found.user["id"]:
            raise refusal()
        principal = found if principal is None else _both(principal, found)
    if principal is None or not principal.user["enabled"] or not _is_enabled(tx, principal.user["domain_id"]):
        raise refusal()
    return principal


def named_user(tx: Transaction, identity: Json) -> Row | None:
    """Whom a login by password names, if there is such a user."""
    return _user(tx, identity["password"]["user"]) if "password" in identity["methods"] else None


def _both(one: Principal, other: Principal) -> Principal:
    credential = one.application_credential or other.application_credential
    return Principal(one.user, (*one.methods, *other.methods), one.parent or other.parent, credential)


def _by_password(tx: Transaction, tokens: Tokens, given: Json, now: datetime) -> Principal:
    asked = given.get("user")
    if not asked:
        raise expecting("user", "password")
    user = _user(tx, asked)
    if not verify_password(asked.get("password", ""), user["password_hash"] if user else None) or user is None:
        raise refusal()
    return Principal(user, ("password",))


def _by_token(tx: Transaction, tokens: Tokens, given: Json, now: datetime) -> Principal:
    """The user of a token at hand: rescoping. 404 for a token that is none, as keystone has it."""
    try:
        payload = tokens.validate(given["id"], within=tx).payload
    except TokenError as error:
        raise NotFound("Failed to validate token") from error
    if payload.application_credential_id:
        raise _not_allowed("Using a delegated token to create another token is not allowed.")
    user = tx.one(USER, id=payload.user_id)
    if user is None:
        raise refusal()
    return Principal(user, ("token",), parent=payload)


def check_rescoping(parent: Payload | None, scope: str) -> None:
    if parent is not None and parent.scope == "system" and scope in ("project", "domain"):
        raise _not_allowed("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")


def _not_allowed(action: str) -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {action}.")


def _by_application_credential(tx: Transaction, tokens: Tokens, given: Json, now: datetime) -> Principal:
    row = _credential(tx, given)
    if not verify_password(str(given.get("secret", "")), row["secret_hash"] if row else None) or row is None:
        raise refusal()
    if row["expires_at"] is not None and row["expires_at"] <= now:
        raise refusal()
    owner = tx.one(USER, id=row["user_id"])
    if owner is None:
        raise refusal()
    return Principal(owner, ("application_credential",), application_credential=row)


def _credential(tx: Transaction, given: Json) -> Row | None:
    """By id, where keystone says 404 for one that is not there; or by its name and its user's."""
    table = application_credentials
    if given.get("id"):
        row = tx.one(select(table).where(table.c.id == str(given["id"])))
        if row is None:
            raise NotFound(f"Could not find Application Credential: {given['id']}.")
        return row
    if not given.get("name"):
        raise expecting("name or ID", "application credential")
    if not isinstance(given.get("user"), dict):
        raise expecting("user", "application credential")
    user = _user(tx, given["user"])
    return tx.one(select(table).where(table.c.name == str(given["name"]), table.c.user_id == user["id"])) if user else None


METHODS = {"password": _by_password, "token": _by_token, "application_credential": _by_application_credential}


def _user(tx: Transaction, asked: Json) -> Row | None:
    if "name" not in asked:
        return tx.one(USER, id=str(asked.get("id", "")))
    if not isinstance(asked.get("domain"), dict):
        raise expecting("domain", "user")
    return tx.one(USER_NAMED, name=str(asked["name"]), domain_id=domain_id(tx, asked["domain"]))


def domain_id(tx: Transaction, asked: Json) -> str | None:
    """Of the domain that `asked` names by its name or id."""
    if "name" not in asked:
        return str(asked.get("id", ""))
    found = tx.one(DOMAIN_NAMED, name=str(asked["name"]))
    return str(found["id"]) if found else None


def _is_enabled(tx: Transaction, id_: str) -> bool:
    domain = tx.one(DOMAIN, id=id_)
    return domain is not None and bool(domain["enabled"])
