"""The block device rows of a server."""

from __future__ import annotations

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.nova.tables import block_device_mapping


def disks_of(tx: Transaction, server: Row) -> list[Row]:
    t = block_device_mapping
    return tx.all(select(t).where(t.c.instance_uuid == server["uuid"]).order_by(t.c.id))


def root_of(disks: list[Row]) -> Row | None:
    return next((disk for disk in disks if disk["boot_index"] == 0), None)


def boots_from_volume(tx: Transaction, server: Row) -> bool:
    root = root_of(disks_of(tx, server))
    return not server["image_ref"] if root is None else bool(root["destination_type"] == "volume")
