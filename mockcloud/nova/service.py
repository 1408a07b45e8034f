"""nova-api."""

from __future__ import annotations

from typing import Any

from mockcloud.http.service import Runtime, Service
from mockcloud.nova import (
    flavor_access,
    flavor_extra_specs,
    flavors,
    keypairs,
    limits,
    quota_classes,
    quota_sets,
    server_actions,
    server_external_events,
    server_groups,
    server_guest,
    server_interfaces,
    server_ips,
    server_launch,
    server_metadata,
    server_security_groups,
    server_tags,
    server_volumes,
    servers,
    tables,
    versions,
)

MODULES = [
    flavor_access,
    flavor_extra_specs,
    flavors,
    keypairs,
    limits,
    quota_classes,
    quota_sets,
    server_actions,
    server_external_events,
    server_groups,
    server_guest,
    server_interfaces,
    server_ips,
    server_launch,
    server_metadata,
    server_security_groups,
    server_tags,
    server_volumes,
    servers,
    versions,
]


def build(runtime: Runtime) -> Service:
    return Service("nova", runtime, MODULES, tables.metadata)


def seed(service: Service, data: dict[str, Any]) -> None:
    """`flavors`: flavorid, name, vcpus, memory_mb, root_gb, and if wanted any other column."""
    with service.db.transaction() as tx:
        for entry in data.get("flavors", ()):
            tx.insert(tables.flavors, created_at=service.clock.now(), **entry)
