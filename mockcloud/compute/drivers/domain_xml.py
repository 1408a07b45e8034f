"""A guest as libvirt wants it: XML and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from mockcloud.compute.drivers.base import Device, Disk, Guest, Vif
from mockcloud.compute.errors import VolumeDriverNotFound

Element = ElementTree.Element
TB_CACHE_MIB = 32  # of translated code: QEMU's own default takes a gigabyte that these guests never need
COMMAND_LINE = "root={root} console=tty0 console=ttyS0"


@dataclass(frozen=True, slots=True)
class Files:
    """A guest's own files in its folder, under the names that nova gives them."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "disk"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def config_drive(self) -> Path:
        return self.folder / "disk.config"

    def local(self, disk: Disk) -> Path:
        """An empty disk that is no volume: swap, ephemeral."""
        return self.folder / f"disk.{disk.device_name.removeprefix('/dev/')}"


def domain(guest: Guest, files: Files, virt_type: str) -> str:
    """`virt_type` is libvirt's: kvm, qemu, or test. Raises VolumeDriverNotFound for a volume that is not reached by a path."""
    root = _element("domain", type=virt_type)
    root.append(_element("name", text=guest.name))
    root.append(_element("uuid", text=guest.id))
    root.append(_element("memory", text=str(guest.flavor["memory_mb"]), unit="MiB"))
    root.append(_element("vcpu", text=str(guest.flavor["vcpus"]), placement="static"))
    root.append(_sysinfo(guest))
    root.append(_os(guest))
    root.append(_features(virt_type))
    root.append(_element("clock", offset="utc"))
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        root.append(_element(event, text=action))
    root.append(_element("devices", *_devices(guest, files)))
    return ElementTree.tostring(root, encoding="unicode")


def device(one: Device, files: Files) -> str:
    """A device that comes to a guest, or leaves it."""
    return ElementTree.tostring(_disk(one, files) if isinstance(one, Disk) else _interface(one), encoding="unicode")


def find_device(domain_xml: str, device_id: str) -> str | None:
    """The XML of the device with that id in a domain's."""
    devices = ElementTree.fromstring(domain_xml).find("devices")
    for found in devices if devices is not None else ():
        name = found.find("alias")
        if name is not None and name.get("name") == _alias(device_id):
            return ElementTree.tostring(found, encoding="unicode")
    return None


def _sysinfo(guest: Guest) -> Element:
    """What a guest's own tools know an OpenStack server by, such as cloud-init."""
    said = {
        "manufacturer": "OpenStack Foundation",
        "product": "OpenStack Nova",
        "serial": guest.id,
        "uuid": guest.id,
        "family": "Virtual Machine",
    }
    entries = [_element("entry", text=value, name=name) for name, value in said.items()]
    return _element("sysinfo", _element("system", *entries), type="smbios")


def _os(guest: Guest) -> Element:
    """The disks say who boots first; a kernel of the image's goes before all of them."""
    made = _element("os", _element("type", text="hvm", arch="x86_64", machine="pc"))
    if guest.kernel:
        made.append(_element("kernel", text=str(guest.kernel.path)))
        if guest.ramdisk:
            made.append(_element("initrd", text=str(guest.ramdisk.path)))
        said = guest.image.body.get("os_command_line") if guest.image else None
        made.append(_element("cmdline", text=said or COMMAND_LINE.format(root="/dev/vda")))
    made.append(_element("smbios", mode="sysinfo"))
    return made


def _features(virt_type: str) -> Element:
    made = _element("features", _element("acpi"), _element("apic"))
    if virt_type == "qemu":
        made.append(_element("tcg", _element("tb-cache", text=str(TB_CACHE_MIB), unit="MiB")))
    return made


def _devices(guest: Guest, files: Files) -> Iterator[Element]:
    if guest.image:
        yield _file_disk(files.root, "qcow2", "vda", "root", boot=None if guest.kernel else 1)
    for disk in guest.disks:
        yield _disk(disk, files, boots=not guest.kernel)
    if guest.server.get("config_drive"):
        yield _file_disk(files.config_drive, "raw", "vdz", "config", readonly=True)
    for vif in guest.vifs:
        yield _interface(vif)
    log = _element("log", file=str(files.console), append="on")
    yield _element("serial", log, _element("target", port="0"), type="pty")
    yield _element("memballoon", model="virtio")
    yield _element("rng", _element("backend", text="/dev/urandom", model="random"), model="virtio")


def _disk(disk: Disk, files: Files, boots: bool = False) -> Element:
    boot = disk.boot_index + 1 if boots and disk.boot_index is not None and disk.boot_index >= 0 else None
    name = disk.device_name.removeprefix("/dev/")
    if disk.volume_id is None:
        return _file_disk(files.local(disk), "qcow2", name, disk.id, boot=boot)
    connection = disk.connection_info or {}
    if connection.get("driver_volume_type") != "local":
        raise VolumeDriverNotFound(str(connection.get("driver_volume_type")))
    data = connection["data"]
    readonly = data.get("access_mode") == "ro"
    return _file_disk(Path(data["device_path"]), "raw", name, disk.id, serial=disk.volume_id, boot=boot, readonly=readonly)


def _file_disk(
    path: Path, format: str, name: str, device_id: str, *, serial: str | None = None, boot: int | None = None, readonly: bool = False
) -> Element:
    made = _element("disk", type="file", device="disk")
    made.append(_element("driver", name="qemu", type=format))
    made.append(_element("source", file=str(path)))
    made.append(_element("target", dev=name, bus="virtio"))
    if readonly:
        made.append(_element("readonly"))
    if serial:
        made.append(_element("serial", text=serial))
    if boot:
        made.append(_element("boot", order=str(boot)))
    made.append(_element("alias", name=_alias(device_id)))
    return made


def _interface(vif: Vif) -> Element:
    """User mode: the guest reaches out by QEMU itself, and nobody reaches it. The MAC is the port's; libvirt takes no MTU here."""
    made = _element("interface", type="user")
    made.append(_element("mac", address=vif.info["address"]))
    made.append(_element("model", type="virtio"))
    made.append(_element("rom", enabled="no"))
    made.append(_element("alias", name=_alias(vif.id)))
    return made


def _alias(device_id: str) -> str:
    """By which a device is found again; libvirt leaves names to us that begin so."""
    return f"ua-{device_id.removeprefix('/dev/')}"


def _element(tag: str, *children: Element, text: str | None = None, **attributes: str) -> Element:
    made = Element(tag, attributes)
    made.text = text
    made.extend(children)
    return made
