"""Services: up or down, enabled or not, and gone."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from mockcloud.cloud import Cloud
from mockcloud.nova.tables import compute_nodes, instances, migrations, services
from mockcloud.testing.client import client
from tests.mockcloud.nova.nova_user import Nova, refusal

PATH = "/os-services"


async def _compute(admin: Nova, host: str = "compute1", version: str = "2.104") -> Any:
    (found,) = (await admin.get(f"{PATH}?host={host}&binary=nova-compute", version))["services"]
    return found


@pytest.fixture
def scheduler(nova_cloud: Cloud) -> str:
    """The uuid of a service that is no compute."""
    now, id = nova_cloud.clock.now(), str(uuid.uuid4())
    with nova_cloud.services["nova"].db.transaction() as tx:
        values = {"host": "ctl", "binary": "nova-consoleauth", "topic": "consoleauth"}
        tx.insert(services, uuid=id, created_at=now, last_seen_up=now, **values)
    return id


@pytest.mark.parametrize(
    ("version", "id_type", "forced"),
    [("2.1", int, False), ("2.10", int, False), ("2.11", int, True), ("2.52", int, True), ("2.53", str, True)],
)
async def test_a_service_has_what_its_version_knows(admin: Nova, version: str, id_type: type, forced: bool) -> None:
    found = await _compute(admin, version=version)
    assert isinstance(found["id"], id_type)
    assert ("forced_down" in found) is forced
    assert (found["state"], found["status"], found["zone"], found["disabled_reason"]) == ("up", "enabled", "nova", None)


async def test_services_are_chosen_by_host_and_binary(admin: Nova, scheduler: str) -> None:
    everything = (await admin.get(PATH))["services"]
    assert {"compute1", "compute2", "compute3", "ctl"} <= {found["host"] for found in everything}
    assert [found["zone"] for found in everything if found["id"] == scheduler] == ["internal"]
    assert {found["binary"] for found in (await admin.get(f"{PATH}?binary=nova-compute"))["services"]} == {"nova-compute"}
    assert (await admin.get(f"{PATH}?host=nowhere"))["services"] == []


async def test_a_service_without_a_heartbeat_is_down(admin: Nova, nova_cloud: Cloud) -> None:
    with nova_cloud.services["nova"].db.transaction() as tx:
        long_ago = nova_cloud.clock.now() - timedelta(seconds=61)
        tx.execute(update(services).where(services.c.host == "compute1").values(last_seen_up=long_ago))
    assert (await _compute(admin))["state"] == "down"


async def test_a_compute_is_disabled_with_a_reason_and_enabled_again(admin: Nova) -> None:
    path = f"{PATH}/{(await _compute(admin))['id']}"
    answer = await admin.request("PUT", path, {"status": "disabled", "disabled_reason": "repair"})
    assert (answer.status, answer.json()["service"]["status"], answer.json()["service"]["disabled_reason"]) == (200, "disabled", "repair")
    assert (await _compute(admin))["disabled_reason"] == "repair"
    shown = (await admin.request("PUT", path, {"status": "enabled"})).json()["service"]
    assert (shown["status"], shown["disabled_reason"]) == ("enabled", None)
    assert (await admin.request("PUT", path, {"forced_down": True})).json()["service"]["state"] == "down"
    assert (await admin.request("PUT", path, {"forced_down": "false"})).json()["service"]["state"] == "up"


async def test_until_2_52_the_path_says_what_to_do(admin: Nova) -> None:
    who = {"host": "compute1", "binary": "nova-compute"}
    for action, extra, shown in (
        ("disable", {}, {"status": "disabled"}),
        ("enable", {}, {"status": "enabled"}),
        ("disable-log-reason", {"disabled_reason": "why"}, {"status": "disabled", "disabled_reason": "why"}),
        ("force-down", {"forced_down": True}, {"forced_down": True}),
        ("force-down", {"forced_down": "off"}, {"forced_down": False}),
    ):
        answer = await admin.request("PUT", f"{PATH}/{action}", who | extra, "2.52")
        assert answer.json() == {"service": who | shown}
    found = await _compute(admin)
    assert (found["status"], found["disabled_reason"], found["state"]) == ("disabled", "why", "up")


@pytest.mark.parametrize(
    ("version", "action", "values", "status", "message"),
    [
        ("2.52", "dance", {}, 404, "Unknown action"),
        ("2.10", "force-down", {}, 404, "Unknown action"),
        ("2.10", "enable", {"forced_down": True}, 400, "('forced_down' was unexpected)"),
        ("2.52", "force-down", {}, 400, "Missing forced_down field"),
        ("2.52", "disable-log-reason", {}, 400, "Missing disabled reason field"),
        ("2.52", "enable", {"host": "nowhere"}, 404, "Host 'nowhere' is not mapped to any cell"),
        ("2.52", "enable", {"binary": "nova-scheduler"}, 400, "Updating a nova-scheduler service is not supported."),
        ("2.52", "enable", {"binary": ""}, 400, "should be non-empty"),
        ("2.52", "disable-log-reason", {"disabled_reason": ""}, 400, "should be non-empty"),
        ("2.53", "enable", {}, 400, "Additional properties are not allowed"),
    ],
)
async def test_an_old_action_that_cannot_be_is_refused(
    admin: Nova, version: str, action: str, values: dict[str, Any], status: int, message: str
) -> None:
    body = {"host": "compute1", "binary": "nova-compute", **values}
    found, said = refusal(await admin.request("PUT", f"{PATH}/{action}", body, version))
    assert found == status
    assert message in said


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "No updates were requested. Fields 'status' or 'forced_down' should be specified."),
        ({"disabled_reason": "x"}, "No updates were requested. Fields 'status' or 'forced_down' should be specified."),
        ({"status": "enabled", "disabled_reason": "x"}, "Specifying 'disabled_reason' with status 'enabled' is invalid."),
        ({"status": "resting"}, "'resting' is not one of ['enabled', 'disabled']"),
        ({"forced_down": "maybe"}, "'maybe' is not one of"),
        ({"host": "compute1"}, "('host' was unexpected)"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(admin: Nova, body: dict[str, Any], message: str) -> None:
    before = await _compute(admin)
    status, said = refusal(await admin.request("PUT", f"{PATH}/{before['id']}", body))
    assert status == 400
    assert message in said
    after = await _compute(admin)
    assert (after["status"], after["forced_down"], after["disabled_reason"]) == ("enabled", False, None)


async def test_only_computes_change(admin: Nova, scheduler: str) -> None:
    message = "Updating a nova-consoleauth service is not supported. Only nova-compute services can be updated."
    assert refusal(await admin.request("PUT", f"{PATH}/{scheduler}", {"status": "disabled"})) == (400, message)
    missing = str(uuid.uuid4())
    assert refusal(await admin.request("PUT", f"{PATH}/{missing}", {"status": "disabled"})) == (
        404,
        f"Service {missing} could not be found.",
    )
    assert refusal(await admin.request("PUT", f"{PATH}/1", {"status": "disabled"})) == (400, "Invalid uuid 1")


async def test_a_host_is_not_forced_up_over_finished_evacuations(admin: Nova, nova_cloud: Cloud) -> None:
    with nova_cloud.services["nova"].db.transaction() as tx:
        values = {"instance_uuid": "i", "source_compute": "compute1", "status": "done", "migration_type": "evacuation"}
        tx.insert(migrations, uuid=str(uuid.uuid4()), created_at=nova_cloud.clock.now(), **values)
    path = f"{PATH}/{(await _compute(admin))['id']}"
    status, said = refusal(await admin.request("PUT", path, {"forced_down": False}))
    assert (status, said.split(" as ")[0]) == (400, "Unable to force up host compute1")
    body = {"host": "compute1", "binary": "nova-compute", "forced_down": False}
    assert (await admin.request("PUT", f"{PATH}/force-down", body, "2.11")).status == 400


async def test_a_deleted_compute_leaves_aggregates_and_placement(admin: Nova, nova_cloud: Cloud) -> None:
    await admin.post("/os-aggregates", {"aggregate": {"name": "a"}})
    await admin.post("/os-aggregates/1/action", {"add_host": {"host": "compute1"}})
    found = await _compute(admin)
    await nova_cloud.workers["compute1"].kill()
    assert (await admin.request("DELETE", f"{PATH}/{found['id']}")).status == 204
    assert (await admin.get(f"{PATH}?host=compute1"))["services"] == []
    assert (await admin.get("/os-aggregates/1"))["aggregate"]["hosts"] == []
    db = nova_cloud.services["nova"].db
    assert db.all(select(compute_nodes).where(compute_nodes.c.host == "compute1")) == []
    providers = await client(nova_cloud, "admin").get("placement", "/resource_providers", version="1.36")
    assert {p["name"] for p in providers.json()["resource_providers"]} == {"compute2", "compute3"}
    assert refusal(await admin.request("DELETE", f"{PATH}/{found['id']}")) == (404, f"Service {found['id']} not found.")


async def test_a_compute_with_servers_or_moves_stays(admin: Nova, nova_cloud: Cloud) -> None:
    found, now = await _compute(admin), nova_cloud.clock.now()
    with nova_cloud.services["nova"].db.transaction() as tx:
        moving = {"instance_uuid": "i", "source_compute": "compute1", "status": "finished", "migration_type": "resize"}
        tx.insert(migrations, uuid=str(uuid.uuid4()), created_at=now, **moving)
    status, said = refusal(await admin.request("DELETE", f"{PATH}/{found['id']}"))
    assert (status, said.split(".")[0]) == (409, "Unable to delete compute service that has in-progress migrations")
    with nova_cloud.services["nova"].db.transaction() as tx:
        values = {"project_id": "p", "user_id": "u", "display_name": "s", "flavor": {}, "vcpus": 1, "memory_mb": 1, "root_gb": 1}
        tx.insert(instances, uuid=str(uuid.uuid4()), created_at=now, host="compute1", **values)
    status, said = refusal(await admin.request("DELETE", f"{PATH}/{found['id']}"))
    assert (status, said.split(".")[0]) == (409, "Unable to delete compute service that is hosting instances")
    assert (await _compute(admin))["id"] == found["id"]


async def test_a_service_is_deleted_by_number_until_2_52(admin: Nova, scheduler: str) -> None:
    number = next(s["id"] for s in (await admin.get(PATH, "2.52"))["services"] if s["host"] == "ctl")
    assert refusal(await admin.request("DELETE", f"{PATH}/x", version="2.52"))[0] == 400
    assert refusal(await admin.request("DELETE", f"{PATH}/999999", version="2.52")) == (404, "Service 999999 not found.")
    assert refusal(await admin.request("DELETE", f"{PATH}/{number}", version="2.53")) == (400, f"Invalid uuid {number}")
    assert (await admin.request("DELETE", f"{PATH}/{number}", version="2.52")).status == 204
    assert scheduler not in {s["id"] for s in (await admin.get(PATH))["services"]}


async def test_services_are_the_administrators(user: Callable[[str], Nova]) -> None:
    id = (await _compute(user("admin")))["id"]
    for who in ("member", "reader"):
        assert (await user(who).request("GET", PATH)).status == 403
        assert (await user(who).request("PUT", f"{PATH}/{id}", {"status": "disabled"})).status == 403
        assert (await user(who).request("DELETE", f"{PATH}/{id}")).status == 403
    assert (await user("admin").request("GET", f"{PATH}?x=1", version="2.74")).status == 200
    assert (await user("admin").request("GET", f"{PATH}?x=1", version="2.75")).status == 400
