"""Tokens over REST: login, validation, revocation, and what a token may see (steps 1 and 2 of the launch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from mockcloud.http.context import Context
from mockcloud.http.errors import Forbidden, NotFound, Unauthorized
from mockcloud.http.reply import Json, Query, Reply
from mockcloud.keystone import roles_of
from mockcloud.keystone.audit import AUDITED, tell_authentication
from mockcloud.keystone.catalog import build_catalog
from mockcloud.keystone.credentials import Principal, authenticate, check_methods, check_rescoping, named_user, refusal
from mockcloud.keystone.projects import project_view
from mockcloud.keystone.scopes import named_scope, wanted_scope
from mockcloud.keystone.tables import domains, projects
from mockcloud.keystone.tokens import TokenError, Tokens, Valid
from mockcloud.trace import step


async def create_token(ctx: Context, body: Json, query: Query) -> Reply:
    principal, scope, scope_id = await _check_credentials(ctx, body["auth"])
    token, answer = await _issue(ctx, principal, scope, scope_id)
    if "nocatalog" in query or "nocatalog" in query.extra:
        answer = {name: value for name, value in answer.items() if name != "catalog"}
    return Reply({"token": answer}, headers={"X-Subject-Token": token})


@step(1)
async def _check_credentials(ctx: Context, auth: dict[str, Any]) -> tuple[Principal, str, str]:
    """The client's credentials arrive and are compared with what keystone knows."""
    check_methods(auth["identity"])
    named_scope(auth.get("scope"))  # what is malformed is said before what is wrong
    try:
        with ctx.db.transaction() as tx:
            principal = authenticate(tx, ctx.part(Tokens), auth["identity"], ctx.now())
    except Unauthorized:
        with ctx.db.transaction() as tx:
            user = named_user(tx, auth["identity"])
        if user is not None:
            await tell_authentication(ctx, user, "failure")
        raise
    if set(principal.methods) & set(AUDITED):
        await tell_authentication(ctx, principal.user, "success")
    with ctx.db.transaction() as tx:
        scope, scope_id = wanted_scope(tx, principal, auth.get("scope"))
    check_rescoping(principal.parent, scope)
    return principal, scope, scope_id


@step(2)
async def _issue(ctx: Context, principal: Principal, scope: str, scope_id: str) -> tuple[str, dict[str, Any]]:
    """The token, with roles and catalog; 401 where the user has no role."""
    try:
        return ctx.part(Tokens).issue(
            principal.user["id"],
            principal.methods,
            scope,
            scope_id,
            parent=principal.parent,
            application_credential=principal.application_credential,
        )
    except TokenError as error:
        raise refusal() from error


async def show_token(ctx: Context, headers: Mapping[str, str], query: Query) -> Reply:
    subject = _subject(ctx, headers, "identity:validate_token", _is_true(query.get("allow_expired")))
    answer: Json = subject.answer
    if "nocatalog" in query:
        answer = {"token": {name: value for name, value in subject.body.items() if name != "catalog"}}
    return Reply(answer, headers={"X-Subject-Token": headers["x-subject-token"]})


async def check_token(ctx: Context, headers: Mapping[str, str], query: Query) -> Reply:
    _subject(ctx, headers, "identity:check_token", _is_true(query.get("allow_expired")))
    return Reply(headers={"X-Subject-Token": headers["x-subject-token"]})


async def revoke_token(ctx: Context, headers: Mapping[str, str]) -> None:
    ctx.part(Tokens).revoke(_subject(ctx, headers, "identity:revoke_token").payload)


def _subject(ctx: Context, headers: Mapping[str, str], rule: str, allow_expired: bool = False) -> Valid:
    """The token that X-Subject-Token names: 404 unless it is good; 403 unless it is the caller's own or he may look."""
    subject = headers.get("x-subject-token", "")
    if not subject:
        if not ctx.can(rule, {}):
            raise _forbidden(rule)
        raise NotFound("No token in the request")
    try:
        valid: Valid = ctx.part(Tokens).validate(subject, allow_expired)
    except TokenError as error:
        raise NotFound("Failed to validate token") from error
    user_id = valid.payload.user_id
    if not ctx.can(rule, {"target.token.user_id": user_id, "user_id": user_id}):
        raise _forbidden(rule)
    return valid


def _forbidden(rule: str) -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {rule}.")


def _is_true(text: str | None) -> bool:
    """As oslo.utils' bool_from_string."""
    return (text or "").strip().lower() in ("t", "true", "on", "y", "yes", "1")


async def show_auth_catalog(ctx: Context) -> Json:
    if not ctx.project_id:
        raise Forbidden("You are not authorized to perform the requested action.")
    with ctx.db.transaction() as tx:
        catalog = build_catalog(tx, ctx.project_id, ctx.user_id)
    return {"catalog": catalog, "links": {"self": ctx.url("/v3/auth/catalog")}}


async def list_auth_projects(ctx: Context) -> Json:
    """The projects that the caller could scope a token to."""
    with ctx.db.transaction() as tx:
        rows = [p for p in tx.all(select(projects).where(projects.c.enabled.is_(True))) if roles_of.project_roles(tx, ctx.user_id, p)]
    return {"projects": [project_view(ctx, row) for row in rows], "links": _links(ctx, "projects")}


async def list_auth_domains(ctx: Context) -> Json:
    with ctx.db.transaction() as tx:
        rows = [d for d in tx.all(select(domains).where(domains.c.enabled.is_(True))) if roles_of.domain_roles(tx, ctx.user_id, d["id"])]
    found = [{"id": d["id"], "name": d["name"], "description": d["description"], "enabled": True, "links": {"self": ctx.url(f"/v3/domains/{d['id']}")}} for d in rows]  # fmt: skip  # noqa: E501
    return {"domains": found, "links": _links(ctx, "domains")}


async def list_auth_systems(ctx: Context) -> Json:
    with ctx.db.transaction() as tx:
        found = [{"all": True}] if roles_of.system_roles(tx, ctx.user_id) else []
    return {"system": found, "links": {"self": ctx.url("/v3/auth/system")}}


def _links(ctx: Context, what: str) -> Json:
    return {"self": ctx.url(f"/v3/auth/{what}"), "previous": None, "next": None}
