"""A look at the head of image data."""

from __future__ import annotations

import struct

QCOW2 = b"QFI\xfb"


def virtual_size(disk_format: str | None, size: int, head: bytes) -> int | None:
    """Bytes of the disk inside, where the head tells."""
    if disk_format == "raw":
        return size
    if disk_format == "qcow2" and head.startswith(QCOW2) and len(head) >= 32:
        return int(struct.unpack(">Q", head[24:32])[0])
    return None


def empty_qcow2(virtual_bytes: int) -> bytes:
    """A valid qcow2 version 2 file without any data in it."""
    cluster_bits, clusters = 16, 65536
    l1_size = max(1, -(-virtual_bytes // (clusters * clusters // 8)))
    header = struct.pack(">4sIQIIQIIQQIIQ", QCOW2, 2, 0, 0, cluster_bits, virtual_bytes, 0, l1_size, 3 * clusters, clusters, 1, 0, 0)
    refcount_table = struct.pack(">Q", 2 * clusters).ljust(clusters, b"\0")
    refcounts = (struct.pack(">H", 1) * 4).ljust(clusters, b"\0")
    l1_table = b"\0" * (8 * l1_size)
    return header.ljust(clusters, b"\0") + refcount_table + refcounts + l1_table
