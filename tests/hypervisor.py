"""What tests with real guests have in common: whether they can run here, and a guest that is one sector."""

from __future__ import annotations

from pathlib import Path

from mockcloud import doctor
from mockcloud.compute.drivers.acceleration import WRITE, one_sector_guest
from mockcloud.settings import Settings

# Guests of one sector answer no ACPI: they are stopped by force at once.
ON_TEST_DRIVER = Settings(driver="libvirt", libvirt_uri="test:///default", shutdown_timeout=0.5)
UNDER_QEMU = Settings(driver="libvirt", libvirt_virt_type="qemu", shutdown_timeout=0.5)


def missing(real: bool = True) -> str:
    """Why tests cannot run here, with the command that changes it; nothing when they can. Without `real`: on libvirt's test driver."""
    wanted = {"libvirt-python", "qemu-img", "prlimit", "pycdlib"}
    lacking = [need for need in doctor.missing() if real or need.name in wanted]
    return f"{lacking[0].name} is missing here: {lacking[0].command}" if lacking else ""


def write_one_sector_image(path: Path) -> Path:
    path.write_bytes(one_sector_guest())
    return path


def tiny_kernel(text: bytes = b"\r\nKERNEL-READY\r\n") -> bytes:
    """A Linux kernel of the oldest boot protocol, as far as a loader can tell: its setup code writes `text` to the serial console."""
    code = bytes.fromhex(
        "0E"  # push cs
        "1F"  # pop ds
        "BE1400"  # mov si,0x14: the text after this code
    )
    boot_sector = (b"\0" * 510) + b"\x55\xaa"
    return boot_sector + (code + WRITE + text + b"\0").ljust(4 * 512, b"\0") + b"\0" * 4096
