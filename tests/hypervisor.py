"""What tests with real guests have in common: whether they can run here, and a guest that is one sector."""

from __future__ import annotations

from pathlib import Path

from mockcloud import doctor
from mockcloud.compute.drivers.acceleration import one_sector_guest
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
