"""A look at the head of image data."""

from __future__ import annotations

from mockcloud import qcow2

SIGNATURES = (  # offset, bytes, format
    (0, qcow2.MAGIC, "qcow2"), (0, b"KDMV", "vmdk"), (0, b"vhdxfile", "vhdx"), (0, b"conectix", "vhd"), (0, b"QED\0", "qed"),
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
    if found == "qcow2" and qcow2.names_another_file(head):
        raise FormatMismatch("Image failed safety checks")


def virtual_size(disk_format: str | None, container_format: str | None, size: int, head: bytes) -> int | None:
    """Bytes of the disk inside, where the head tells."""
    if container_format != "bare":
        return None
    if disk_format in ("raw", "iso"):
        return size or None
    return qcow2.virtual_bytes(head) or None if disk_format == "qcow2" else None
