"""cinder-api with its scheduler and its volume manager."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from mockcloud.cinder import (
    attachments,
    deployment,
    messages,
    quota_sets,
    snapshot_metadata,
    snapshots,
    type_extra_specs,
    types,
    versions,
    volume_actions,
    volume_attaching,
    volume_images,
    volume_metadata,
    volumes,
)
from mockcloud.cinder.backends import Backend, MetadataBackend
from mockcloud.cinder.files import FileBackend
from mockcloud.cinder.manager import VolumeManager
from mockcloud.cinder.recovery import recover
from mockcloud.cinder.rpc import BACKEND, HOST, SCHEDULER_TOPIC, VOLUME_TOPIC
from mockcloud.cinder.scheduler import Scheduler
from mockcloud.cinder.tables import metadata, volume_type_projects, volume_types
from mockcloud.component import Component
from mockcloud.http.service import Runtime, Service
from mockcloud.settings import Settings

MODULES = [
    attachments, deployment, messages, quota_sets, snapshot_metadata, snapshots, type_extra_specs, types, versions, volume_actions,
    volume_attaching, volume_images, volume_metadata, volumes,
]  # fmt: skip


def build(runtime: Runtime) -> Service:
    service = Service("cinder", runtime, MODULES, metadata)
    recover(service.db, runtime.clock.now())
    host = f"{HOST}@{BACKEND}"
    backend = _backend(runtime.settings)
    if isinstance(backend, FileBackend):
        service.closing.append(backend.close)
    manager = VolumeManager(_component(service, "cinder-volume", host), service.db, backend)
    scheduler = Scheduler(_component(service, "cinder-scheduler", HOST), service.db)
    service.endpoints = [(VOLUME_TOPIC, host, manager), (SCHEDULER_TOPIC, HOST, scheduler)]
    return service


def _backend(settings: Settings) -> Backend:
    """Real guests get real volumes."""
    if settings.driver == "fake":
        return MetadataBackend()
    return FileBackend(str(Path(settings.state_dir) / "volumes") if settings.state_dir else "")


def _component(service: Service, name: str, host: str) -> Component:
    return Component(name, host, service.settings, service.clock, service.bus, service.clients)


def seed(service: Service, data: dict[str, Any]) -> None:
    """`volume_types`: name, and if wanted description, is_public, extra_specs and (of a private type) projects."""
    with service.db.transaction() as tx:
        for entry in data.get("volume_types", ()):
            type_id = str(uuid.UUID(service.runtime.id_for("volume_type", entry["name"])))
            values = {"description": entry.get("description"), "is_public": entry.get("is_public", True)}
            extra_specs = entry.get("extra_specs", {})
            tx.insert(volume_types, id=type_id, created_at=service.clock.now(), name=entry["name"], extra_specs=extra_specs, **values)
            for project in entry.get("projects", ()):
                project_id = service.runtime.id_for("project", project)
                tx.insert(volume_type_projects, volume_type_id=type_id, project_id=project_id)
