"""What users do to servers, from nova-api to the computes and back."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.cloud import Cloud
from mockcloud.settings import default_hosts
from mockcloud.testing.client import Client, client
from tests.conftest import MakeCloud

LATEST = "2.104"


class User:
    """One user's servers, followed until nothing is done to them any more."""

    def __init__(self, cloud: Cloud, who: str = "member") -> None:
        self.cloud, self.rest = cloud, client(cloud, who)

    async def named(self, service: str, path: str, kind: str, name: str) -> str:
        found = (await self.rest.get(service, path, params={"name": name})).json()[kind]
        return str(next(one["id"] for one in found if one["name"] == name))

    async def boot(self, **values: Any) -> str:
        image = await self.named("glance", "/v2/images", "images", "cirros")
        network = await self.named("neutron", "/v2.0/networks", "networks", "private")
        body = {"name": "s", "flavorRef": "1", "imageRef": image, "networks": [{"uuid": network}], **values}
        answer = await self.rest.post("nova", "/v2.1/servers", json={"server": body}, version=LATEST)
        assert answer.status == 202, answer.content
        server = str(answer.json()["server"]["id"])
        assert (await self.settled(server))["status"] == "ACTIVE"
        return server

    async def show(self, server: str) -> dict[str, Any]:
        answer = await self.rest.get("nova", f"/v2.1/servers/{server}", version=LATEST)
        assert answer.status == 200, answer.content
        found: dict[str, Any] = answer.json()["server"]
        return found

    async def settled(self, server: str) -> dict[str, Any]:
        for _ in range(2000):
            found = await self.show(server)
            if found["OS-EXT-STS:task_state"] is None and found["status"] != "BUILD":
                return found
            await self.cloud.clock.sleep(0)
        raise AssertionError(f"server {server} is still {found['OS-EXT-STS:task_state']}")

    async def soon(self, service: str, path: str, kind: str, count: int) -> list[dict[str, Any]]:
        """A list once it has `count` members."""
        for _ in range(2000):
            found: list[dict[str, Any]] = (await self.rest.get(service, path, version=LATEST)).json()[kind]
            if len(found) == count:
                return found
            await self.cloud.clock.sleep(0)
        raise AssertionError(f"{path} still has {len(found)} {kind}")

    async def act(self, server: str, action: str, body: Any = None, status: int = 202) -> Response:
        answer = await self.rest.post("nova", f"/v2.1/servers/{server}/action", json={action: body}, version=LATEST)
        assert answer.status == status, answer.content
        return answer

    async def status_after(self, server: str, action: str, body: Any = None, status: int = 202) -> str:
        await self.act(server, action, body, status)
        return str((await self.settled(server))["status"])

    async def until(self, service: str, path: str, kind: str, status: str) -> dict[str, Any]:
        for _ in range(2000):
            found: dict[str, Any] = (await self.rest.get(service, path)).json()
            found = found.get(kind, found)
            if found["status"] == status:
                return found
            await self.cloud.clock.sleep(0)
        raise AssertionError(f"{path} is still {found['status']}")

    async def events(self, server: str) -> list[tuple[str, str, str]]:
        """(action, event, result), oldest first."""
        path = f"/v2.1/servers/{server}/os-instance-actions"
        actions = (await self.rest.get("nova", path, version=LATEST)).json()["instanceActions"]
        found = []
        for action in reversed(actions):
            shown = (await self.rest.get("nova", f"{path}/{action['request_id']}", version=LATEST)).json()["instanceAction"]
            found += [(action["action"], event["event"], event["result"]) for event in reversed(shown["events"])]
        return found


@pytest.fixture
def user(cloud: Cloud) -> User:
    return User(cloud)


@pytest.fixture
def rest(user: User) -> Client:
    return user.rest


async def test_power_and_run_states_go_there_and_back(user: User) -> None:
    server = await user.boot()
    for action, body, status in (
        ("os-stop", None, "SHUTOFF"), ("os-start", None, "ACTIVE"), ("reboot", {"type": "SOFT"}, "ACTIVE"),
        ("reboot", {"type": "HARD"}, "ACTIVE"), ("pause", None, "PAUSED"), ("unpause", None, "ACTIVE"),
        ("suspend", None, "SUSPENDED"), ("resume", None, "ACTIVE"), ("changePassword", {"adminPass": "x"}, "ACTIVE"),
    ):  # fmt: skip
        assert (action, await user.status_after(server, action, body)) == (action, status)
    await user.act(server, "rescue", None, 200)
    assert (await user.settled(server))["status"] == "RESCUE"
    assert await user.status_after(server, "unrescue") == "ACTIVE"
    events = await user.events(server)
    assert ("stop", "compute_stop_instance", "Success") in events
    assert {result for _, _, result in events[:-1]} == {"Success"}  # the last one may be ending just now


async def test_a_lock_holds_until_it_is_taken_away(user: User) -> None:
    server = await user.boot()
    await user.act(server, "lock", {"locked_reason": "busy"})
    await user.act(server, "os-stop", None, 409)
    shown = await user.show(server)
    assert (shown["locked"], shown["locked_reason"]) == (True, "busy")
    await user.act(server, "unlock")
    assert await user.status_after(server, "os-stop") == "SHUTOFF"


async def test_the_console_says_something(user: User) -> None:
    server = await user.boot()
    whole = (await user.act(server, "os-getConsoleOutput", {}, 200)).json()["output"]
    assert whole
    last = (await user.act(server, "os-getConsoleOutput", {"length": 1}, 200)).json()["output"]
    assert whole.endswith(last)


async def test_a_rebuild_keeps_the_address_and_changes_the_name(user: User) -> None:
    server = await user.boot()
    before = await user.show(server)
    image = before["image"]["id"]
    answer = await user.act(server, "rebuild", {"imageRef": image, "name": "again", "metadata": {"a": "b"}})
    assert answer.json()["server"]["status"] == "REBUILD"
    after = await user.settled(server)
    assert (after["status"], after["name"], after["metadata"]) == ("ACTIVE", "again", {"a": "b"})
    assert after["addresses"] == before["addresses"]


async def _allocated(user: User, server: str) -> dict[str, int]:
    admin = client(user.cloud, "admin")
    found = (await admin.get("placement", f"/allocations/{server}", version="1.36")).json()["allocations"]
    totals: dict[str, int] = {}
    for part in found.values():
        for name, amount in part["resources"].items():
            totals[name] = totals.get(name, 0) + amount
    return totals


@pytest.mark.parametrize(("action", "status", "ram"), [("confirmResize", 204, 2048), ("revertResize", 202, 512)])
async def test_a_resize_is_confirmed_or_reverted(user: User, action: str, status: int, ram: int) -> None:
    server = await user.boot()
    assert await user.status_after(server, "resize", {"flavorRef": "2"}) == "VERIFY_RESIZE"
    assert (await user.show(server))["flavor"]["ram"] == 2048
    await user.act(server, action, None, status)
    for _ in range(2000):
        shown = await user.settled(server)
        if shown["status"] == "ACTIVE":
            break
        await user.cloud.clock.sleep(0)
    assert (shown["status"], shown["flavor"]["ram"]) == ("ACTIVE", ram)
    assert (await _allocated(user, server))["MEMORY_MB"] == ram
    admin = client(user.cloud, "admin")
    (migration,) = (await admin.get("nova", "/v2.1/os-migrations", version=LATEST)).json()["migrations"]
    assert (migration["status"], migration["migration_type"]) == ({"confirmResize": "confirmed"}.get(action, "reverted"), "resize")
    assert (migration["user_id"], migration["project_id"]) == (user.rest.user_id, user.rest.project_id)


async def test_a_cold_migration_ends_on_another_host(user: User) -> None:
    server = await user.boot()
    before = (await user.show(server))["hostId"]
    await User(user.cloud, "admin").act(server, "migrate")
    assert (await user.settled(server))["status"] == "VERIFY_RESIZE"
    assert (await user.show(server))["hostId"] != before


async def test_a_migration_with_nowhere_to_go_leaves_the_server_as_it_was(make_cloud: MakeCloud) -> None:
    user = User(await make_cloud(hosts=default_hosts(1)))
    server = await user.boot()
    await User(user.cloud, "admin").act(server, "migrate")
    shown = await user.settled(server)
    assert shown["status"] == "ACTIVE"
    assert ("migrate", "Error") in [(action, result) for action, _, result in await user.events(server)]
    assert (await _allocated(user, server))["MEMORY_MB"] == 512


async def test_what_is_asked_of_a_dead_compute_is_done_when_it_is_back(user: User) -> None:
    server = await user.boot()
    admin = client(user.cloud, "admin")
    host = (await admin.get("nova", f"/v2.1/servers/{server}", version=LATEST)).json()["server"]["OS-EXT-SRV-ATTR:host"]
    await user.cloud.workers[host].kill()
    await user.act(server, "os-stop")
    assert (await user.show(server))["OS-EXT-STS:task_state"] == "powering-off"
    await user.cloud.workers[host].start()
    assert (await user.settled(server))["status"] == "SHUTOFF"


async def test_a_snapshot_becomes_an_image_that_boots(user: User, rest: Client) -> None:
    server = await user.boot()
    image_id = (await user.act(server, "createImage", {"name": "shot"})).json()["image_id"]
    image = await user.until("glance", f"/v2/images/{image_id}", "image", "active")
    assert (image["image_type"], image["instance_uuid"]) == ("snapshot", server)
    assert (await user.settled(server))["status"] == "ACTIVE"
    copy = await user.boot(imageRef=image_id)
    assert (await user.show(copy))["image"]["id"] == image_id


async def test_a_volume_is_attached_and_detached(user: User, rest: Client) -> None:
    server = await user.boot()
    made = await rest.post("cinder", "/v3/volumes", json={"volume": {"size": 1}}, version="3.44")
    volume = made.json()["volume"]["id"]
    await user.until("cinder", f"/v3/volumes/{volume}", "volume", "available")
    path = f"/v2.1/servers/{server}/os-volume_attachments"
    assert (await rest.post("nova", path, json={"volumeAttachment": {"volumeId": volume}}, version=LATEST)).status == 202
    found = await user.until("cinder", f"/v3/volumes/{volume}", "volume", "in-use")
    assert [one["server_id"] for one in found["attachments"]] == [server]
    (shown,) = await user.soon("nova", path, "volumeAttachments", 1)
    assert (shown["volumeId"], shown["device"], shown["attachment_id"]) == (volume, "/dev/vdb", found["attachments"][0]["attachment_id"])
    assert (await rest.delete("nova", f"{path}/{volume}", version=LATEST)).status == 202
    await user.until("cinder", f"/v3/volumes/{volume}", "volume", "available")
    await user.soon("nova", path, "volumeAttachments", 0)


async def test_a_port_is_attached_and_detached(user: User, rest: Client) -> None:
    server = await user.boot()
    network = await user.named("neutron", "/v2.0/networks", "networks", "private")
    path = f"/v2.1/servers/{server}/os-interface"
    answer = await rest.post("nova", path, json={"interfaceAttachment": {"net_id": network, "tag": "second"}}, version=LATEST)
    assert answer.status == 200, answer.content
    port = answer.json()["interfaceAttachment"]
    assert (port["net_id"], port["tag"]) == (network, "second")
    assert len((await rest.get("nova", f"/v2.1/servers/{server}/ips", version=LATEST)).json()["addresses"]["private"]) == 2
    assert (await rest.delete("nova", f"{path}/{port['port_id']}", version=LATEST)).status == 202
    (left,) = await user.soon("nova", path, "interfaceAttachments", 1)
    assert left["port_id"] != port["port_id"]


@pytest.mark.parametrize("body", [{"net_id": "11111111-1111-4111-8111-111111111111"}, {"port_id": "11111111-1111-4111-8111-111111111111"}])
async def test_a_network_or_port_that_is_not_there_is_refused_and_leaves_nothing(user: User, rest: Client, body: Any) -> None:
    server = await user.boot()
    answer = await rest.post("nova", f"/v2.1/servers/{server}/os-interface", json={"interfaceAttachment": body}, version=LATEST)
    assert answer.status in (400, 404)
    assert len((await rest.get("nova", f"/v2.1/servers/{server}/os-interface", version=LATEST)).json()["interfaceAttachments"]) == 1


async def test_diagnostics_are_an_administrators(user: User) -> None:
    server = await user.boot()
    answer = await client(user.cloud, "admin").get("nova", f"/v2.1/servers/{server}/diagnostics", version=LATEST)
    assert (answer.status, answer.json()["state"], answer.json()["num_cpus"]) == (200, "running", 1)


async def test_a_snapshot_of_a_server_on_a_volume_boots_a_copy_of_the_volume(user: User, rest: Client) -> None:
    image = await user.named("glance", "/v2/images", "images", "cirros")
    disk = {"uuid": image, "source_type": "image", "destination_type": "volume", "boot_index": 0, "volume_size": 1}
    server = await user.boot(imageRef="", block_device_mapping_v2=[disk])
    image_id = (await user.act(server, "createImage", {"name": "shot"})).json()["image_id"]
    made: dict[str, Any] = (await rest.get("glance", f"/v2/images/{image_id}")).json()
    assert (made["status"], made["bdm_v2"]) == ("active", "True")
    assert len((await rest.get("cinder", "/v3/snapshots")).json()["snapshots"]) == 1


async def test_a_port_of_the_users_own_outlives_its_server(user: User, rest: Client) -> None:
    network = await user.named("neutron", "/v2.0/networks", "networks", "private")
    ports = []
    for _ in range(2):
        made = await rest.post("neutron", "/v2.0/ports", json={"port": {"network_id": network}})
        ports.append(str(made.json()["port"]["id"]))
    server = await user.boot()
    path = f"/v2.1/servers/{server}/os-interface"
    for port in ports:
        answer = await rest.post("nova", path, json={"interfaceAttachment": {"port_id": port}}, version=LATEST)
        assert answer.status == 200, answer.content
    assert (await rest.delete("nova", f"{path}/{ports[0]}", version=LATEST)).status == 202
    await user.soon("nova", path, "interfaceAttachments", 2)
    assert (await rest.delete("nova", f"/v2.1/servers/{server}", version=LATEST)).status == 204
    await user.soon("nova", "/v2.1/servers", "servers", 0)
    for port in ports:
        left = (await rest.get("neutron", f"/v2.0/ports/{port}")).json()["port"]
        assert (left["device_id"], left["device_owner"]) == ("", "")
