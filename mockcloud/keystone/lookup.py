"""What every login looks up, prepared."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from mockcloud.db.prepared import Prepared
from mockcloud.keystone.tables import domains, projects, users

USER = Prepared(select(users).where(users.c.id == bindparam("id")))
USER_NAMED = Prepared(select(users).where(users.c.name == bindparam("name"), users.c.domain_id == bindparam("domain_id")))
PROJECT = Prepared(select(projects).where(projects.c.id == bindparam("id")))
PROJECT_NAMED = Prepared(select(projects).where(projects.c.name == bindparam("name"), projects.c.domain_id == bindparam("domain_id")))
DOMAIN = Prepared(select(domains).where(domains.c.id == bindparam("id")))
DOMAIN_NAMED = Prepared(select(domains).where(domains.c.name == bindparam("name")))
