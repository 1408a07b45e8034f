"""A look at the head of image data."""

from __future__ import annotations

import struct

QCOW2 = b"QFI\xfb"
SIGNATURES = (  # offset, bytes, format
    (0, QCOW2, "qcow2"), (0, b"KDMV", "vmdk"), (0, b"vhdxfile", "vhdx"), (0, b"conectix", "vhd"), (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"), (0x40, b"\x7f\x10\xda\xbe", "vdi"), (0x8001, b"CD001", "iso"),
)  # fmt: skip
HEAD = 0x8006  # bytes that tell a format
RECOGNISED = ("qcow2", "vmdk", "vhdx", "vhd", "qed", "luks", "vdi", "iso")


class FormatMismatch(Exception):
    """The data is not what its record says."""


def detect(head: bytes) -> str:
    """The format of the data; `raw` where nothing is recognised."""
    return next((name for at, mark, name in SIGNATURES if head[at : at + len(mark)] == mark), "raw")


def check_format(disk_format: str, container_format: str, head: bytes) -> None:
    """glance looks into bare images only, and lets anything pass as raw."""
    found = detect(head)
    if container_format != "bare" or disk_format == "raw" or (found == "raw" and disk_format not in RECOGNISED):
        return
    if found != disk_format:
        raise FormatMismatch(f"Image disk_format {disk_format} does not match stream data {found}")
    if found == "qcow2" and len(head) >= 16 and struct.unpack(">Q", head[8:16])[0]:
        raise FormatMismatch("Image failed safety checks")  # it names a backing file


def virtual_size(disk_format: str | None, container_format: str | None, size: int, head: bytes) -> int | None:
    """Bytes of the disk inside, where the head tells."""
    if container_format != "bare":
        return None
    if disk_format in ("raw", "iso"):
        return size or None
    if disk_format == "qcow2" and len(head) >= 32:
        return int(struct.unpack(">Q", head[24:32])[0]) or None
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
