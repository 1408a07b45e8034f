"""What real guests need of a machine: what is there, what is missing, which command brings it."""

from __future__ import annotations

import pwd
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mockcloud.compute.drivers import acceleration

APT = "apt-get install --no-install-recommends"
USER = "libvirt-qemu"  # libvirt's QEMU driver does not start where nobody is called so


@dataclass(frozen=True, slots=True)
class Need:
    name: str
    purpose: str
    is_here: Callable[[], bool]
    command: str


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _module(name: str) -> Callable[[], bool]:
    return lambda: find_spec(name) is not None


def _has_driver() -> bool:
    folders = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
    names = ("libvirt/connection-driver/libvirt_driver_qemu.so", "*/libvirt/connection-driver/libvirt_driver_qemu.so")
    return any(True for folder in folders for name in names for _ in Path(folder).glob(name))


def _has_user() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


NEEDS = (
    Need("qemu-system-x86_64", "runs the guests", _program(acceleration.QEMU), f"{APT} qemu-system-x86"),
    Need("qemu-img", "makes their disks", _program("qemu-img"), f"{APT} qemu-utils"),
    Need("prlimit", "limits what looks at images", _program("prlimit"), f"{APT} util-linux"),
    Need("libvirt's QEMU driver", "drives QEMU", _has_driver, f"{APT} libvirt-daemon-driver-qemu"),
    Need(f"user {USER}", "libvirt wants it", _has_user, f"groupadd --system {USER}; useradd --system -g {USER} {USER}"),
    Need("libvirt-python", "speaks to libvirt", _module("libvirt"), f"{APT} gcc libvirt-dev pkg-config; pip install 'mockcloud[libvirt]'"),
    Need("pycdlib", "makes config drives", _module("pycdlib"), "pip install 'mockcloud[libvirt]'"),
)  # fmt: skip


def missing() -> list[Need]:
    return [need for need in NEEDS if not need.is_here()]


def report() -> str:
    """For people. Starts a guest of one sector or two where QEMU is here."""
    lacking = missing()
    width = max(len(need.name) for need in NEEDS)
    lines = [f"{need.name:{width}}  {'missing' if need in lacking else 'here':7}  {need.purpose}" for need in NEEDS]
    if shutil.which(acceleration.QEMU):
        lines += ["", _acceleration()]
    if lacking:
        lines += ["", "These bring what is missing:", *(f"  {need.command}" for need in lacking)]
    else:
        lines += ["", "mockcloud up --driver libvirt will run real guests."]
    return "\n".join(lines)


def _acceleration() -> str:
    if acceleration.works("kvm"):
        return "A guest of one sector speaks under KVM: guests are accelerated."
    if acceleration.works("tcg", limit=30.0):
        limit = f"{acceleration.LIMIT:.0f} s"
        return f"A guest of one sector does not speak under KVM in {limit}, and does without: guests run on translated code."
    return "A guest of one sector does not speak, neither under KVM nor without: no guest will run here."
