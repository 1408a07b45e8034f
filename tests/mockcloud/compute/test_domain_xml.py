"""The XML of a guest, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mockcloud.compute.drivers.base import Disk, Guest, Image, Vif
from mockcloud.compute.drivers.domain_xml import Files, device, domain, find_device
from mockcloud.compute.errors import VolumeDriverNotFound
from tests.mockcloud.compute.conftest import flavor

FILES = Files(Path("/instances/one"))
PORT, VOLUME = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000001"
VIF = Vif({"id": PORT, "address": "fa:16:3e:00:00:01", "network": {"subnets": [], "meta": {"mtu": 1450}}})


def local(path: str = "/volumes/one", **data: Any) -> dict[str, Any]:
    return {"driver_volume_type": "local", "data": {"device_path": path, **data}}


def make(**values: Any) -> Guest:
    server = {"flavor": flavor(vcpus=2, memory_mb=192), "config_drive": False, **values.pop("server", {})}
    booting = {name: values.pop(name) for name in ("kernel", "ramdisk") if name in values}
    image = Image({"id": "an-image", "disk_format": "qcow2", **values.pop("properties", {})}, Path("/images/one"), **booting)
    return Guest("33333333-0000-4000-8000-000000000001", "instance-0000002a", server, **{"image": image, **values})


def read(guest: Guest, virt_type: str = "qemu") -> ElementTree.Element:
    return ElementTree.fromstring(domain(guest, FILES, virt_type))


def texts(root: ElementTree.Element, path: str) -> list[str | None]:
    return [found.text for found in root.iterfind(path)]


def attributes(root: ElementTree.Element, path: str, name: str) -> list[str | None]:
    return [found.get(name) for found in root.iterfind(path)]


def test_the_flavor_says_how_much_a_guest_has() -> None:
    root = read(make())
    assert (texts(root, "vcpu"), texts(root, "memory"), attributes(root, "memory", "unit")) == (["2"], ["192"], ["MiB"])
    assert (texts(root, "name"), texts(root, "uuid")) == (["instance-0000002a"], ["33333333-0000-4000-8000-000000000001"])


def test_a_guest_is_told_that_it_is_an_openstack_server() -> None:
    said = {entry.get("name"): entry.text for entry in read(make()).iterfind("sysinfo/system/entry")}
    assert (said["product"], said["uuid"]) == ("OpenStack Nova", "33333333-0000-4000-8000-000000000001")


@pytest.mark.parametrize("virt_type,bounded", [("qemu", ["32"]), ("kvm", []), ("test", [])])
def test_translated_code_is_bounded_where_code_is_translated(virt_type: str, bounded: list[str]) -> None:
    root = read(make(), virt_type)
    assert root.get("type") == virt_type and texts(root, "features/tcg/tb-cache") == bounded


def test_the_root_disk_is_the_guests_own_and_boots() -> None:
    root = read(make())
    assert attributes(root, "devices/disk/source", "file") == ["/instances/one/disk"]
    assert attributes(root, "devices/disk/driver", "type") == ["qcow2"]
    assert attributes(root, "devices/disk/target", "dev") == ["vda"] and attributes(root, "devices/disk/boot", "order") == ["1"]


def test_a_volume_is_a_virtio_disk_with_its_id_as_serial() -> None:
    root = read(make(disks=(Disk("/dev/vdb", volume_id=VOLUME, connection_info=local()),)))
    assert texts(root, "devices/disk/serial") == [VOLUME]
    assert attributes(root, "devices/disk/source", "file") == ["/instances/one/disk", "/volumes/one"]
    assert attributes(root, "devices/disk/driver", "type") == ["qcow2", "raw"]


def test_a_root_volume_boots_and_there_is_no_other_root_disk() -> None:
    root = read(make(image=None, disks=(Disk("/dev/vda", 0, VOLUME, local()), Disk("/dev/vdb", -1, "other", local("/volumes/two")))))
    assert attributes(root, "devices/disk/source", "file") == ["/volumes/one", "/volumes/two"]
    assert attributes(root, "devices/disk/boot", "order") == ["1"]


def test_a_volume_that_is_attached_to_be_read_is_not_written() -> None:
    xml = device(Disk("/dev/vdb", volume_id=VOLUME, connection_info=local(access_mode="ro")), FILES)
    assert ElementTree.fromstring(xml).find("readonly") is not None


@pytest.mark.parametrize("info", [None, {"driver_volume_type": "iscsi", "data": {}}])
def test_a_volume_that_no_path_leads_to_is_refused_in_novas_words(info: dict[str, Any] | None) -> None:
    kind = "None" if info is None else "iscsi"
    with pytest.raises(VolumeDriverNotFound, match=f"Could not find a handler for {kind} volume"):
        domain(make(disks=(Disk("/dev/vdb", volume_id=VOLUME, connection_info=info),)), FILES, "qemu")


def test_swap_and_ephemeral_disks_are_files_of_the_guest() -> None:
    root = read(make(disks=(Disk("/dev/vdb", size_gb=1),)))
    assert attributes(root, "devices/disk/source", "file") == ["/instances/one/disk", "/instances/one/disk.vdb"]


def test_an_interface_has_the_ports_mac() -> None:
    assert attributes(read(make(vifs=(VIF,))), "devices/interface/mac", "address") == ["fa:16:3e:00:00:01"]


def test_the_serial_console_is_written_to_a_file() -> None:
    assert attributes(read(make()), "devices/serial/log", "file") == ["/instances/one/console.log"]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_config_drive_is_there_when_it_is_wanted(wanted: bool) -> None:
    root = read(make(server={"config_drive": wanted}))
    assert ("/instances/one/disk.config" in attributes(root, "devices/disk/source", "file")) is wanted


def test_an_image_with_a_kernel_boots_it_and_no_disk() -> None:
    kernel, ramdisk = (Image({"id": name}, Path(f"/images/{name}")) for name in ("kernel", "ramdisk"))
    root = read(make(kernel=kernel, ramdisk=ramdisk, properties={"os_command_line": "quiet <&>"}))
    assert (texts(root, "os/kernel"), texts(root, "os/initrd")) == (["/images/kernel"], ["/images/ramdisk"])
    assert texts(root, "os/cmdline") == ["quiet <&>"] and root.find("devices/disk/boot") is None


def test_a_kernel_is_told_its_root_and_its_console() -> None:
    kernel = Image({"id": "kernel"}, Path("/images/kernel"))
    assert texts(read(make(kernel=kernel)), "os/cmdline") == ["root=/dev/vda console=tty0 console=ttyS0"]


@pytest.mark.parametrize("device_id", [VOLUME, PORT, "/dev/vdc"])
def test_a_device_is_found_by_its_id(device_id: str) -> None:
    disks = (Disk("/dev/vdb", volume_id=VOLUME, connection_info=local()), Disk("/dev/vdc", size_gb=1))
    xml = domain(make(disks=disks, vifs=(VIF,)), FILES, "qemu")
    assert find_device(xml, device_id) is not None and find_device(xml, "another") is None


def test_nothing_secret_is_in_it() -> None:
    xml = domain(make(server={"user_data": "c2VjcmV0"}, admin_password="not-to-be-seen"), FILES, "qemu")
    assert "not-to-be-seen" not in xml and "c2VjcmV0" not in xml
