"""Where a judge finds evidence: the discovery document, which any cloud could serve (specs/evidence-discovery.schema.json)."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from mockcloud.profiling.drivers import MEMORY
from mockcloud.seed import DEFAULT, load_seed, read_seed
from mockcloud.settings import Settings

WELL_KNOWN = "/.well-known/openstack-evidence"
PUBLIC_BROKER_LOGIN = "guest:guest@"  # RabbitMQ's own, good from loopback only
PEOPLE = {  # who a test needs: (user, project) of the default seed
    "member": ("demo", "demo"),
    "reader": ("demo-reader", "demo"),
    "stranger": ("stranger", "other"),
    "admin": ("admin", "admin"),
}


class Announced(Protocol):
    """What of a cloud the document tells."""

    settings: Settings
    urls: dict[str, str]


def announcement(cloud: Announced) -> dict[str, Any]:
    """Sources that are not switched on are not listed; nor is what has a password that is not a public default."""
    settings = cloud.settings
    control = f"{cloud.urls['keystone']}/_mockcloud"
    document = {
        "cloud": "mockcloud",
        "version": metadata.version("mockcloud"),
        "auth_url": f"{cloud.urls['keystone']}/v3",
        "region": settings.region,
        "dialect": settings.dialect,
        "token_cache_time": settings.token_cache_time,
        "hosts": [host.name for host in settings.hosts],
        "sources": _sources(settings, control),
        "faults": {"url": f"{control}/faults"},
        "control": {name: f"{control}/{name}" for name in ("health", "clock", "workers", "services", "reset")},
    }
    if people := _people(settings):
        document["people"] = people
    return document


def _sources(settings: Settings, control: str) -> list[dict[str, Any]]:
    sources: list[dict[str, Any]] = [{"kind": "facts", "url": f"{control}/facts"}]
    if formats := [name for name in ("unversioned", "versioned") if settings.notifications in (name, "both")]:
        sources.append({"kind": "notifications", "url": f"{control}/facts?kind=notification", "formats": formats})
    if connection := settings.osprofiler_connection_string:
        reachable = f"{control}/osprofiler" if connection == MEMORY else connection
        sources.append({"kind": "osprofiler", "connection_string": reachable, "hmac_key": settings.osprofiler_hmac_key})
    scheme, _, rest = settings.bus_url.partition("://")
    if rest.startswith(PUBLIC_BROKER_LOGIN):
        sources.append({"kind": "amqp", "url": f"{scheme.replace('rabbit', 'amqp')}://{rest}"})
    if settings.log_dir:
        sources.append({"kind": "logs", "path": str(Path(settings.log_dir).resolve())})
    return sources


def _people(settings: Settings) -> dict[str, dict[str, str]]:
    if settings.admin_password != Settings().admin_password:
        return {}
    if settings.seed_file and any(load_seed(settings)[part] != read_seed(DEFAULT)[part] for part in ("projects", "roles", "users")):
        return {}
    return {
        who: {
            "username": user,
            "password": settings.admin_password,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        for who, (user, project) in PEOPLE.items()
    }
