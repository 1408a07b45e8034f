"""QEMU's disk format, as far as a cloud without real data needs it: pure."""

from __future__ import annotations

import struct

MAGIC = b"QFI\xfb"


def empty(virtual_bytes: int) -> bytes:
    """A valid version 2 file of a disk without any data in it; one cluster of its first table reaches to 4 TiB."""
    cluster_bits, clusters = 16, 65536
    l1_size = max(1, -(-virtual_bytes // (clusters * clusters // 8)))
    header = struct.pack(">4sIQIIQIIQQIIQ", MAGIC, 2, 0, 0, cluster_bits, virtual_bytes, 0, l1_size, 3 * clusters, clusters, 1, 0, 0)
    refcount_table = struct.pack(">Q", 2 * clusters).ljust(clusters, b"\0")
    refcounts = (struct.pack(">H", 1) * 4).ljust(clusters, b"\0")
    l1_table = b"\0" * (8 * l1_size)
    return header.ljust(clusters, b"\0") + refcount_table + refcounts + l1_table


def virtual_bytes(head: bytes) -> int:
    """The size of the disk inside; 0 where the head is too short to tell."""
    return int(struct.unpack(">Q", head[24:32])[0]) if len(head) >= 32 else 0


def is_qcow2(head: bytes) -> bool:
    return head[:4] == MAGIC


def has_data_file(head: bytes) -> bool:
    """Whether its data lie in a file that it names (an incompatible feature of version 3)."""
    return len(head) >= 80 and struct.unpack(">I", head[4:8])[0] >= 3 and bool(struct.unpack(">Q", head[72:80])[0] & 4)


def names_another_file(head: bytes) -> bool:
    """Whether it builds on a backing file."""
    return len(head) >= 16 and struct.unpack(">Q", head[8:16])[0] != 0
