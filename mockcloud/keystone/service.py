"""keystone, put together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from mockcloud.db.engine import Transaction
from mockcloud.http.service import Runtime, Service
from mockcloud.keystone import (
    application_credentials,
    auth,
    domains,
    grants,
    groups,
    project_tags,
    projects,
    role_assignments,
    roles,
    services,
    users,
    versions,
)
from mockcloud.keystone.passwords import hash_password
from mockcloud.keystone.tables import assignments, endpoints, implied_roles, metadata, regions
from mockcloud.keystone.tables import domains as domains_table
from mockcloud.keystone.tables import projects as projects_table
from mockcloud.keystone.tables import roles as roles_table
from mockcloud.keystone.tables import services as services_table
from mockcloud.keystone.tables import users as users_table
from mockcloud.keystone.tokens import TokenError, Tokens

INTERFACES = ("public", "internal", "admin")


def build(runtime: Runtime) -> Service:
    modules = [
        versions, auth, users, groups, projects, project_tags, domains, roles, grants, role_assignments, services, application_credentials,
    ]  # fmt: skip
    service = Service("keystone", runtime, modules, metadata, authenticate=authenticate)
    settings = runtime.settings
    service.parts[Tokens] = Tokens(service.db, runtime.clock, settings.token_life, settings.allow_expired_window)
    return service


def authenticate(service: Service, token: str) -> dict[str, Any] | None:
    """What a token says; None when it is not good."""
    tokens: Tokens = service.parts[Tokens]
    try:
        return tokens.validate(token).body
    except TokenError:
        return None


def seed(service: Service, data: dict[str, Any]) -> None:
    """Domains, projects, users, roles and the catalog of the seed."""
    runtime = service.runtime
    with service.db.transaction() as tx:
        tx.insert(domains_table, id="default", name="Default", description="The default domain", options={}, tags=[], extra={})
        for name, implied in data["roles"].items():
            tx.insert(roles_table, id=runtime.id_for("role", name), name=name, options={"immutable": True}, extra={})
            for other in implied or ():
                tx.insert(implied_roles, prior_role_id=runtime.id_for("role", name), implied_role_id=runtime.id_for("role", other))
        for project in data["projects"]:
            tx.insert(
                projects_table, id=runtime.id_for("project", project["name"]), name=project["name"], domain_id="default",
                parent_id="default", description=project.get("description", ""), options={}, tags=[], extra={},
            )  # fmt: skip
        for user in data["users"]:
            _seed_user(service, tx, user)
        tx.insert(regions, id=runtime.settings.region, description="", extra={})
        for entry in data["catalog"]:
            _seed_endpoints(service, tx, entry)


def is_seeded(service: Service) -> bool:
    """Whether its database is that of a cloud that has been here before."""
    return service.db.one(select(domains_table).limit(1)) is not None


def reopen(service: Service, data: dict[str, Any]) -> None:
    """The seed's endpoints follow the cloud to where it is reached now; those that somebody made stay."""
    runtime = service.runtime
    with service.db.transaction() as tx:
        for entry in data["catalog"]:
            for interface in INTERFACES:
                endpoint = runtime.id_for("endpoint", f"{entry['type']}:{interface}")
                tx.execute(update(endpoints).where(endpoints.c.id == endpoint).values(url=_url(service, entry)))


def _url(service: Service, entry: dict[str, str]) -> str:
    return service.runtime.urls[entry["service"]] + entry.get("path", "")


def _seed_user(service: Service, tx: Transaction, user: dict[str, Any]) -> None:
    runtime, name = service.runtime, user["name"]
    user_id = runtime.id_for("user", name)
    password = user.get("password") or runtime.settings.admin_password
    tx.insert(
        users_table, id=user_id, created_at=runtime.clock.now(), name=name, domain_id="default", password_hash=hash_password(password),
        options={}, extra={"email": user["email"]} if "email" in user else {},
    )  # fmt: skip
    for project, role_names in (user.get("roles") or {}).items():
        target = ("system", "system") if project == "system" else ("project", runtime.id_for("project", project))
        for role in role_names:
            tx.insert(
                assignments, actor_type="user", actor_id=user_id, target_type=target[0], target_id=target[1],
                role_id=runtime.id_for("role", role), inherited=False,
            )  # fmt: skip


def _seed_endpoints(service: Service, tx: Transaction, entry: dict[str, str]) -> None:
    runtime = service.runtime
    id_ = runtime.id_for("service", entry["type"])
    tx.insert(services_table, id=id_, type=entry["type"], name=entry["name"], description=entry.get("description", ""), extra={})
    url = _url(service, entry)
    for interface in INTERFACES:
        endpoint = runtime.id_for("endpoint", f"{entry['type']}:{interface}")
        tx.insert(endpoints, id=endpoint, interface=interface, service_id=id_, region_id=runtime.settings.region, url=url, extra={})
