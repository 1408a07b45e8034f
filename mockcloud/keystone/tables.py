"""keystone's database."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from mockcloud.db.columns import created, timestamp

metadata = MetaData()


def _id() -> Column[str]:
    return Column("id", String(64), primary_key=True)


def _extra() -> Column[dict[str, object]]:
    """Attributes that keystone keeps without knowing them."""
    return Column("extra", JSON, nullable=False, default=dict)


domains = Table(
    "domains",
    metadata,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("options", JSON, nullable=False, default=dict),
    Column("tags", JSON, nullable=False, default=list),
    _extra(),
)

projects = Table(
    "projects",
    metadata,
    _id(),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("parent_id", String(64), nullable=False),  # a project, or the domain itself
    Column("description", Text, nullable=False, default=""),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("options", JSON, nullable=False, default=dict),
    Column("tags", JSON, nullable=False, default=list),
    _extra(),
    UniqueConstraint("domain_id", "name"),
)

users = Table(
    "users",
    metadata,
    _id(),
    created(),
    Column("name", String(255), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("default_project_id", String(64)),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("password_hash", String(255)),
    Column("description", Text),
    Column("options", JSON, nullable=False, default=dict),
    _extra(),
    UniqueConstraint("domain_id", "name"),
)

groups = Table(
    "groups",
    metadata,
    _id(),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("description", Text, nullable=False, default=""),
    _extra(),
    UniqueConstraint("domain_id", "name"),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("user_id", String(64), primary_key=True),
)

roles = Table(
    "roles",
    metadata,
    _id(),
    Column("name", String(255), nullable=False),
    Column("domain_id", String(64)),
    Column("description", Text),
    Column("options", JSON, nullable=False, default=dict),
    _extra(),
)
Index("ix_roles_name", roles.c.name)

implied_roles = Table(
    "implied_roles",
    metadata,
    Column("prior_role_id", String(64), primary_key=True),
    Column("implied_role_id", String(64), primary_key=True),
)

assignments = Table(
    "assignments",
    metadata,
    Column("actor_type", String(8), primary_key=True),  # user, group
    Column("actor_id", String(64), primary_key=True),
    Column("target_type", String(8), primary_key=True),  # project, domain, system
    Column("target_id", String(64), primary_key=True),  # "system" for the system
    Column("role_id", String(64), primary_key=True),
    Column("inherited", Boolean, primary_key=True, default=False),  # to the projects below the target
)

regions = Table(
    "regions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("description", Text, nullable=False, default=""),
    Column("parent_region_id", String(255)),
    _extra(),
)

services = Table(
    "services",
    metadata,
    _id(),
    Column("type", String(255), nullable=False),
    Column("name", String(255)),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False, default=True),
    _extra(),
)

endpoints = Table(
    "endpoints",
    metadata,
    _id(),
    Column("interface", String(8), nullable=False),  # public, internal, admin
    Column("service_id", String(64), nullable=False),
    Column("region_id", String(255)),
    Column("url", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    _extra(),
)

application_credentials = Table(
    "application_credentials",
    metadata,
    _id(),
    Column("name", String(255), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("system", String(64)),
    Column("secret_hash", String(255), nullable=False),
    Column("description", Text),
    timestamp("expires_at"),
    Column("unrestricted", Boolean, nullable=False, default=False),
    Column("roles", JSON, nullable=False),  # role ids
    UniqueConstraint("user_id", "name"),
)

revocation_events = Table(
    "revocation_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("audit_id", String(32), index=True),  # one token
    Column("user_id", String(64), index=True),  # all of a user issued before
    Column("project_id", String(64), index=True),
    Column("application_credential_id", String(64)),
    timestamp("issued_before", nullable=False),
)

fernet_keys = Table("fernet_keys", metadata, Column("id", Integer, primary_key=True), Column("key", String(64), nullable=False))
