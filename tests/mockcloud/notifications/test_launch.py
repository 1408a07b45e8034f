"""What is told on the bus while a server lives: who tells, in which order, in which form; measured by recordings of a real cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.settings import HostSeed
from mockcloud.testing.client import client
from mockcloud.trace import Fact
from tests.e2e import launching

Json = dict[str, Any]
RECORDED = Path(__file__).parents[2] / "conformance" / "captures"


def told(cloud: Cloud, form: str = "", prefix: str = "") -> list[Fact]:
    """Notifications in the order in which they were sent."""
    facts = (fact for fact in cloud.recorder.facts() if fact.kind == "notification" and fact.name.startswith(prefix))
    return [fact for fact in facts if form in ("", fact.attributes["format"])]


def names(facts: list[Fact]) -> list[str]:
    return [fact.name for fact in facts]


def recorded(folder: str, form: str, event: str) -> Json:
    """The payload that a real cloud sent."""
    for line in (RECORDED / folder / f"notifications_{form}.jsonl").read_text().splitlines():
        message: Json = json.loads(json.loads(line)["body"]["oslo.message"])
        if message["event_type"] == event:
            return dict(message["payload"])
    raise LookupError(event)


def names_in(payload: Any, at: str = "") -> set[str]:
    """Paths of the names in a payload, but for those that users choose; of a list the first one's."""
    if isinstance(payload, list):
        return names_in(payload[0], f"{at}0/") if payload else set()
    if not isinstance(payload, dict):
        return set()
    chosen = payload.items() if not at.endswith(("image_meta/", "metadata/")) else ()
    return {path for name, value in chosen for path in {f"{at}{name}", *names_in(value, f"{at}{name}/")}}


async def hears(cloud: Cloud, event: str) -> None:
    """Waits until it is told: what a client sees of the same thing may come earlier."""
    for _ in range(2_000):
        if any(fact.name == event for fact in told(cloud)):
            return
        await cloud.clock.sleep(0.01)
    raise AssertionError(f"{event} is not told")


async def launch(cloud: Cloud, **more: Any) -> Json:
    """Until it is over, and everything of it told."""
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0], **more)
    assert answer.status == 202
    server = await launching.settled(cloud, member, answer.json()["server"]["id"])
    last = {"none": "", "unversioned": "compute.instance.create.end"}.get(cloud.settings.notifications, "instance.create.end")
    if server["status"] == "ACTIVE" and last:
        await hears(cloud, last)
    return {"id": server["id"], "status": server["status"], "request_id": answer.headers["x-openstack-request-id"]}


async def test_a_launch_is_told_from_the_scheduler_to_the_running_guest(cloud: Cloud) -> None:
    server = await launch(cloud)
    assert server["status"] == "ACTIVE"
    facts = [fact for fact in told(cloud, "unversioned") if server["request_id"] in (fact.request_id, fact.global_request_id)]
    assert [name for name in names(facts) if name.startswith(("scheduler.", "compute.instance.create"))] == [
        "scheduler.run_instance.start",
        "scheduler.run_instance.scheduled",
        "scheduler.run_instance.end",
        "compute.instance.create.start",
        "compute.instance.create.end",
    ]
    (begun,) = (fact for fact in facts if fact.name == "compute.instance.create.start")
    (ended,) = (fact for fact in facts if fact.name == "compute.instance.create.end")
    for event in ("port.create.start", "port.create.end", "image.send", "volume.attach.start", "volume.attach.end"):
        (fact,) = (fact for fact in facts if fact.name == event)
        assert begun.id < fact.id < ended.id, event
    assert ended.attributes["payload"]["state"] == "active"
    assert ended.attributes["payload"]["fixed_ips"][0]["label"] == "private"


async def test_states_are_told_as_the_row_changes(cloud: Cloud) -> None:
    server = await launch(cloud)
    changes = [fact.attributes["payload"] for fact in told(cloud, "unversioned", "compute.instance.update")]
    assert {change["instance_id"] for change in changes} == {server["id"]}
    seen = [(change["state"], change["new_task_state"]) for change in changes]
    assert [state for state, before in zip(seen, [None, *seen], strict=False) if state != before] == [
        ("building", "scheduling"),
        ("building", None),
        ("building", "networking"),
        ("building", "block_device_mapping"),
        ("building", "spawning"),
        ("active", None),
    ]
    versioned = [fact.attributes["payload"]["nova_object.data"] for fact in told(cloud, "versioned", "instance.update")]
    assert [(one["state"], one["task_state"]) for one in versioned] == seen


async def test_publishers_are_the_services_on_their_hosts(cloud: Cloud) -> None:
    server = await launch(cloud)
    host = (await launching.show(client(cloud, "admin"), server["id"]) or {})["OS-EXT-SRV-ATTR:host"]
    publishers = {
        (fact.name, fact.attributes["exchange"], fact.attributes["publisher_id"]) for fact in told(cloud) if fact.name != "instance.update"
    }
    assert publishers >= {
        ("scheduler.run_instance.start", "nova", "scheduler.controller"),
        ("compute.instance.update", "nova", "api.controller"),
        ("compute.instance.create.start", "nova", f"compute.{host}"),
        ("instance.create.end", "nova", f"nova-compute:{host}"),
        ("port.create.end", "neutron", "network.controller"),
        ("image.send", "glance", "image.controller"),
        ("identity.authenticate", "keystone", "identity.controller"),
    }
    assert {exchange for name, exchange, _ in publishers if name.startswith("volume.")} == {"openstack"}


@pytest.mark.parametrize(
    ("event", "form", "missing"),
    [
        ("compute.instance.create.start", "unversioned", set()),
        ("compute.instance.create.end", "unversioned", set()),
        ("compute.instance.update", "unversioned", set()),
        ("instance.create.start", "versioned", {"block_devices"}),  # the classic compute has not asked for them yet
        ("instance.create.end", "versioned", set()),
        ("instance.update", "versioned", set()),
        ("port.create.start", "unversioned", set()),
        (
            "port.create.end",
            "unversioned",
            {"binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"},
        ),  # not a member's
        ("port.update.end", "unversioned", set()),
        ("volume.attach.start", "unversioned", {"volume_attachment"}),  # the classic dialect reserves nothing
        ("volume.attach.end", "unversioned", {"connector", "connection_info", "volume", "use_quota", "deleted"}),
    ],
)
async def test_payloads_have_what_a_real_clouds_have(cloud: Cloud, event: str, form: str, missing: set[str]) -> None:
    await launch(cloud)
    fact = next(fact for fact in reversed(told(cloud, form)) if fact.name == event)
    lacking = names_in(recorded("image-volume", form, event)) - names_in(fact.attributes["payload"])
    assert {path for path in lacking if not set(path.split("/")) & missing} == set()


async def test_a_build_that_fails_is_told_with_its_reason(make_cloud: Any) -> None:
    cloud = await make_cloud(full_hosts=("compute1", "compute2", "compute3"))
    server = await launch(cloud)
    assert server["status"] == "ERROR"
    failed = told(cloud, "unversioned", "compute.instance.create.error")
    assert failed and {fact.attributes["priority"] for fact in failed} == {"ERROR"}
    assert {fact.attributes["routing_key"] for fact in failed} == {"notifications.error"}
    assert failed[0].attributes["payload"]["exception"] == "ComputeResourcesUnavailable"
    fault = told(cloud, "versioned", "instance.create.error")[0].attributes["payload"]["nova_object.data"]["fault"]
    assert fault["nova_object.data"]["exception"] == "ComputeResourcesUnavailable"
    assert not told(cloud, "unversioned", "compute.instance.create.end")


async def test_that_no_host_was_found_is_told(make_cloud: Any) -> None:
    cloud = await make_cloud(hosts=(HostSeed("compute1", memory_mb=513),))
    server = await launch(cloud)
    assert server["status"] == "ERROR"
    (failed,) = (fact for fact in told(cloud, "unversioned") if fact.name == "scheduler.run_instance")
    payload = failed.attributes["payload"]
    assert (payload["instance_id"], payload["state"], payload["method"]) == (server["id"], "error", "run_instance")
    assert payload["reason"].startswith("No valid host was found")
    last = told(cloud, "unversioned", "compute.instance.update")[-1]
    assert (last.attributes["publisher_id"], last.attributes["payload"]["state"]) == ("scheduler.controller", "error")


async def test_a_deletion_is_told_from_its_start_to_its_end(cloud: Cloud) -> None:
    server = await launch(cloud)
    cloud.recorder.clear()
    member = client(cloud, "member")
    await launching.delete(cloud, member, server["id"])
    await hears(cloud, "instance.delete.end")
    unversioned = [name.removeprefix("compute.instance.") for name in names(told(cloud, "unversioned", "compute.instance."))]
    assert unversioned == ["update", "delete.start", "shutdown.start", "shutdown.end", "delete.end"]
    assert [name for name in names(told(cloud, "versioned")) if name != "instance.update"] == [
        "instance.delete.start", "instance.shutdown.start", "instance.shutdown.end", "instance.delete.end",
    ]  # fmt: skip
    assert {"port.delete.start", "port.delete.end", "volume.detach.end"} <= set(names(told(cloud)))
    last = told(cloud, "unversioned", "compute.instance.delete.end")[0].attributes["payload"]
    assert (last["state"], bool(last["deleted_at"])) == ("deleted", True)


@pytest.mark.parametrize(
    ("action", "told_as"), [("os-stop", "power_off"), ("pause", "pause"), ("suspend", "suspend"), ("reboot", "reboot")]
)
async def test_what_is_done_to_a_server_is_told(cloud: Cloud, action: str, told_as: str) -> None:
    server = await launch(cloud)
    body = {action: {"type": "HARD"} if action == "reboot" else None}
    member = client(cloud, "member")
    assert (await member.post("nova", f"/v2.1/servers/{server['id']}/action", json=body)).status == 202
    await hears(cloud, f"compute.instance.{told_as}.end")
    done = [name for name in names(told(cloud, "unversioned")) if told_as in name]
    assert done == [f"compute.instance.{told_as}.start", f"compute.instance.{told_as}.end"]


async def test_nothing_that_a_user_keeps_in_a_server_is_told(cloud: Cloud) -> None:
    await launch(cloud, user_data="c2VjcmV0LXVzZXItZGF0YQ==", adminPass="Very-Secret-1")
    text = json.dumps([fact.attributes for fact in told(cloud)], default=str)
    for secret in ("c2VjcmV0LXVzZXItZGF0YQ", "Very-Secret-1", "gAAAA", "user_data"):
        assert secret not in text


@pytest.mark.parametrize(
    ("setting", "forms"),
    [
        ("none", set()),
        ("unversioned", {"unversioned"}),
        ("versioned", {"unversioned", "versioned"}),
        ("both", {"unversioned", "versioned"}),
    ],
)
async def test_the_setting_chooses_the_formats_of_nova(make_cloud: Any, setting: str, forms: set[str]) -> None:
    cloud = await make_cloud(notifications=setting)
    await launch(cloud)
    assert {fact.attributes["format"] for fact in told(cloud)} == forms
    of_nova = {fact.attributes["format"] for fact in told(cloud) if fact.attributes["exchange"] == "nova"}
    assert of_nova == {"none": set(), "both": {"unversioned", "versioned"}}.get(setting, {setting})


async def test_a_resize_is_told_in_its_parts_under_both_names(cloud: Cloud) -> None:
    server = await launch(cloud)
    member = client(cloud, "member")
    path = f"/v2.1/servers/{server['id']}"
    assert (await member.post("nova", f"{path}/action", json={"resize": {"flavorRef": "2"}})).status == 202
    await hears(cloud, "instance.resize_finish.end")
    assert (await member.post("nova", f"{path}/action", json={"confirmResize": None})).status == 204
    for part in ("resize", "resize_confirm"):
        await hears(cloud, f"instance.{part}.end")
    parts = {
        "unversioned": ["resize.prep", "resize", "finish_resize", "resize.confirm"],
        "versioned": ["resize_prep", "resize", "resize_finish", "resize_confirm"],
    }
    for form, expected in parts.items():
        heard = [name.removeprefix("compute.").removeprefix("instance.") for name in names(told(cloud, form)) if "resize" in name]
        assert sorted(heard) == sorted(f"{part}.{phase}" for part in expected for phase in ("start", "end")), form


async def test_a_volume_and_an_interface_that_come_and_go_are_told(cloud: Cloud) -> None:
    server = await launch(cloud)
    member = client(cloud, "member")
    path = f"/v2.1/servers/{server['id']}"
    volume = await launching.create_volume(cloud, member)
    body = {"volumeAttachment": {"volumeId": volume}}
    assert (await member.post("nova", f"{path}/os-volume_attachments", json=body)).status == 200
    await hears(cloud, "instance.volume_attach.end")
    assert (await member.delete("nova", f"{path}/os-volume_attachments/{volume}")).status == 202
    port = (await member.post("nova", f"{path}/os-interface", json={"interfaceAttachment": {}})).json()["interfaceAttachment"]["port_id"]
    assert (await member.delete("nova", f"{path}/os-interface/{port}")).status == 202
    await hears(cloud, "instance.volume_detach.end")
    await hears(cloud, "instance.interface_detach.end")
    versioned = [name for name in names(told(cloud, "versioned")) if "_attach" in name or "_detach" in name]
    kinds = ("volume_attach", "volume_detach", "interface_attach", "interface_detach")
    assert sorted(versioned) == sorted(f"instance.{kind}.{phase}" for kind in kinds for phase in ("start", "end"))
    heard = {fact.name: fact.attributes["payload"]["volume_id"] for fact in told(cloud, "unversioned", "compute.instance.volume.")}
    assert heard == {"compute.instance.volume.attach": volume, "compute.instance.volume.detach": volume}
    added = next(fact for fact in told(cloud, "versioned") if fact.name == "instance.interface_attach.end")
    ports = {ip["nova_object.data"]["port_uuid"] for ip in added.attributes["payload"]["nova_object.data"]["ip_addresses"]}
    assert port in ports
