"""nova-api."""

from __future__ import annotations

import uuid
from typing import Any

from mockcloud.http.service import Runtime, Service
from mockcloud.nova import (
    aggregates,
    api_tables,
    availability_zones,
    extensions,
    flavor_access,
    flavor_extra_specs,
    flavors,
    hypervisors,
    images,
    instance_actions,
    instance_usage_audit_log,
    keypairs,
    limits,
    migrations,
    quota_classes,
    quota_sets,
    server_actions,
    server_external_events,
    server_groups,
    server_guest,
    server_images,
    server_interfaces,
    server_ips,
    server_launch,
    server_metadata,
    server_rebuild,
    server_resizes,
    server_security_groups,
    server_tags,
    server_volumes,
    servers,
    services,
    simple_tenant_usage,
    tables,
    versions,
)
from mockcloud.nova.provider_aggregates import mirror

MODULES = [
    aggregates,
    availability_zones,
    extensions,
    flavor_access,
    flavor_extra_specs,
    flavors,
    hypervisors,
    images,
    instance_actions,
    instance_usage_audit_log,
    keypairs,
    limits,
    migrations,
    quota_classes,
    quota_sets,
    server_actions,
    server_external_events,
    server_groups,
    server_guest,
    server_images,
    server_interfaces,
    server_ips,
    server_launch,
    server_metadata,
    server_rebuild,
    server_resizes,
    server_security_groups,
    server_tags,
    server_volumes,
    servers,
    services,
    simple_tenant_usage,
    versions,
]


def build(runtime: Runtime) -> Service:
    beside = (api_tables.metadata,) if runtime.settings.dialect == "cells_v2" else ()
    service = Service("nova", runtime, MODULES, tables.metadata, database=runtime.databases("nova", tables.metadata, *beside))
    if _zones(service):
        service.tasks = [lambda: mirror(service.clients.own(), service.db, service.clock)]
    return service


def seed(service: Service, data: dict[str, Any]) -> None:
    """`flavors`: flavorid, name, vcpus, memory_mb, root_gb, and if wanted any other column.

    The zones of the hosts in the settings become aggregates, as an operator would have made them.
    """
    now = service.clock.now()
    with service.db.transaction() as tx:
        for entry in data.get("flavors", ()):
            tx.insert(tables.flavors, created_at=now, **entry)
        for zone, hosts in _zones(service).items():
            id = str(uuid.UUID(service.runtime.id_for("aggregate", zone)))
            tx.insert(tables.aggregates, uuid=id, created_at=now, name=zone, hosts=hosts, metadata={"availability_zone": zone})


def _zones(service: Service) -> dict[str, list[str]]:
    """Hosts by zone, but for the default one: that is where hosts without a zone are."""
    zones: dict[str, list[str]] = {}
    for host in service.settings.hosts:
        if host.zone != service.settings.default_availability_zone:
            zones.setdefault(host.zone, []).append(host.name)
    return zones
