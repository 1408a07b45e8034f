"""Resizes and cold migrations: what is asked of the scheduler, and how they are confirmed or reverted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.nova import tables
from tests.mockcloud.nova.conftest import TINY, Yard, refusal


def _migration(yard: Yard, server: str, status: str = "finished", **values: Any) -> int:
    row = {"source_compute": "compute1", "dest_compute": "compute1", "migration_type": "resize", "status": status, **values}
    with yard.db.transaction() as tx:
        made: int = tx.insert(tables.migrations, uuid=str(uuid.uuid4()), created_at=yard.cloud.clock.now(), instance_uuid=server, **row)
    return made


def _status(yard: Yard, migration: int) -> str:
    return str(yard.db.scalar(select(tables.migrations.c.status).where(tables.migrations.c.id == migration)))


async def test_a_resize_is_asked_of_the_scheduler(yard: Yard) -> None:
    server = yard.server(scheduler_hints={"a": "b"})
    answer = await yard.act(server, "resize", {"flavorRef": "2", "OS-DCF:diskConfig": "AUTO"})
    assert (answer.status, answer.content) == (202, b"")
    row = yard.row(server)
    assert (row["task_state"], row["disk_config"], yard.actions(server)) == ("resize_prep", "AUTO", ["resize"])
    await yard.heard()
    ((method, args),) = yard.scheduler.heard
    assert (method, args["instance"]["uuid"], args["instance_type"]["name"]) == ("prep_resize", server, "m1.small")
    assert args["filter_properties"] == {"scheduler_hints": {"a": "b"}, "ignore_hosts": []}
    assert (args["request_spec"]["instance_uuids"], args["image"]["id"]) == ([server], yard.image)


@pytest.mark.parametrize(
    ("flavor", "message"),
    [("1", "When resizing, instances must change flavor!"), ("none", "Flavor none could not be found.")],
)
async def test_a_flavor_that_will_not_do_is_refused(yard: Yard, flavor: str, message: str) -> None:
    server = yard.server()
    assert refusal(await yard.act(server, "resize", {"flavorRef": flavor})) == (400, "badRequest", message)
    assert (yard.row(server)["task_state"], yard.actions(server)) == (None, [])


async def test_only_a_server_on_a_volume_goes_without_a_disk(yard: Yard) -> None:
    with yard.db.transaction() as tx:
        tx.insert(tables.flavors, created_at=yard.cloud.clock.now(), flavorid="0", name="diskless", vcpus=1, memory_mb=512, root_gb=0)
    message = "Server disk was unable to be resized because: Resize to zero disk flavor is not allowed."
    assert refusal(await yard.act(yard.server(), "resize", {"flavorRef": "0"})) == (400, "badRequest", message)
    assert (await yard.act(yard.server(image_ref=""), "resize", {"flavorRef": "0"})).status == 202


async def test_an_image_that_needs_more_memory_is_refused(yard: Yard) -> None:
    member = yard.user("member")
    image = (await member.post("glance", "/v2/images", json={"name": "big", "min_ram": 4096})).json()["id"]
    server = yard.server(image_ref=image)
    answer = await yard.act(server, "resize", {"flavorRef": "2"})
    assert refusal(answer) == (400, "badRequest", "Flavor's memory is too small for requested image.")


async def test_more_than_the_quota_is_refused(yard: Yard) -> None:
    project = yard.user("member").project_id
    with yard.db.transaction() as tx:
        tx.insert(tables.quotas, project_id=project, resource="ram", hard_limit=4096)
    server = yard.server()
    message = "Quota exceeded for ram: Requested 15872, but already used 512 of 4096 ram"
    assert refusal(await yard.act(server, "resize", {"flavorRef": "5"})) == (403, "forbidden", message)
    assert yard.row(server)["task_state"] is None


async def test_a_server_whose_compute_is_down_stays(yard: Yard) -> None:
    message = "Service is unavailable at this time."
    for action, body, who in (("resize", {"flavorRef": "2"}, "member"), ("migrate", None, "admin")):
        answer = await yard.act(yard.server(host="nowhere"), action, body, who=who)
        assert refusal(answer) == (409, "conflictingRequest", message)


async def test_administrators_migrate_within_the_flavor_to_a_host_of_their_choice(yard: Yard) -> None:
    server = yard.server()
    assert refusal(await yard.act(server, "migrate", None))[0] == 403
    assert (await yard.act(server, "migrate", {"host": "compute2"}, who="admin")).status == 202
    await yard.heard()
    ((_, args),) = yard.scheduler.heard
    assert args["filter_properties"]["requested_destination"] == {"host": "compute2", "node": ""}
    assert (args["instance_type"], yard.actions(server)) == (TINY, ["migrate"])


@pytest.mark.parametrize(
    ("host", "message"),
    [("compute1", "Cannot migrate to the host where the server exists."), ("x", "Compute host x could not be found.")],
)
async def test_a_destination_that_will_not_do_is_refused(yard: Yard, host: str, message: str) -> None:
    assert refusal(await yard.act(yard.server(), "migrate", {"host": host}, who="admin")) == (400, "badRequest", message)


async def test_before_2_56_a_migration_takes_anything(yard: Yard) -> None:
    assert (await yard.act(yard.server(), "migrate", {"host": "compute1"}, who="admin", version="2.55")).status == 202


@pytest.mark.parametrize(
    ("action", "status", "marked", "method", "task"),
    [("confirmResize", 204, "confirming", "confirm_resize", None), ("revertResize", 202, "reverting", "revert_resize", "resize_reverting")],
)
async def test_a_resize_is_confirmed_at_the_source_and_reverted_at_the_destination(
    yard: Yard, action: str, status: int, marked: str, method: str, task: str | None
) -> None:
    server = yard.server(vm_state="resized")
    migration = _migration(yard, server)
    assert (await yard.act(server, action)).status == status
    assert (_status(yard, migration), yard.row(server)["task_state"], yard.actions(server)) == (marked, task, [action])
    ((heard, args),) = await yard.heard()
    assert (heard, args["migration"]["id"], args["migration"]["status"]) == (method, migration, marked)


@pytest.mark.parametrize("action", ["confirmResize", "revertResize"])
async def test_what_was_not_resized_is_neither_confirmed_nor_reverted(yard: Yard, action: str) -> None:
    server = yard.server()
    message = f"Cannot '{action}' instance {server} while it is in vm_state active"
    assert refusal(await yard.act(server, action)) == (409, "conflictingRequest", message)
    resized = yard.server(vm_state="resized")
    _migration(yard, resized, "confirmed")
    assert refusal(await yard.act(resized, action)) == (400, "badRequest", "Instance has not been resized.")
    assert (await yard.act(resized, action, who="reader")).status == 403
    assert (await yard.act(resized, action, who="stranger")).status == 404


async def test_a_source_that_is_down_cannot_confirm(yard: Yard) -> None:
    server = yard.server(vm_state="resized")
    migration = _migration(yard, server, source_compute="nowhere")
    answer = await yard.act(server, "confirmResize")
    assert refusal(answer) == (409, "conflictingRequest", "Service is unavailable at this time.")
    assert _status(yard, migration) == "finished"


BAD = [
    ("resize", {}, "Invalid input for field/attribute resize. Value: {}. 'flavorRef' is a required property"),
    ("resize", None, "Invalid input for field/attribute resize. Value: None. None is not of type 'object'"),
    ("resize", {"flavorRef": "2", "OS-DCF:diskConfig": "auto"},
     "Invalid input for field/attribute OS-DCF:diskConfig. Value: auto. 'auto' is not one of ['AUTO', 'MANUAL']"),
    ("migrate", {"host": "a b"}, "Invalid input for field/attribute host. Value: a b. 'a b' does not match '^[a-zA-Z0-9-._]*$'"),
    ("migrate", {"to": "x"}, "Invalid input for field/attribute migrate. Value: {'to': 'x'}. "
     "Additional properties are not allowed ('to' was unexpected)"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "body", "message"), BAD)
async def test_bad_bodies_are_refused(yard: Yard, action: str, body: Any, message: str) -> None:
    server = yard.server()
    assert refusal(await yard.act(server, action, body, who="admin")) == (400, "badRequest", message)
    assert yard.row(server)["task_state"] is None


@pytest.mark.parametrize(("action", "body"), [("resize", {"flavorRef": "2"}), ("migrate", None)])
async def test_readers_and_strangers_move_nothing(yard: Yard, action: str, body: Any) -> None:
    server = yard.server()
    assert (await yard.act(server, action, body, who="reader")).status == 403
    assert (await yard.act(server, action, body, who="stranger")).status == 404
