"""Disks of a launch, and images that must fit them: the rules alone."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.nova.block_devices import Device, asked_root, check_devices, complete, read_devices, root_of
from mockcloud.nova.image_checks import GIB, check_image

FLAVOR = {"ephemeral_gb": 0, "swap": 0, "root_gb": 1, "memory_mb": 512}
VOLUME = "6e9a6fc2-7b6f-4a5b-9a5e-000000000000"


def test_an_image_alone_is_the_root_disk() -> None:
    (root,) = complete([], "image", FLAVOR, is_old_form=True)
    assert (root.source_type, root.destination_type, root.boot_index, root.delete_on_termination) == ("image", "local", 0, True)


def test_the_old_form_boots_from_what_is_called_vda() -> None:
    devices = read_devices({"block_device_mapping": [{"volume_id": VOLUME, "device_name": "vda", "delete_on_termination": "1"}]})
    found = complete(devices, "", FLAVOR, is_old_form=True)
    assert [(d.volume_id, d.boot_index, d.device_name, d.delete_on_termination) for d in found] == [(VOLUME, 0, "/dev/vda", True)]
    check_devices(found, FLAVOR)


def test_the_new_form_adds_no_root_disk_by_itself() -> None:
    asked = [{"source_type": "volume", "uuid": VOLUME, "boot_index": "1"}]
    found = complete(read_devices({"imageRef": "image", "block_device_mapping_v2": asked}), "image", FLAVOR, is_old_form=False)
    assert root_of(found) is None
    with pytest.raises(BadRequest, match="Boot sequence"):
        check_devices(found, FLAVOR)


@pytest.mark.parametrize(
    ("source", "has_image", "boot_index", "destination"),
    [("blank", True, -1, "local"), ("volume", True, -1, "volume"), ("image", True, 0, "local"), ("image", False, 0, "volume")],
)
def test_a_destination_that_is_left_out_follows_from_the_source(source: str, has_image: bool, boot_index: int, destination: str) -> None:
    entry = {"source_type": source, "boot_index": boot_index} | ({} if source == "blank" else {"uuid": VOLUME})
    (device,) = read_devices({"imageRef": "image" if has_image else "", "block_device_mapping_v2": [entry]})
    assert device.destination_type == destination


def test_a_device_that_is_taken_away_is_no_device() -> None:
    assert read_devices({"block_device_mapping_v2": [{"no_device": True}], "block_device_mapping": []}) == []


@pytest.mark.parametrize(("name", "is_root"), [("vda", True), ("/dev/sda1", True), ("xvda", True), ("vdb", False), (None, False)])
def test_the_old_form_knows_its_root_by_the_letter(name: str | None, is_root: bool) -> None:
    device = Device("volume", "volume", -1, device_name=name)
    assert (asked_root([device], is_old_form=True) is device) is is_root


def test_no_more_than_three_local_disks_are_made() -> None:
    blank = [Device("blank", "local", -1, volume_size=1) for _ in range(3)]
    root = Device("image", "local", 0, image_id="image")
    check_devices([root, *blank[:2]], FLAVOR | {"ephemeral_gb": 9})
    with pytest.raises(BadRequest, match="more local devices than the limit allows"):
        check_devices([root, *blank], FLAVOR | {"ephemeral_gb": 9})


def test_one_swap_disk_is_enough() -> None:
    swaps = [Device("blank", "local", -1, guest_format="swap", volume_size=1) for _ in range(2)]
    with pytest.raises(BadRequest, match=r"More than one swap drive requested\."):
        check_devices([Device("image", "local", 0), *swaps], FLAVOR | {"swap": 4})


NOBODY = cast(Context, None)  # only a flavor without a disk asks who it is


def test_an_image_larger_than_the_disk_is_refused() -> None:
    image: dict[str, Any] = {"id": "i", "status": "active", "size": GIB + 1}
    with pytest.raises(BadRequest) as refused:
        check_image(NOBODY, image, FLAVOR, Device("image", "local", 0), "i")
    said = "Flavor's disk is too small for requested image. Flavor disk is 1073741824 bytes, image is 1073741825 bytes."
    assert refused.value.message == said
    check_image(NOBODY, image | {"size": GIB}, FLAVOR, Device("image", "local", 0), "i")


def test_a_volume_need_not_fit_the_flavor_but_the_image() -> None:
    image = {"id": "i", "status": "active", "size": 5 * GIB, "min_disk": 2}
    root = Device("image", "volume", 0, image_id="i", volume_size=2)
    check_image(NOBODY, image, FLAVOR, root, "")
    root.volume_size = 1
    with pytest.raises(BadRequest, match=r"^Volume is smaller than the minimum size specified in image metadata\."):
        check_image(NOBODY, image, FLAVOR, root, "")
