"""Which acceleration guests get: decided by a guest of one sector that has to speak in time.

A /dev/kvm that opens, or a libvirt that lists kvm, proves nothing: in some nested machines such guests start and hang.
"""

from __future__ import annotations

import select
import subprocess
import tempfile
import time

QEMU = "qemu-system-x86_64"
MARKER = b"GUEST-READY"
LIMIT = 2.0  # seconds; without any acceleration it takes 0.3 on a quiet machine
WRITE = bytes.fromhex(  # the text at ds:si, which ends with a 0, to the serial console; then nothing
    "BAF803"  # mov dx,0x3F8: COM1
    "AC"  # next: lodsb
    "84C0"  # test al,al
    "7403"  # jz stop
    "EE"  # out dx,al
    "EBF8"  # jmp next
    "FB"  # stop: sti
    "F4"  # hlt
    "EBFD"  # jmp to the hlt
)
BOOT = bytes.fromhex(
    "31C0"  # xor ax,ax
    "8ED8"  # mov ds,ax
    "BE167C"  # mov si,0x7C16: the text after this code
)


def one_sector_guest(text: bytes = b"\r\n" + MARKER + b"\r\nlogin: ") -> bytes:
    """A bootable disk of 1 MiB: writes `text` to the serial console and halts."""
    sector = (BOOT + WRITE + text + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    return sector.ljust(1 << 20, b"\0")


def works(accelerator: str, limit: float = LIMIT) -> bool:
    """Whether a guest speaks within `limit` seconds. Blocks as long. `accelerator` is QEMU's: kvm, tcg."""
    with tempfile.NamedTemporaryFile(prefix="mockcloud-") as disk:
        disk.write(one_sector_guest())
        disk.flush()
        command = [QEMU, "-accel", accelerator, "-machine", "pc", "-m", "16", "-nodefaults", "-display", "none", "-serial", "stdio",
                   "-drive", f"file={disk.name},format=raw,if=ide,snapshot=on"]  # fmt: skip
        try:
            guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError:
            return False
        with guest:
            try:
                return _speaks(guest, time.monotonic() + limit)
            finally:
                guest.kill()


def _speaks(guest: subprocess.Popen[bytes], until: float) -> bool:
    if guest.stdout is None:
        return False
    said = b""
    while (left := until - time.monotonic()) > 0 and select.select([guest.stdout], [], [], left)[0]:
        more = guest.stdout.read1(4096)  # type: ignore[attr-defined]
        said += more
        if MARKER in said:
            return True
        if not more:
            return False
    return False


def virt_type(wanted: str) -> str:
    """libvirt's name of what guests run on: kvm or qemu. Blocks."""
    if wanted != "auto":
        return wanted
    return "kvm" if works("kvm") else "qemu"
