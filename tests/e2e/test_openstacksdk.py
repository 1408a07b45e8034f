"""openstacksdk takes a server through its whole life on a running cloud, as its documentation says."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.connection import Connection

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK's own, which it would swallow and wait for ever
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO"),  # and leaves the file that it uploads open
]


@pytest.fixture
def sdk(identity_url: str) -> Iterator[Connection]:
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    auth = {"auth_url": identity_url, "username": "demo", "password": "secret", "project_name": "demo", **domains}
    with openstack.connect(region_name="RegionOne", auth=auth, load_envvars=False, load_yaml_config=False) as connection:
        yield connection


def reaches(sdk: Connection, server: Any, status: str) -> Any:
    """Asks anew first: the SDK believes the status that it saw last."""
    return sdk.compute.wait_for_server(sdk.compute.get_server(server.id), status=status, wait=30)


def test_a_server_from_login_to_deletion(sdk: Connection, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(range(256)) * 4096)
    image = sdk.create_image("disk", filename=str(disk), disk_format="raw", container_format="bare", wait=True)
    network = sdk.network.create_network(name="lan")
    sdk.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.8.0.0/24")
    group = sdk.network.create_security_group(name="web")
    keypair = sdk.compute.create_keypair(name="mine")
    assert "PRIVATE KEY" in keypair.private_key
    volume = sdk.create_volume(size=1, name="data", wait=True)

    server = sdk.compute.create_server(
        name="vm", flavor_id=sdk.compute.find_flavor("m1.tiny").id, image_id=image.id, networks=[{"uuid": network.id}],
        security_groups=[{"name": "web"}], key_name="mine", user_data=base64.b64encode(b"#!/bin/sh").decode(), metadata={"a": "b"},
        block_device_mapping=[
            {"source_type": "image", "destination_type": "local", "uuid": image.id, "boot_index": 0, "delete_on_termination": True},
            {"source_type": "volume", "destination_type": "volume", "uuid": volume.id, "boot_index": -1},
        ],
    )  # fmt: skip
    server = sdk.compute.wait_for_server(server, wait=30)
    assert (server.status, server.vm_state, server.power_state, server.key_name) == ("ACTIVE", "active", 1, "mine")
    (port,) = sdk.network.ports(device_id=server.id)
    assert server.addresses["lan"][0]["addr"] == port.fixed_ips[0]["ip_address"]
    assert port.security_group_ids == [group.id]
    attached = sdk.block_storage.get_volume(volume.id)
    assert (attached.status, attached.attachments[0]["server_id"]) == ("in-use", server.id)
    assert [found.id for found in sdk.compute.servers(name="vm")] == [server.id]

    sdk.compute.stop_server(server)
    reaches(sdk, server, "SHUTOFF")
    sdk.compute.start_server(server)
    reaches(sdk, server, "ACTIVE")
    sdk.compute.reboot_server(server, "HARD")
    reaches(sdk, server, "ACTIVE")
    copy = sdk.compute.create_server_image(server, "copy", wait=True, timeout=30)
    assert sdk.image.get_image(copy.id).status == "active"
    sdk.compute.resize_server(server, sdk.compute.find_flavor("m1.small").id)
    reaches(sdk, server, "VERIFY_RESIZE")
    sdk.compute.confirm_server_resize(server)
    server = reaches(sdk, server, "ACTIVE")
    assert server.flavor.original_name == "m1.small"
    assert {action.action for action in sdk.compute.server_actions(server)} >= {"create", "stop", "start", "reboot", "resize"}

    sdk.compute.delete_server(server)
    sdk.compute.wait_for_delete(server, wait=30)
    assert list(sdk.network.ports(network_id=network.id, device_owner="compute:nova")) == []
    sdk.block_storage.wait_for_status(sdk.block_storage.get_volume(volume.id), "available", wait=30)


def test_a_server_whose_root_disk_is_a_volume(sdk: Connection) -> None:
    image, flavor = sdk.image.find_image("cirros"), sdk.compute.find_flavor("m1.tiny")
    server = sdk.create_server(
        "rooted", image=image, flavor=flavor, network="private", boot_from_volume=True, volume_size=1, terminate_volume=True, wait=True,
        timeout=60, auto_ip=False,
    )  # fmt: skip
    assert (server.status, sdk.compute.get(f"/servers/{server.id}").json()["server"]["image"]) == ("ACTIVE", "")
    (volume,) = server.attached_volumes
    assert sdk.block_storage.get_volume(volume.id).is_bootable
    assert sdk.delete_server("rooted", wait=True, timeout=60)
    assert sdk.block_storage.find_volume(volume.id) is None


def test_a_server_with_an_address_for_the_world(sdk: Connection) -> None:
    """As a play or a plan does it: a router, a server with `auto_ip`, a look, the address taken away."""
    network = sdk.network.create_network(name="edge")
    subnet = sdk.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.7.0.0/24")
    router = sdk.network.create_router(name="way-out", external_gateway_info={"network_id": sdk.network.find_network("public").id})
    sdk.network.add_interface_to_router(router, subnet_id=subnet.id)
    group = sdk.create_server_group("apart", ["anti-affinity"])
    server = sdk.create_server("web", image="cirros", flavor="m1.tiny", network="edge", group="apart", auto_ip=True, wait=True, timeout=60)
    (floating,) = sdk.list_floating_ips()
    assert sdk.get_server(server.id).public_v4 == floating.floating_ip_address
    assert {one["OS-EXT-IPS:type"] for one in server.addresses["edge"]} == {"fixed", "floating"}
    assert [found.name for found in sdk.search_servers("we*")] == ["web"]
    assert sdk.delete_server(server.id, wait=True, delete_ips=True)
    assert sdk.list_floating_ips() == []
    sdk.network.remove_interface_from_router(router, subnet_id=subnet.id)
    assert sdk.delete_router(router.id) and sdk.delete_network(network.id) and sdk.delete_server_group(group.id)


def test_a_server_starts_from_a_snapshot_of_a_volume(sdk: Connection) -> None:
    volume = sdk.create_volume(size=1, name="golden", image="cirros", wait=True)
    snapshot = sdk.create_volume_snapshot(volume.id, name="of-golden", wait=True)
    root = {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot.id, "boot_index": 0, "delete_on_termination": True}
    flavor = sdk.compute.find_flavor("m1.tiny").id
    server = sdk.compute.create_server(name="copy", flavor_id=flavor, networks="none", block_device_mapping=[root])
    server = sdk.compute.wait_for_server(server, wait=30)
    (attached,) = server.attached_volumes
    made = sdk.block_storage.get_volume(attached.id)
    assert (server.status, made.snapshot_id, made.is_bootable) == ("ACTIVE", snapshot.id, True)
    sdk.compute.delete_server(server)
    sdk.compute.wait_for_delete(server, wait=30)
    assert sdk.block_storage.find_volume(attached.id) is None
    assert sdk.delete_volume_snapshot(snapshot.id, wait=True) and sdk.delete_volume(volume.id, wait=True)
