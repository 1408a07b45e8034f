"""A config drive: what a guest is told about itself, as a disk of the label config-2."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mockcloud.compute.drivers.base import Guest, Vif

Json = dict[str, Any]
LABEL = "config-2"
VERSIONS = ("2018-08-27", "latest")


def documents(guest: Guest) -> dict[str, bytes]:
    """The files below openstack/<version>."""
    made = {
        "meta_data.json": _json(meta_data(guest)),
        "network_data.json": _json(network_data(guest)),
        "vendor_data.json": b"{}",
        "vendor_data2.json": b"{}",
    }
    if guest.server.get("user_data"):
        made["user_data"] = base64.b64decode(guest.server["user_data"])
    return made


def meta_data(guest: Guest) -> Json:
    server = guest.server
    said: Json = {
        "uuid": guest.id,
        "name": server.get("display_name"),
        "hostname": server.get("hostname"),
        "launch_index": server.get("launch_index") or 0,
        "availability_zone": server.get("availability_zone"),
        "project_id": server.get("project_id"),
        "meta": server.get("metadata") or {},
        "devices": [],
    }
    if server.get("key_name"):
        said["public_keys"] = {server["key_name"]: server.get("key_data")}
        said["keys"] = [{"name": server["key_name"], "type": "ssh", "data": server.get("key_data")}]
    if guest.admin_password:
        said["admin_pass"] = guest.admin_password
    return said


def network_data(guest: Guest) -> Json:
    links: list[Json] = []
    networks: list[Json] = []
    services: list[Json] = []
    for vif in guest.vifs:
        name = str(vif.info.get("devname") or f"tap{vif.id[:11]}")
        mtu = (vif.info["network"].get("meta") or {}).get("mtu")
        links.append({"id": name, "vif_id": vif.id, "type": "phy", "mtu": mtu, "ethernet_mac_address": vif.info["address"]})
        for network in _networks(vif, name):
            networks.append({**network, "id": f"network{len(networks)}"})
        services += [{"type": "dns", "address": dns} for subnet in vif.info["network"]["subnets"] for dns in subnet.get("dns") or ()]
    return {"links": links, "networks": networks, "services": services}


def _networks(vif: Vif, link: str) -> Iterator[Json]:
    for subnet in vif.info["network"]["subnets"]:
        every = {4: "0.0.0.0", 6: "::"}[subnet["version"]]
        routes = [{"network": every, "netmask": every, "gateway": subnet["gateway"]}] if subnet.get("gateway") else []
        prefix = subnet["cidr"].rsplit("/", 1)[1]
        for ip in subnet["ips"]:
            address = f"{ip['address']}/{prefix}"
            yield {"type": f"ipv{subnet['version']}", "link": link, "network_id": vif.info["network"].get("id"), "ip_address": address,
                   "routes": routes}  # fmt: skip


def write(guest: Guest, path: Path) -> None:
    """Needs pycdlib. The file is nobody else's to read."""
    from pycdlib import PyCdlib

    disk = PyCdlib()
    disk.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    disk.add_directory("/OPENSTACK", rr_name="openstack", joliet_path="/openstack")
    for number, version in enumerate(VERSIONS):
        folder = f"/OPENSTACK/V{number}"
        disk.add_directory(folder, rr_name=version, joliet_path=f"/openstack/{version}")
        for count, (name, data) in enumerate(documents(guest).items()):
            disk.add_fp(io.BytesIO(data), len(data), f"{folder}/F{count}.;1", rr_name=name, joliet_path=f"/openstack/{version}/{name}")
    path.touch(mode=0o600)
    with path.open("wb") as file:
        disk.write_fp(file)
    disk.close()


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()
