"""What is done to a server's power, run state and access."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

TASKS = [  # action, body, from, task, record, method, what else is sent
    ("os-start", None, "stopped", "powering-on", "start", "start_instance", {}),
    ("os-stop", None, "active", "powering-off", "stop", "stop_instance", {}),
    ("reboot", {"type": "SOFT"}, "active", "rebooting", "reboot", "reboot_instance", {"reboot_type": "SOFT"}),
    ("reboot", {"type": "hard"}, "error", "rebooting_hard", "reboot", "reboot_instance", {"reboot_type": "HARD"}),
    ("pause", None, "active", "pausing", "pause", "pause_instance", {}),
    ("unpause", {}, "paused", "unpausing", "unpause", "unpause_instance", {}),
    ("suspend", None, "active", "suspending", "suspend", "suspend_instance", {}),
    ("resume", None, "suspended", "resuming", "resume", "resume_instance", {}),
    ("changePassword", {"adminPass": "new"}, "active", "updating_password", "changePassword", "set_admin_password", {"new_pass": "new"}),
    ("unrescue", None, "rescued", "unrescuing", "unrescue", "unrescue_instance", {}),
]
ADMIN_ACTIONS = [("os-resetState", {"state": "error"})]


@pytest.mark.parametrize(("action", "body", "state", "task", "record", "method", "sent"), TASKS)
async def test_an_action_sets_its_task_leaves_its_record_and_reaches_the_compute(
    yard: Yard, action: str, body: Any, state: str, task: str, record: str, method: str, sent: dict[str, Any]
) -> None:
    server = yard.server(vm_state=state)
    answer = await yard.act(server, action, body)
    assert (answer.status, answer.content) == (202, b"")
    assert (yard.row(server)["task_state"], yard.actions(server)) == (task, [record])
    ((heard, args),) = await yard.heard()
    assert (heard, args.pop("instance")["task_state"], args) == (method, task, sent)


@pytest.mark.parametrize(("action", "body", "record"), [(t[0], t[1], t[4]) for t in TASKS])
async def test_a_building_server_refuses_every_action_and_stays_as_it_is(yard: Yard, action: str, body: Any, record: str) -> None:
    server = yard.server(vm_state="building", task_state="spawning", launched_at=None)
    message = f"Cannot '{record}' instance {server} while it is in vm_state building"
    assert refusal(await yard.act(server, action, body)) == (409, "conflictingRequest", message)
    assert (yard.row(server)["task_state"], yard.actions(server), await yard.heard()) == ("spawning", [], [])


@pytest.mark.parametrize(("action", "body"), [(t[0], t[1]) for t in TASKS] + [("lock", None), ("rescue", None), *ADMIN_ACTIONS])
async def test_readers_are_refused_and_strangers_see_nothing(yard: Yard, action: str, body: Any) -> None:
    server = yard.server()
    assert refusal(await yard.act(server, action, body, who="reader"))[:2] == (403, "forbidden")
    status, name, message = refusal(await yard.act(server, action, body, who="stranger"))
    if (action, body) in ADMIN_ACTIONS:
        assert status == 403
    else:
        assert (status, name, message) == (404, "itemNotFound", f"Instance {server} could not be found.")
    assert yard.actions(server) == []


BAD = [
    ("reboot", {}, "Invalid input for field/attribute reboot. Value: {}. 'type' is a required property"),
    ("reboot", None, "Invalid input for field/attribute reboot. Value: None. None is not of type 'object'"),
    ("reboot", {"type": "COLD"}, "Invalid input for field/attribute type. Value: COLD. 'COLD' is not one of "
     "['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']"),
    ("changePassword", {}, "Invalid input for field/attribute changePassword. Value: {}. 'adminPass' is a required property"),
    ("changePassword", {"adminPass": 1}, "Invalid input for field/attribute adminPass. Value: 1. 1 is not of type 'string'"),
    ("lock", {"locked_reason": ""}, "Invalid input for field/attribute locked_reason. Value: . '' should be non-empty"),
    ("lock", {"why": "x"}, "Invalid input for field/attribute lock. Value: {'why': 'x'}. "
     "Additional properties are not allowed ('why' was unexpected)"),
    ("rescue", {"rescue_image_ref": "x"}, "Invalid input for field/attribute rescue_image_ref. Value: x. 'x' is not a 'uuid'"),
    ("os-getConsoleOutput", {"length": "many"},
     "Invalid input for field/attribute length. Value: many. 'many' does not match '^-?[0-9]+$'"),
    ("os-getConsoleOutput", None, "Invalid input for field/attribute os-getConsoleOutput. Value: None. None is not of type 'object'"),
    ("os-paint", None, "There is no such action: os-paint"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "body", "message"), BAD)
async def test_a_bad_body_is_refused_and_changes_nothing(yard: Yard, action: str, body: Any, message: str) -> None:
    server = yard.server()
    assert refusal(await yard.act(server, action, body)) == (400, "badRequest", message)
    assert (yard.row(server)["task_state"], yard.actions(server)) == (None, [])


async def test_two_actions_in_one_body_are_malformed(yard: Yard) -> None:
    body = {"os-stop": None, "os-start": None}
    answer = await yard.user("member").post("nova", f"/v2.1/servers/{yard.server()}/action", json=body)
    assert refusal(answer) == (400, "badRequest", "Malformed request body")


async def test_of_two_at_the_same_time_one_wins(yard: Yard) -> None:
    server = yard.server()
    answers = await asyncio.gather(yard.act(server, "os-stop"), yard.act(server, "pause"))
    assert sorted(answer.status for answer in answers) == [202, 409]
    assert len(await yard.heard()) == 1


async def test_a_lock_keeps_the_owner_out_until_it_is_taken_away(yard: Yard) -> None:
    server = yard.server()
    assert (await yard.act(server, "lock", {"locked_reason": "at work"})).status == 202
    row = yard.row(server)
    assert (row["locked"], row["locked_by"], row["locked_reason"]) == (True, "owner", "at work")
    assert refusal(await yard.act(server, "os-stop")) == (409, "conflictingRequest", f"Instance {server} is locked")
    assert (await yard.act(server, "lock")).status == 202
    assert (await yard.act(server, "unlock")).status == 202
    row = yard.row(server)
    assert (row["locked"], row["locked_by"], row["locked_reason"]) == (False, None, None)
    assert yard.actions(server) == ["lock", "unlock"]


async def test_an_administrators_lock_is_only_an_administrators_to_take_away(yard: Yard) -> None:
    server = yard.server()
    assert (await yard.act(server, "lock", who="admin")).status == 202
    message = "Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed."
    assert refusal(await yard.act(server, "unlock")) == (403, "forbidden", message)
    assert (await yard.act(server, "os-stop", who="admin")).status == 202
    assert (await yard.act(server, "unlock", who="admin")).status == 202
    assert yard.row(server)["locked"] is False


async def test_before_2_73_a_lock_takes_anything_and_keeps_no_reason(yard: Yard) -> None:
    server = yard.server()
    assert (await yard.act(server, "lock", {"locked_reason": "x"}, version="2.72")).status == 202
    assert yard.row(server)["locked_reason"] is None


async def test_administrators_reset_a_state(yard: Yard) -> None:
    server = yard.server(vm_state="building", task_state="spawning")
    assert (await yard.act(server, "os-resetState", {"state": "active"}, who="admin")).status == 202
    row = yard.row(server)
    assert (row["vm_state"], row["task_state"], yard.actions(server)) == ("active", None, ["resetState"])


async def test_a_rescue_answers_the_password_it_sets(yard: Yard) -> None:
    server = yard.server()
    answer = await yard.act(server, "rescue", {"adminPass": "let me in", "rescue_image_ref": yard.image})
    assert (answer.status, answer.json()) == (200, {"adminPass": "let me in"})
    ((method, args),) = await yard.heard()
    assert (method, args["rescue_image_ref"], args["admin_password"]) == ("rescue_instance", yard.image, "let me in")
    assert yard.row(server)["task_state"] == "rescuing"
    other = await yard.act(yard.server(), "rescue")
    assert len(other.json()["adminPass"]) == 12


async def test_a_rescue_with_an_image_that_is_not_there_is_refused(yard: Yard) -> None:
    server, missing = yard.server(), "11111111-1111-4111-8111-111111111111"
    answer = await yard.act(server, "rescue", {"rescue_image_ref": missing})
    assert refusal(answer) == (400, "badRequest", f"Requested rescue image '{missing}' is not supported")
    assert yard.row(server)["task_state"] is None


async def test_a_server_on_a_volume_is_not_rescued(yard: Yard) -> None:
    server = yard.server(image_ref="")
    message = f"Instance {server} cannot be rescued: Cannot rescue a volume-backed instance"
    assert refusal(await yard.act(server, "rescue")) == (400, "badRequest", message)


async def test_console_output_comes_from_the_compute_without_control_characters(yard: Yard) -> None:
    server = yard.server()
    yard.compute.answers["get_console_output"] = {"output": "login:\x07\n"}
    answer = await yard.act(server, "os-getConsoleOutput", {"length": "5"})
    assert (answer.status, answer.json()) == (200, {"output": "login:\n"})
    assert [(m, a["tail_length"]) for m, a in await yard.heard()] == [("get_console_output", 5)]


@pytest.mark.parametrize(("error", "status"), [("ConsoleNotAvailable", 404), ("InstanceNotReady", 409), ("NotImplementedError", 501)])
async def test_a_compute_without_a_console_is_heard(yard: Yard, error: str, status: int) -> None:
    yard.compute.answers["get_console_output"] = RemoteError(error, "no console")
    answer = await yard.act(yard.server(), "os-getConsoleOutput", {})
    assert refusal(answer)[::2] == (status, "no console")


async def test_console_output_of_a_server_without_a_host_is_not_ready(yard: Yard) -> None:
    server = yard.server(host=None)
    assert refusal(await yard.act(server, "os-getConsoleOutput", {}))[::2] == (409, f"Instance {server} is not ready")


async def test_what_newer_versions_have_dropped_is_not_found_there(yard: Yard) -> None:
    server = yard.server()
    assert (await yard.act(server, "addFloatingIp", {"address": "1.2.3.4"}, version="2.44")).status == 404
    assert (await yard.act(server, "os-getVNCConsole", {"type": "novnc"}, version="2.6")).status == 404
    assert (await yard.act(server, "resetNetwork")).status == 410
    for path in ("consoles", "consoles/1", "os-virtual-interfaces"):
        assert (await yard.user("member").get("nova", f"/v2.1/servers/{server}/{path}")).status == 410


async def test_what_this_cloud_does_not_have_says_so(yard: Yard) -> None:
    server, member = yard.server(), yard.user("member")
    for action, version in (("shelve", LATEST), ("os-getVNCConsole", "2.5"), ("addFloatingIp", "2.43")):
        assert refusal(await yard.act(server, action, {}, version=version))[:2] == (501, "notImplemented")
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    assert (await member.post("nova", f"/v2.1/servers/{server}/remote-consoles", json=body, version=LATEST)).status == 501
    assert (await member.get("nova", f"/v2.1/servers/{server}/shares", version="2.96")).status == 404
    assert (await member.get("nova", f"/v2.1/servers/{server}/shares", version=LATEST)).status == 501


async def test_a_forced_deletion_is_a_deletion_in_any_state(yard: Yard) -> None:
    server = yard.server(vm_state="error", task_state="spawning")
    assert (await yard.act(server, "forceDelete", who="reader")).status == 403
    assert (await yard.act(server, "forceDelete")).status == 202
    assert [method for method, _ in await yard.heard()] == ["terminate_instance"]
    locked = yard.server(locked=True)
    assert refusal(await yard.act(locked, "forceDelete"))[::2] == (409, f"Instance {locked} is locked")
