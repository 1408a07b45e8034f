"""Launches that are refused: each with nova's own status and sentence, and with nothing left of it anywhere."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select, update

from mockcloud.cloud import Cloud
from mockcloud.nova import api_tables, tables
from mockcloud.settings import Settings
from mockcloud.testing.client import Client, client
from specs import DIALECTS
from tests.mockcloud.nova.conftest import LATEST, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "6e9a6fc2-7b6f-4a5b-9a5e-000000000000"


class World:
    """One cloud for all refusals, since they change nothing; `ids` name what requests speak of."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.ids = cloud, {"nobody": NOBODY}

    def user(self, who: str) -> Client:
        return client(self.cloud, who)

    async def build(self) -> None:
        self.ids["demo"] = self.cloud.id_for("project", "demo")
        await self._images()
        await self._networks()
        await self._volumes()
        self._rows()

    async def _images(self) -> None:
        member, stranger = self.user("member"), self.user("stranger")
        disk = {"disk_format": "raw", "container_format": "bare"}
        self.ids["image"] = str(uuid.UUID(self.cloud.id_for("image", "cirros")))
        for name, owner, more in (
            ("queued", member, {}),
            ("hungry", member, {"min_ram": 1024}),
            ("wide", member, {"min_disk": 2}),
            ("foreign", stranger, {}),
            ("odd", member, {"img_config_drive": "sometimes"}),
            ("encrypted", member, {"cinder_encryption_key_id": NOBODY}),
            ("off", member, {}),
        ):
            made = await owner.post("glance", "/v2/images", json={"name": name, "visibility": "private", **disk, **more})
            assert made.status == 201, made.content
            self.ids[name] = made.json()["id"]
            if name != "queued":
                content = {"content": b"disk", "headers": {"Content-Type": "application/octet-stream"}}
                assert (await owner.put("glance", f"/v2/images/{self.ids[name]}/file", **content)).status == 204
        assert (await self.user("admin").post("glance", f"/v2/images/{self.ids['off']}/actions/deactivate")).status == 204

    async def _networks(self) -> None:
        member, admin = self.user("member"), self.user("admin")
        found = (await admin.get("neutron", "/v2.0/networks")).json()["networks"]
        self.ids |= {network["name"]: network["id"] for network in found}
        bare = await admin.post("neutron", "/v2.0/networks", json={"network": {"name": "bare", "tenant_id": self.ids["demo"]}})
        assert bare.status == 201, bare.content
        self.ids["bare"] = bare.json()["network"]["id"]
        used = {"network_id": self.ids["private"], "device_id": NOBODY}
        self.ids["port"] = (await member.post("neutron", "/v2.0/ports", json={"port": used})).json()["port"]["id"]
        address = await member.get("neutron", f"/v2.0/ports/{self.ids['port']}")
        self.ids["address"] = address.json()["port"]["fixed_ips"][0]["ip_address"]

    async def _volumes(self) -> None:
        for name, status in (("taken", "in-use"), ("broken", "error"), ("data", "available")):
            made = await self.user("member").post("cinder", "/v3/volumes", json={"volume": {"size": 1, "name": name}})
            self.ids[name] = made.json()["volume"]["id"]
            await self._settled(self.ids[name])
            self.change_volume(name, status=status)
        made = await self.user("stranger").post("cinder", "/v3/volumes", json={"volume": {"size": 1}})
        self.ids["hers"] = made.json()["volume"]["id"]

    def change_volume(self, name: str, **values: Any) -> None:
        db = self.cloud.services["cinder"].db
        volumes = db.metadata.tables["volumes"]
        with db.transaction() as tx:
            tx.execute(update(volumes).where(volumes.c.id == self.ids[name]).values(**values))

    async def _settled(self, volume_id: str) -> None:
        for _ in range(500):
            answer = await self.user("member").get("cinder", f"/v3/volumes/{volume_id}")
            if answer.json()["volume"]["status"] == "available":
                return
            await self.cloud.clock.sleep(0)
        raise AssertionError("the volume is not made")

    def _rows(self) -> None:
        now, kept = self.cloud.clock.now(), {"vcpus": 1, "memory_mb": 512}
        group = {"policy": "affinity", "name": "hers", "rules": {}}
        stranger = {"project_id": self.cloud.id_for("project", "other"), "user_id": self.cloud.id_for("user", "stranger")}
        self.ids["group"] = str(uuid.uuid4())
        with self.cloud.services["nova"].db.transaction() as tx:
            for id, more in (("secret", {"is_public": False}), ("off", {"disabled": True}), ("diskless", {"root_gb": 0})):
                tx.insert(tables.flavors, flavorid=id, name=id, created_at=now, **{"root_gb": 1, **kept, **more})
            tx.insert(tables.flavors, flavorid="huge", name="huge", created_at=now, vcpus=21, memory_mb=60_000, root_gb=1)
            tx.insert(tables.instance_groups, uuid=self.ids["group"], created_at=now, **group, **stranger)
            key = {"name": "hers", "fingerprint": "f", "public_key": "k", "user_id": stranger["user_id"]}
            tx.insert(tables.key_pairs, created_at=now, **key)

    def filled(self, value: Any) -> Any:
        """`{name}` in texts stands for the id of that name."""
        if isinstance(value, dict):
            return {key: self.filled(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.filled(part) for part in value]
        return value.format(**self.ids) if isinstance(value, str) else value

    async def left(self) -> Any:
        """Everything that a launch could leave."""
        db, admin = self.cloud.services["nova"].db, self.user("admin")
        ports = (await admin.get("neutron", "/v2.0/ports")).json()["ports"]
        volumes = (await admin.get("cinder", "/v3/volumes/detail?all_tenants=1")).json()["volumes"]
        mine = [table for table in tables.metadata.sorted_tables if table.name in WRITTEN]
        if self.cloud.settings.dialect == "cells_v2":
            mine += api_tables.metadata.sorted_tables
        rows = [db.scalar(select(func.count()).select_from(table)) for table in mine]
        allocations = self.cloud.services["placement"].db
        claims = [table for table in allocations.metadata.sorted_tables if table.name == "allocations"]
        rows += [allocations.scalar(select(func.count()).select_from(table)) for table in claims]
        return rows, sorted((p["id"], p["device_id"]) for p in ports), sorted((v["id"], v["status"]) for v in volumes)


WRITTEN = ("instances", "block_device_mapping", "instance_actions", "instance_group_members", "instance_faults")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DIALECTS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    cloud = Cloud(Settings(strict=True, dialect=request.param))
    await cloud.start()
    found = World(cloud)
    await found.build()
    yield found
    await cloud.stop()


def server(**values: Any) -> dict[str, Any]:
    whole = {"name": "one", "imageRef": "{image}", "flavorRef": "1", "networks": [{"uuid": "{private}"}], **values}
    return {"server": {name: value for name, value in whole.items() if value is not None}}


def volume(**values: Any) -> dict[str, Any]:
    root = {"source_type": "image", "destination_type": "local", "uuid": "{image}", "boot_index": 0}
    return server(block_device_mapping_v2=[root, {"source_type": "volume", "destination_type": "volume", **values}])


def boots_from(**values: Any) -> dict[str, Any]:
    return server(imageRef=None, block_device_mapping_v2=[{"boot_index": 0, **values}])


INVALID = "Block Device Mapping is Invalid: "
FIELD = "Invalid input for field/attribute "
NETWORKED = [  # body, status, message ("…" stands for anything)
    (server(imageRef="{nobody}"), 400, "Can not find requested image"),
    (server(imageRef="{foreign}"), 400, "Can not find requested image"),
    (server(imageRef="{queued}"), 400, "Image {queued} is not active."),
    (server(imageRef="{off}"), 400, "Image {off} is not active."),
    (server(imageRef="{hungry}"), 400, "Flavor's memory is too small for requested image."),
    (server(imageRef="{wide}"), 400, "Flavor's disk is smaller than the minimum size specified in image metadata. …"),
    (server(imageRef="{odd}"), 400, "Image's config drive option 'sometimes' is invalid"),
    (server(imageRef="{encrypted}"), 400, "Image {encrypted} is unacceptable: …"),
    (server(imageRef=""), 400, "Missing imageRef attribute"),
    (server(imageRef=None), 400, "Missing imageRef attribute"),
    (server(flavorRef="none"), 400, "Flavor none could not be found."),
    (server(flavorRef="secret"), 400, "Flavor secret could not be found."),
    (server(flavorRef="off"), 400, "Flavor …"),
    (server(flavorRef="diskless"), 403, "Only volume-backed servers are allowed for flavors with zero disk."),
    (server(flavorRef="huge"), 403, "Quota exceeded for cores, ram: Requested 21, 60000, but already used 0, 0 of 20, 51200 cores, ram"),
    (server(min_count=11), 403, "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances"),
    (server(min_count=11, max_count=12), 403, "Quota exceeded for instances: Requested 11-12, but already used 0 of 10 instances"),
    (server(min_count=3, max_count=2), 400, "min_count must be <= max_count"),
    (server(key_name="hers"), 400, "Invalid key_name provided."),
    (server(user_data="abc"), 400, "User data needs to be valid base 64."),
    (server(availability_zone="mars"), 400, "The requested availability zone is not available"),
    (server(availability_zone="a:b:c:d"), 400, "Invalid input received: Unable to parse availability_zone"),
    (server(networks=[{"uuid": "{nobody}"}]), 400, "Network {nobody} could not be found."),
    (server(networks=[{"uuid": "{bare}"}]), 400, "Network {bare} requires a subnet in order to boot instances on."),
    (server(networks=[{"uuid": "{public}"}]), 403, "It is not allowed to create an interface on external network {public}"),
    (server(networks=[{"port": "{nobody}"}]), 400, "Port id {nobody} could not be found."),
    (server(networks=[{"port": "{port}"}]), 409, "Port {port} is still in use."),
    (server(networks=[{"port": "{port}"}] * 2), 400, "Port ID '{port}' was specified twice: you cannot attach a port multiple times."),
    (server(networks=[{"port": "{port}", "fixed_ip": "10.0.0.9"}]), 400, "Specified Fixed IP '10.0.0.9' cannot be used with port …"),
    (server(networks=[{"uuid": "{private}", "fixed_ip": "{address}"}]), 400, "Fixed IP address {address} is already in use on …"),
    (server(networks=[{}]), 400, "Bad network format: missing 'uuid'"),
    (server(networks="auto"), 409, "Multiple possible networks found, use a Network ID to be more specific."),
    (server(networks=[{"uuid": "{private}", "fixed_ip": "10.0.0.9"}], min_count=2), 400, "Failed to launch instances: max_count …"),
    (server(networks=[{"port": "{port}"}], min_count=2), 400, "Failed to launch instances: Unable to launch multiple instances …"),
    (server(hostname="guest", min_count=2), 400, "Unable to allocate a single hostname to multiple instances"),
    (server(security_groups=[{"name": "nothing"}]), 400, "Unable to find security_group with name or id 'nothing'"),
    (volume(uuid="{nobody}"), 400, "Volume {nobody} could not be found."),
    (volume(uuid="{hers}"), 400, "Volume {hers} could not be found."),
    (volume(uuid="{taken}"), 400, "Invalid volume: volume '{taken}' status must be 'available'. Currently in 'in-use' status"),
    (volume(uuid="{broken}"), 400, "Invalid volume: volume '{broken}' status must be 'available'. Currently in 'error' status"),
    (volume(), 400, INVALID + "Missing device UUID."),
    (volume(uuid="{data}", volume_type="__DEFAULT__"), 400, INVALID + "Specifying volume type to existing volume is not supported."),
    (volume(uuid="{data}", disk_bus="rope"), 400, "Block Device Mapping is Invalid."),
    (volume(uuid="{data}", boot_index=0), 400, INVALID + "Boot sequence for the instance and image/block device mapping …"),
    (volume(uuid="{data}", boot_index=2), 400, INVALID + "Boot sequence for the instance and image/block device mapping …"),
    (volume(uuid="{data}") | {"server": volume(uuid="{data}")["server"] | {"min_count": 2}}, 400, "Cannot attach one or more volumes …"),
    (volume(uuid="{data}", device_name="/dev/vda"), 400, "The volume cannot be assigned the same device name as the root device vda"),
    (boots_from(source_type="volume", uuid="{nobody}"), 400, INVALID + "failed to get volume {nobody}."),
    (boots_from(source_type="volume", uuid="{data}"), 400, "Block Device {data} is not bootable."),
    (boots_from(source_type="image", destination_type="volume", uuid="{nobody}"), 400, INVALID + "failed to get image {nobody}."),
    (boots_from(source_type="image", destination_type="volume", uuid="{image}"), 400, "Images with destination_type 'volume' need …"),
    (boots_from(source_type="image", destination_type="local", uuid="{image}"), 400, INVALID + "Mapping image to local is not …"),
    (boots_from(source_type="snapshot", uuid="{nobody}"), 400, INVALID + "failed to get snapshot {nobody}."),
    (boots_from(source_type="blank", uuid="{nobody}"), 400, INVALID + "Invalid device UUID."),
    (boots_from(source_type="blank", destination_type="volume"), 400, "Blank volumes (source: 'blank', dest: 'volume') need …"),
    (boots_from(source_type="blank", destination_type="volume", volume_size=1, volume_type="x"), 400, "Volume type x could not be found."),
    (boots_from(source_type="blank", volume_size=1), 400, "Ephemeral disks requested are larger than the instance type allows. …"),
    (boots_from(source_type="blank", guest_format="swap", volume_size=1), 400, "Swap drive requested is larger than instance type …"),
    (server(block_device_mapping=[{"volume_id": "{data}"}], block_device_mapping_v2=[{"source_type": "blank"}]), 400, "Using different …"),
    (server(block_device_mapping=[{"device_name": "vdb"}]), 400, INVALID + "Unrecognized legacy format."),
    (server() | {"os:scheduler_hints": {"group": "{nobody}"}}, 400, "Instance group {nobody} could not be found."),
    (server() | {"os:scheduler_hints": {"group": "{group}"}}, 400, "Instance group {group} could not be found."),
    (server(metadata={str(n): "x" for n in range(129)}), 403, "Maximum number of metadata items exceeds 128"),
    (server(imageRef=None, trusted_image_certificates=["c"], block_device_mapping_v2=[{"source_type": "blank", "volume_size": 1}]), 400,
     "Image certificate validation is not supported when booting from volume"),
]  # fmt: skip
CLOSED = [  # what the schema refuses
    (server(name=None), 400, "…'name' is a required property"),
    (server(flavorRef=None), 400, "…'flavorRef' is a required property"),
    (server(networks=None), 400, "…'networks' is a required property"),
    (server(name=""), 400, FIELD + "name. Value: . …"),
    (server(name=" spaced"), 400, "An invalid 'name' value was provided. The name must be: printable characters. …"),
    (server(name="x" * 256), 400, FIELD + "name. Value: …"),
    (server(imageRef="cirros"), 400, FIELD + "imageRef. Value: cirros. …"),
    (server(networks="some"), 400, FIELD + "networks. Value: some. …"),
    (server(networks=[{"uuid": "x"}]), 400, FIELD + "networks. …"),
    (server(min_count=0), 400, FIELD + "min_count. Value: 0. 0 is less than the minimum of 1"),
    (server(min_count="many"), 400, FIELD + "min_count. Value: many. 'many' does not match '^[0-9]*$'"),
    (server(config_drive="perhaps"), 400, FIELD + "config_drive. Value: perhaps. …"),
    (server(accessIPv4="10.0.0"), 400, FIELD + "accessIPv4. Value: 10.0.0. '10.0.0' is not a 'ipv4'"),
    (server(metadata={"a/b": "c"}), 400, FIELD + "metadata. …"),
    (server(metadata={"a": 1}), 400, FIELD + "a. Value: 1. 1 is not of type 'string'"),
    (server(tags=["a,b"]), 400, FIELD + "0. Value: a,b. 'a,b' does not match '^[^,/]*$'"),
    (server(tags=[str(n) for n in range(51)]), 400, FIELD + "tags. …"),
    (server(user_data="x" * 65536), 400, FIELD + "user_data. …"),
    (server(personality=[]), 400, FIELD + "server. …"),
    (server(rubbish=1), 400, FIELD + "server. …"),
    (server(hostname="two words"), 400, FIELD + "hostname. Value: two words. …"),
    (server(trusted_image_certificates=[]), 400, FIELD + "trusted_image_certificates. …"),
    (server() | {"os:scheduler_hints": {"group": "x"}}, 400, FIELD + "group. Value: x. …"),
    (server(block_device_mapping_v2=[{"source_type": "tape"}]), 400, FIELD + "source_type. Value: tape. …"),
    (server(block_device_mapping_v2=[{"source_type": "blank", "volume_size": 0}]), 400, FIELD + "volume_size. Value: 0. …"),
    ({"name": "one"}, 400, "…"),
]
OLD = [  # at the version before something began
    (server(description="x"), "2.18"),
    (server(networks="auto"), "2.36"),
    (server(tags=["x"]), "2.51"),
    (server(trusted_image_certificates=["x"]), "2.62"),
    (server(host="compute1"), "2.73"),
    (server(hostname="guest"), "2.89"),
    (server(hostname="guest.example.org"), "2.93"),
    (server(networks=[{"uuid": "{private}", "tag": "x"}]), "2.31"),
    (server(networks=[{"uuid": "{private}", "tag": "x"}]), "2.41"),
    (volume(uuid="{data}", tag="x"), "2.33"),
    (boots_from(source_type="blank", destination_type="volume", volume_size=1, volume_type="x"), "2.66"),
]


@pytest.mark.parametrize(("body", "status", "message"), NETWORKED + CLOSED)
async def test_a_launch_is_refused_with_novas_sentence_and_leaves_nothing(world: World, body: Any, status: int, message: str) -> None:
    before = await world.left()
    answer = await world.user("member").post("nova", "/v2.1/servers", json=world.filled(body), version=LATEST)
    got, name, said = refusal(answer)
    assert (got, name) == (status, {400: "badRequest", 403: "forbidden", 409: "conflictingRequest"}[status])
    expected = world.filled(message)
    begin, middle, end = expected.partition("…")
    assert said.startswith(begin) and said.endswith(end) if middle else said == expected
    assert await world.left() == before


@pytest.mark.parametrize(("body", "version"), OLD)
async def test_a_version_refuses_what_began_after_it(world: World, body: Any, version: str) -> None:
    before = await world.left()
    answer = await world.user("member").post("nova", "/v2.1/servers", json=world.filled(body), version=version)
    assert refusal(answer)[:2] == (400, "badRequest")
    assert await world.left() == before


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"availability_zone": "nova:compute1"}, "os_compute_api:servers:create:forced_host"),
        ({"availability_zone": "nova:compute1:compute1"}, "os_compute_api:servers:create:forced_host"),
        ({"host": "compute1"}, "compute:servers:create:requested_destination"),
        ({"hypervisor_hostname": "compute1"}, "compute:servers:create:requested_destination"),
    ],
)
async def test_only_administrators_choose_a_host(world: World, values: Any, rule: str) -> None:
    answer = await world.user("member").post("nova", "/v2.1/servers", json=world.filled(server(**values)), version=LATEST)
    assert refusal(answer) == (403, "forbidden", f"Policy doesn't allow {rule} to be performed.")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"host": "nowhere"}, "Compute host nowhere could not be found."),
        ({"hypervisor_hostname": "nowhere"}, "Compute host nowhere could not be found."),
        ({"host": "compute1", "availability_zone": "nova:compute1"}, "One mechanism with host and/or hypervisor_hostname and another …"),
    ],
)
async def test_a_host_that_is_asked_for_must_be_there(world: World, values: Any, message: str) -> None:
    body = world.filled(server(networks="none", **values))
    status, name, said = refusal(await world.user("admin").post("nova", "/v2.1/servers", json=body, version=LATEST))
    assert (status, name) == (400, "badRequest")
    assert said.startswith(message.rstrip("…"))


async def test_readers_launch_nothing_and_a_bad_token_is_met_first(world: World) -> None:
    body = world.filled(server())
    answer = await world.user("reader").post("nova", "/v2.1/servers", json=body, version=LATEST)
    assert refusal(answer) == (403, "forbidden", "Policy doesn't allow os_compute_api:servers:create to be performed.")
    answer = await world.user("nobody").post("nova", "/v2.1/servers", json={}, headers={"X-Auth-Token": "wrong"})
    assert answer.status == 401


async def test_a_volume_for_many_servers_is_known_from_2_60_on(world: World) -> None:
    world.change_volume("data", multiattach=True)
    answer = await world.user("member").post("nova", "/v2.1/servers", json=world.filled(volume(uuid="{data}")), version="2.59")
    world.change_volume("data", multiattach=False)
    assert refusal(answer)[2] == "Multiattach volumes are only supported starting with compute API version 2.60."
