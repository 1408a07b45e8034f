"""What a guest reads on its config drive."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from mockcloud.compute.drivers import config_drive
from mockcloud.compute.drivers.base import Guest, Vif
from tests import hypervisor
from tests.mockcloud.compute.conftest import flavor

USER_DATA = b"#!/bin/sh\necho hello\n"
SERVER = {
    "flavor": flavor(), "display_name": "a server", "hostname": "a-server", "project_id": "a-project", "availability_zone": "nova",
    "metadata": {"role": "web"}, "key_name": "mine", "key_data": "ssh-ed25519 AAAA me", "user_data": base64.b64encode(USER_DATA).decode(),
}  # fmt: skip
SUBNET = {"id": "s", "cidr": "10.0.0.0/24", "version": 4, "gateway": "10.0.0.1", "dns": ["9.9.9.9"], "ips": [{"address": "10.0.0.7"}]}
VIF = Vif({
    "id": "11111111-0000-4000-8000-000000000001", "address": "fa:16:3e:00:00:01", "devname": "tap11111111-00",
    "network": {"id": "n", "meta": {"mtu": 1450}, "subnets": [SUBNET]},
})  # fmt: skip


def guest(**values: Any) -> Guest:
    return Guest("33333333-0000-4000-8000-000000000001", "instance-00000001", {**SERVER, **values}, vifs=(VIF,), admin_password="a-secret")


def test_a_guest_reads_who_it_is() -> None:
    said = config_drive.meta_data(guest())
    assert (said["uuid"], said["hostname"], said["meta"]) == ("33333333-0000-4000-8000-000000000001", "a-server", {"role": "web"})
    assert (said["public_keys"], said["admin_pass"]) == ({"mine": "ssh-ed25519 AAAA me"}, "a-secret")


def test_a_guest_without_a_key_reads_of_none() -> None:
    assert "public_keys" not in config_drive.meta_data(guest(key_name=None))


def test_a_guest_reads_the_address_that_neutron_gave_it() -> None:
    said = config_drive.network_data(guest())
    assert said["links"][0] == {
        "id": "tap11111111-00",
        "vif_id": VIF.id,
        "type": "phy",
        "mtu": 1450,
        "ethernet_mac_address": "fa:16:3e:00:00:01",
    }
    (network,) = said["networks"]
    assert (network["ip_address"], network["link"], network["routes"][0]["gateway"]) == ("10.0.0.7/24", "tap11111111-00", "10.0.0.1")
    assert said["services"] == [{"type": "dns", "address": "9.9.9.9"}]


@pytest.mark.parametrize("version", config_drive.VERSIONS)
def test_the_drive_has_the_files_under_their_own_names(tmp_path: Path, version: str) -> None:
    if why := hypervisor.missing(real=False):
        pytest.skip(why)
    from pycdlib import PyCdlib

    config_drive.write(guest(), tmp_path / "disk.config")
    assert (tmp_path / "disk.config").stat().st_mode & 0o077 == 0
    disk = PyCdlib()
    disk.open(str(tmp_path / "disk.config"))
    assert disk.pvd.volume_identifier.strip() == b"config-2"

    def read(name: str) -> bytes:
        into = io.BytesIO()
        disk.get_file_from_iso_fp(into, rr_path=f"/openstack/{version}/{name}")
        return into.getvalue()

    assert read("user_data") == USER_DATA
    assert json.loads(read("meta_data.json"))["hostname"] == "a-server"
    assert json.loads(read("network_data.json"))["links"][0]["mtu"] == 1450
    disk.close()
