"""From the body of a volume's creation to the row to insert: every check that the API makes before it accepts one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from mockcloud.cinder import faults
from mockcloud.cinder.images import Image, boot_snapshot, check_image, resolve_image
from mockcloud.cinder.listing import is_true
from mockcloud.cinder.lookup import default_type, find_snapshot, find_type, find_type_by_name_or_id, find_volume
from mockcloud.cinder.rpc import ZONE
from mockcloud.cinder.states import CLONEABLE
from mockcloud.cinder.tables import services
from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound

NO_MULTIATTACH = (
    "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. Contact your "
    "administrator to create a multiattach enabled volume type and use it to create multiattach volumes."
)
MIN_SIZE, MAX_SIZE = "provisioning:min_vol_size", "provisioning:max_vol_size"


@dataclass
class VolumeRequest:
    """What was asked for. `image` is read from glance before the transaction, the rest inside it."""

    body: Mapping[str, Any]
    image: Image | None = None
    type: Row = field(default_factory=dict)
    snapshot: Row | None = None
    source: Row | None = None
    size: int = 0

    @property
    def zone(self) -> str:
        asked = self.body.get("availability_zone")
        return str(asked or (self.source or {}).get("availability_zone") or ZONE)

    @property
    def multiattach(self) -> bool:
        return is_multiattach(self.type)

    def fill(self, ctx: Context, tx: Transaction) -> None:
        """Finds what the body names and checks that it all fits together."""
        body = self.body
        asked = find_type_by_name_or_id(ctx, tx, body["volume_type"]) if body.get("volume_type") else None
        snapshot_id = body.get("snapshot_id") or (boot_snapshot(self.image) if self.image and ctx.at_least("3.46") else None)
        if snapshot_id is not None:
            self.snapshot = find_snapshot(ctx, tx, snapshot_id)
            self.image = self.image if body.get("snapshot_id") else None
        if body.get("source_volid"):
            self.source = find_volume(ctx, tx, body["source_volid"])
        self._check_sources()
        self.size = self._size()
        if self.image is not None:
            check_image(self.image, self.size)
        self.type = asked or self._inherited_type(ctx, tx)
        check_type_size(self.type, self.size)
        self._check_zone(tx)
        if self.multiattach:
            ctx.enforce("volume:multiattach")

    def _check_sources(self) -> None:
        if is_true(self.body.get("multiattach")):
            raise BadRequest(NO_MULTIATTACH)
        for name in ("consistencygroup_id", "group_id"):
            if self.body.get(name):
                raise NotFound(f"Group {self.body[name]} could not be found.")
        if self.body.get("backup_id"):
            raise NotFound(f"Backup {self.body['backup_id']} could not be found.")
        if sum(found is not None for found in (self.snapshot, self.source, self.image)) > 1:
            raise faults.invalid_input("May specify only one of backup, imageRef, snapshot, source volume")
        if self.snapshot is not None and self.snapshot["status"] != "available":
            raise faults.invalid_snapshot("Originating snapshot status must be one of 'available' values")
        if self.source is not None and self.source["status"] not in CLONEABLE:
            raise faults.invalid_volume(f"Originating source volume status must be one of '{', '.join(CLONEABLE)}' values")

    def _size(self) -> int:
        size = self.body.get("size")
        if size in (None, "") and self.snapshot is not None:
            return int(self.snapshot["volume_size"])
        if size in (None, "") and self.source is not None:
            return int(self.source["size"])
        if size in (None, "") or int(str(size)) <= 0:
            raise faults.invalid_input(f"Volume size '{size}' must be an integer and greater than 0")
        wanted = int(str(size))
        if self.source is not None and wanted < self.source["size"]:
            original = self.source["size"]
            raise faults.invalid_input(
                f"Volume size '{wanted}'GB cannot be smaller than original volume size  {original}GB. They must be >= original volume size."
            )
        if self.snapshot is not None and wanted < self.snapshot["volume_size"]:
            original = self.snapshot["volume_size"]
            raise faults.invalid_input(
                f"Volume size '{wanted}'GB cannot be smaller than the snapshot size {original}GB. They must be >= original snapshot size."
            )
        return wanted

    def _inherited_type(self, ctx: Context, tx: Transaction) -> Row:
        if self.source is not None:
            return find_type(ctx, tx, self.source["volume_type_id"])
        if self.snapshot is not None:
            return find_type(ctx, tx, self.snapshot["volume_type_id"])
        if self.image is not None and self.image.get("cinder_img_volume_type"):
            return find_type_by_name_or_id(ctx, tx, self.image["cinder_img_volume_type"])
        return default_type(tx)

    def _check_zone(self, tx: Transaction) -> None:
        known = {row["availability_zone"] for row in tx.all(select(services.c.availability_zone))} | {ZONE}
        if self.zone not in known:
            raise BadRequest(f"Availability zone '{self.zone}' is invalid.")


async def read_request(ctx: Context, body: Mapping[str, Any]) -> VolumeRequest:
    """The request with the image that it names."""
    reference = body.get("imageRef") or body.get("image_id")
    if not reference:
        return VolumeRequest(body)
    ctx.enforce("volume:create_from_image")
    return VolumeRequest(body, await resolve_image(ctx, reference))


def check_type_size(volume_type: Row, size: int) -> None:
    """The bounds that a type may set to its volumes' size."""
    specs, name = volume_type["extra_specs"], volume_type["name"]
    if specs.get(MIN_SIZE) and size < int(specs[MIN_SIZE]):
        raise faults.invalid_input(
            f"Specified volume size of '{size}' is less than the minimum required size of '{specs[MIN_SIZE]}' for volume type '{name}'."
        )
    if specs.get(MAX_SIZE) and size > int(specs[MAX_SIZE]):
        raise faults.invalid_input(
            f"Specified volume size of '{size}' is greater than the maximum allowable size of '{specs[MAX_SIZE]}' for volume type '{name}'."
        )


def is_multiattach(volume_type: Row) -> bool:
    return bool(volume_type["extra_specs"].get("multiattach") == "<is> True")
