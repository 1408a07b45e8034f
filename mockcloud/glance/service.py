"""glance, put together."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

from mockcloud import qcow2
from mockcloud.glance import discovery, image_data, image_import, images, members
from mockcloud.glance.states import recover
from mockcloud.glance.store import Store
from mockcloud.glance.tables import images as images_table
from mockcloud.glance.tables import metadata
from mockcloud.http.service import Runtime, Service


def build(runtime: Runtime) -> Service:
    folder = runtime.settings.state_dir
    store = Store(str(Path(folder) / "images") if folder else "")
    modules = [discovery, images, image_data, image_import, members]
    service = Service("glance", runtime, modules, metadata, parts={Store: store}, closing=[store.close])
    store.tidy()
    recover(service)
    return service


def seed(service: Service, data: dict[str, Any]) -> None:
    """The seed's images: each an empty disk of the size it names."""
    runtime, store = service.runtime, service.part(Store)
    for image in data["images"]:
        image_id = str(uuid.UUID(runtime.id_for("image", image["name"])))
        disk = qcow2.empty(image["virtual_size"])
        store.path(image_id).write_bytes(disk)
        with service.db.transaction() as tx:
            tx.insert(
                images_table, id=image_id, created_at=runtime.clock.now(), updated_at=runtime.clock.now(), name=image["name"],
                status="active", visibility=image.get("visibility", "public"), owner=runtime.id_for("project", "admin"),
                container_format="bare", disk_format="qcow2", size=len(disk), virtual_size=image["virtual_size"],
                checksum=hashlib.md5(disk, usedforsecurity=False).hexdigest(), os_hash_algo="sha512",
                os_hash_value=hashlib.sha512(disk).hexdigest(), tags=[], properties=image.get("properties", {}),
            )  # fmt: skip
