"""Faulty keystones."""

from __future__ import annotations

import types
from typing import Any

from sqlalchemy import select

from mockcloud.http.binding import Binding
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, InternalError
from mockcloud.keystone import auth, credentials, roles_of, tokens
from mockcloud.keystone.credentials import Principal
from mockcloud.keystone.tables import projects, roles
from mockcloud.mutants import Patch, mutant


@mutant("M01", 1, "any password is accepted", ["S01.C2"], "B")
def any_password(patch: Patch) -> None:
    patch.replace(credentials, "verify_password", lambda password, hashed: True)


@mutant("M03", 1, "the token issued belongs to another project than asked", ["S01.C1", "S02.C3"], "B")
def wrong_project(patch: Patch) -> None:
    def around(issue: Any) -> Any:
        async def issued(ctx: Context, principal: Principal, scope: str, scope_id: str) -> Any:
            token, answer = await issue(ctx, principal, scope, scope_id)
            if "project" in answer:
                other = ctx.db.one(select(projects).where(projects.c.id != scope_id, projects.c.name != "service")) or {}
                answer = {**answer, "project": {**answer["project"], "id": other["id"], "name": other["name"]}}
            return token, answer

        return issued

    patch.wrap(auth, "_issue", around)


@mutant("M04", 1, "a malformed login gets 500", ["S01.C4"], "B")
def malformed_login_fails(patch: Patch) -> None:
    def around(valid: Any) -> Any:
        def validated(self: Binding, contract: Any, match: Any, incoming: Any, body: Any, operation: Any) -> Any:
            try:
                return valid(self, contract, match, incoming, body, operation)
            except BadRequest as error:
                if operation.id == "create_token":
                    raise InternalError("'identity'") from error
                raise

        return validated

    patch.wrap(Binding, "_valid", around)


@mutant("M05", 2, "tokens never expire", ["S04.C2"], "B")
def never_expires(patch: Patch) -> None:
    def around(validate: Any) -> Any:
        def validated(self: tokens.Tokens, text: str, allow_expired: bool = False, within: Any = None) -> Any:
            self._window = 10**9
            return validate(self, text, True, within)

        return validated

    patch.wrap(tokens.Tokens, "validate", around)


@mutant("M06", 2, "revocation answers 204 but does nothing", ["S02.C4", "S04.C2", "S04.C3"], "B")
def revocation_ignored(patch: Patch) -> None:
    patch.replace(tokens.Tokens, "revoke", lambda self, payload: None)


@mutant("M07", 2, "roles of another project are put in the token", ["S02.C3", "S02.C1", "S05.C1"], "B2")
def roles_of_another_project(patch: Patch) -> None:
    def around(issue: Any) -> Any:
        async def issued(ctx: Context, principal: Principal, scope: str, scope_id: str) -> Any:
            token, answer = await issue(ctx, principal, scope, scope_id)
            with ctx.db.transaction() as tx:
                other = tx.one(select(projects).where(projects.c.id != scope_id)) or {}
                found = roles_of.project_roles(tx, principal.user["id"], other)
                return token, {**answer, "roles": roles_of.named(tx, found)}

        return issued

    patch.wrap(auth, "_issue", around)


@mutant("M130", 1, "a user without a role on a project gets a token of it", ["S01.C3"], "B2")
def role_not_needed(patch: Patch) -> None:
    def project_roles(tx: Any, user_id: str, project: Any) -> set[str]:
        return roles_of.project_roles(tx, user_id, project) or {tx.scalar(select(roles.c.id).where(roles.c.name == "reader"))}

    patch.replace(tokens, "roles_of", types.SimpleNamespace(**{**vars(roles_of), "project_roles": project_roles}))


@mutant("M131", 2, "a second login gets the first one's token", ["S02.C2"], "B")
def one_token_for_all(patch: Patch) -> None:
    issued: dict[Any, Any] = {}

    def around(issue: Any) -> Any:
        def reissued(self: Any, user_id: str, methods: Any, scope: str = "", scope_id: str = "", **more: Any) -> Any:
            who = (id(self), user_id, scope, scope_id)
            if who not in issued:
                issued[who] = issue(self, user_id, methods, scope, scope_id, **more)
            return issued[who]

        return reissued

    patch.wrap(tokens.Tokens, "issue", around)


@mutant("M132", 2, "a rescoped token is still one of the first project", ["S02.C5"], "B2")
def not_rescoped(patch: Patch) -> None:
    def around(wanted_scope: Any) -> Any:
        def scope(tx: Any, principal: Principal, asked: Any) -> Any:
            found = wanted_scope(tx, principal, asked)
            return (principal.parent.scope, principal.parent.scope_id) if principal.parent else found

        return scope

    patch.wrap(auth, "wanted_scope", around)
