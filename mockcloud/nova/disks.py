"""The block device rows of a server."""

from __future__ import annotations

from string import ascii_lowercase

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


def free_device(disks: list[Row], root_device_name: str | None, wanted: str | None = None) -> str | None:
    """A name that no disk has, or `wanted` under the root disk's prefix; None when that one is taken."""
    root = root_device_name or "/dev/vda"
    taken = {name.rstrip("0123456789")[-1] for name in (root, *(disk["device_name"] for disk in disks)) if name}
    prefix = root.rstrip("0123456789")[:-1]
    if wanted:
        letter = wanted.rstrip("0123456789")[-1]
        return None if letter in taken else prefix + letter
    return prefix + next(letter for letter in ascii_lowercase if letter not in taken)
