"""Tokens: Fernet, never stored. What a token says is worked out from the database whenever it is asked."""

from __future__ import annotations

import base64
import contextlib
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import bindparam, event, or_, select

from mockcloud.clock import Clock
from mockcloud.db.engine import Database, Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.reply import Stored
from mockcloud.keystone import roles_of
from mockcloud.keystone.catalog import build_catalog
from mockcloud.keystone.lookup import DOMAIN, PROJECT, USER
from mockcloud.keystone.tables import application_credentials, fernet_keys, revocation_events

Body = dict[str, Any]


_EVENTS = revocation_events.c
_LATE = _EVENTS.issued_before >= bindparam("issued")
REVOKED = Prepared(  # by itself, by the first of its chain, or with all of its user, project or application credential
    select(_EVENTS.id)
    .where(
        or_(
            _EVENTS.audit_id == bindparam("own"),
            _EVENTS.audit_id == bindparam("first"),
            (_EVENTS.user_id == bindparam("user_id")) & _LATE,
            (_EVENTS.project_id == bindparam("project_id")) & _LATE,
            _EVENTS.application_credential_id == bindparam("credential_id"),
        )
    )
    .limit(1)
)


class TokenError(Exception):
    """Not a token of ours, or no longer good."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What is inside a token. `scope` is project, domain, system or empty; times are seconds since the epoch."""

    user_id: str
    methods: tuple[str, ...]
    scope: str
    scope_id: str
    issued: float
    expires: float
    audit_ids: tuple[str, ...]  # its own, then that of the first token of its chain
    application_credential_id: str = ""

    def encode(self) -> bytes:
        return orjson.dumps(
            [
                self.user_id,
                self.methods,
                self.scope,
                self.scope_id,
                self.issued,
                self.expires,
                self.audit_ids,
                self.application_credential_id,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Payload:
        user, methods, scope, scope_id, issued, expires, audit_ids, credential = orjson.loads(data)
        return cls(user, tuple(methods), scope, scope_id, issued, expires, tuple(audit_ids), credential)


@dataclass(frozen=True, slots=True)
class Valid:
    """A good token: what is inside it, what it says, and that as the answer to who asks for it."""

    payload: Payload
    body: Body
    answer: Stored


class Tokens:
    """Issues and validates. Answers are kept until any write to keystone's database."""

    KEPT = 5_000

    def __init__(self, db: Database, clock: Clock, life: int, window: int) -> None:
        self._db, self._clock, self._life, self._window = db, clock, life, window
        self._fernet = Fernet(_key(db))
        self._revision = 0
        self._kept: OrderedDict[str, tuple[int, Valid]] = OrderedDict()
        self._standing: dict[tuple[str, str, str], Body] = {}  # what is the same in every token of a user for a scope
        event.listen(db.engine, "after_cursor_execute", self._written)

    def _written(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.lstrip().startswith(("SELECT", "PRAGMA", "BEGIN")):
            self._revision += 1
            self._standing.clear()

    def issue(
        self,
        user_id: str,
        methods: tuple[str, ...],
        scope: str = "",
        scope_id: str = "",
        *,
        parent: Payload | None = None,
        application_credential: Row | None = None,
    ) -> tuple[str, Body]:
        """(token, body). A rescoped token (`parent`) ends when its parent does. Raises TokenError without a role there."""
        now = self._clock.time()
        ends = [now + self._life]
        if parent is not None:
            ends.append(parent.expires)
        if application_credential is not None and application_credential["expires_at"] is not None:
            ends.append(application_credential["expires_at"].replace(tzinfo=UTC).timestamp())
        audit = (_audit_id(), *((parent.audit_ids[-1],) if parent else ()))
        credential = application_credential["id"] if application_credential else parent.application_credential_id if parent else ""
        if parent is not None:
            methods = tuple(dict.fromkeys((*methods, *parent.methods)))
        payload = Payload(user_id, methods, scope, scope_id, now, min(ends), audit, credential)
        body = self._body(payload)
        text = self._fernet.encrypt(payload.encode()).decode().rstrip("=")
        return text, body

    def validate(self, text: str, allow_expired: bool = False, within: Transaction | None = None) -> Valid:
        """Raises TokenError for anything that is not a good token now. `within`: a transaction that is already open."""
        revision, valid = self._kept.get(text, (-1, None))
        if valid is None or revision != self._revision:
            payload = self._open(text)
            body = self._body(payload, within)
            valid = Valid(payload, body, Stored({"token": body}))
            self._kept[text] = (self._revision, valid)
            if len(self._kept) > self.KEPT:
                self._kept.popitem(last=False)
        grace = self._window if allow_expired else 0
        if self._clock.time() >= valid.payload.expires + grace:
            raise TokenError("expired")
        return valid

    def _open(self, text: str) -> Payload:
        try:
            padded = text + "=" * (-len(text) % 4)
            return Payload.decode(self._fernet.decrypt(padded.encode("ascii")))
        except (InvalidToken, UnicodeEncodeError, ValueError, TypeError) as error:
            raise TokenError("not a token of this cloud") from error

    def revoke(self, payload: Payload) -> None:
        """The token, and those that were made from it: they carry its audit id behind their own."""
        with self._db.transaction() as tx:
            self._revoke(tx, audit_id=payload.audit_ids[0])

    def revoke_user(self, tx: Transaction, user_id: str) -> None:
        """Everything issued to the user until now."""
        self._revoke(tx, user_id=user_id)

    def revoke_project(self, tx: Transaction, project_id: str) -> None:
        self._revoke(tx, project_id=project_id)

    def revoke_application_credential(self, tx: Transaction, credential_id: str) -> None:
        self._revoke(tx, application_credential_id=credential_id)

    def _revoke(self, tx: Transaction, **what: str) -> None:
        tx.insert(revocation_events, issued_before=self._clock.now(), **what)

    def _body(self, payload: Payload, within: Transaction | None = None) -> Body:
        with contextlib.nullcontext(within) if within else self._db.transaction() as tx:
            self._refuse_revoked(tx, payload)
            where = (payload.user_id, payload.scope, payload.scope_id)
            if (standing := self._standing.get(where)) is None:
                standing = self._standing[where] = _standing(tx, *where)
            body: Body = {
                "methods": list(payload.methods),
                "audit_ids": list(payload.audit_ids),
                "expires_at": stamp(payload.expires),
                "issued_at": stamp(payload.issued),
                **standing,
            }
            if payload.application_credential_id:
                body["application_credential"] = self._credential(tx, payload, body)
            return body

    def _refuse_revoked(self, tx: Transaction, payload: Payload) -> None:
        revoked = tx.scalar(
            REVOKED,
            issued=datetime.fromtimestamp(payload.issued, UTC).replace(tzinfo=None),
            own=payload.audit_ids[0],
            first=payload.audit_ids[-1],
            user_id=payload.user_id,
            project_id=payload.scope_id if payload.scope == "project" else None,
            credential_id=payload.application_credential_id or None,
        )
        if revoked is not None:
            raise TokenError("revoked")

    def _credential(self, tx: Transaction, payload: Payload, body: Body) -> Body:
        """Narrows the roles to the credential's; raises TokenError when it is gone."""
        row = tx.one(select(application_credentials).where(application_credentials.c.id == payload.application_credential_id))
        if row is None:
            raise TokenError("its application credential is gone")
        body["roles"] = [role for role in body.get("roles", ()) if role["id"] in row["roles"]]
        return {"id": row["id"], "name": row["name"], "restricted": not row["unrestricted"]}


def _standing(tx: Transaction, user_id: str, scope: str, scope_id: str) -> Body:
    """Who somebody is and what he may in a scope. Raises TokenError where he may not even ask."""
    user = tx.one(USER, id=user_id)
    if user is None or not user["enabled"]:
        raise TokenError("its user is gone or disabled")
    domain = _enabled_domain(tx, user["domain_id"])
    body: Body = {"user": {"id": user["id"], "name": user["name"], "domain": domain, "password_expires_at": None}}
    if not scope:
        return body
    if scope == "project":
        project = tx.one(PROJECT, id=scope_id)
        if project is None or not project["enabled"]:
            raise TokenError("its project is gone or disabled")
        domain = _enabled_domain(tx, project["domain_id"])
        found = roles_of.project_roles(tx, user_id, project)
        body |= {"project": {"id": project["id"], "name": project["name"], "domain": domain}, "is_domain": False}
    elif scope == "domain":
        body["domain"] = _enabled_domain(tx, scope_id)
        found = roles_of.domain_roles(tx, user_id, scope_id)
    else:
        body["system"] = {"all": True}
        found = roles_of.system_roles(tx, user_id)
    if not found:
        raise TokenError("no role there")
    return body | {"roles": roles_of.named(tx, found), "catalog": build_catalog(tx, scope_id if scope == "project" else "", user_id)}


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _enabled_domain(tx: Transaction, domain_id: str) -> Body:
    row = tx.one(DOMAIN, id=domain_id)
    if row is None or not row["enabled"]:
        raise TokenError("its domain is gone or disabled")
    return {"id": row["id"], "name": row["name"]}


def _audit_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _key(db: Database) -> bytes:
    """The cloud's Fernet key, made at its first start and kept with its data."""
    with db.transaction() as tx:
        kept = tx.scalar(select(fernet_keys.c.key).limit(1))
        if kept is None:
            kept = Fernet.generate_key().decode()
            tx.insert(fernet_keys, id=1, key=kept)
        return str(kept).encode()
