"""The services' log files: their form, and what they tell of a launch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.context import RequestContext
from mockcloud.settings import HostSeed, Settings, SettingsError
from mockcloud.testing.client import client
from tests.conftest import MakeCloud
from tests.e2e import launching

LINE = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ (?P<level>DEBUG|INFO|WARNING|ERROR) (?P<logger>[\w.]+) "
    r"\[(?:-|(?P<shared>None|req-[0-9a-f-]{36}) (?P<request>req-[0-9a-f-]{36}) (?P<user>[0-9a-f]{32}|-) (?P<project>[0-9a-f]{32}|-) - - "
    r"(?:default default|- -))\] (?:\[instance: (?P<instance>[0-9a-f-]{36})\] )?(?P<message>.+)$"
)


def files(folder: Path, name: str = "*") -> list[Path]:
    return sorted(folder.glob(f"{name}.log"))


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Of one service, or of several by a pattern."""
    found = [line for file in files(folder, name) for line in file.read_text().splitlines()]
    matches = [LINE.match(line) for line in found]
    assert all(matches), next(line for line, match in zip(found, matches, strict=True) if not match)
    return [match.groupdict() for match in matches if match]


@pytest.fixture
async def cloud(make_cloud: MakeCloud, tmp_path: Path) -> Cloud:
    return await make_cloud(log_dir=str(tmp_path))


async def launch(cloud: Cloud, **more: Any) -> tuple[dict[str, Any], str]:
    """The server, and the id of the request for it."""
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0], **more)
    server = await launching.settled(cloud, member, answer.json()["server"]["id"])
    return server, answer.headers["x-openstack-request-id"]


@pytest.mark.parametrize("dialect", ["classic", "cells_v2"])
async def test_every_line_has_the_form_of_oslo_log(make_cloud: MakeCloud, tmp_path: Path, dialect: str) -> None:
    cloud = await make_cloud(log_dir=str(tmp_path), dialect=dialect)
    server, _ = await launch(cloud)
    assert server["status"] == "ACTIVE"
    assert len(lines(tmp_path, "*")) > 50
    assert {file.name for file in files(tmp_path)} >= {
        "nova-api.log", "nova-scheduler.log", "keystone.log", "glance-api.log", "neutron-server.log", "cinder-api.log", "placement.log",
    }  # fmt: skip


@pytest.mark.parametrize("dialect", ["classic", "cells_v2"])
async def test_the_compute_tells_its_part_of_a_launch_in_order(make_cloud: MakeCloud, tmp_path: Path, dialect: str) -> None:
    cloud = await make_cloud(log_dir=str(tmp_path), dialect=dialect)
    server, request_id = await launch(cloud)
    host = (await launching.show(client(cloud, "admin"), server["id"]) or {})["OS-EXT-SRV-ATTR:host"]
    own = [line for line in lines(tmp_path, f"nova-compute-{host}") if line["instance"] == server["id"] and line["request"] == request_id]
    told = [line["message"] for line in own]
    assert told[:2] == ["Starting instance...", f"Claim successful on node {host}"]
    assert any(message.startswith("Successfully updated port: ") for message in told)
    assert re.match(r"Took \d+\.\d\d seconds to spawn the instance on the hypervisor\.$", told[-1])
    member = client(cloud, "member")
    assert {(line["user"], line["project"]) for line in own} == {(member.user_id, member.project_id)}
    if dialect == "cells_v2":
        chosen = [line["message"] for line in lines(tmp_path, "nova-conductor") if line["instance"] == server["id"]]
        assert any(message.startswith(f"Selected host: {host}; Selected node: {host}; Alternates: ") for message in chosen)


async def test_the_scheduler_tells_filters_weights_and_its_choice(cloud: Cloud, tmp_path: Path) -> None:
    server, request_id = await launch(cloud)
    told = [line["message"] for line in lines(tmp_path, "nova-scheduler") if line["request"] == request_id]
    assert told[0] == f"Starting to schedule for instances: ['{server['id']}']"
    assert told[1] == "Starting with 3 host(s)"
    assert told[2:4] == ["Filter RetryFilter returned 3 host(s)", "Filter AvailabilityZoneFilter returned 3 host(s)"]
    assert [message.split(" ")[0] for message in told[-3:]] == ["Filtered", "Weighed", "Selected"]
    host = (await launching.show(client(cloud, "admin"), server["id"]) or {})["OS-EXT-SRV-ATTR:host"]
    assert told[-1] == f"Selected host: ({host}, {host})"


async def test_a_filter_that_leaves_nothing_is_told_and_the_last(make_cloud: MakeCloud, tmp_path: Path) -> None:
    cloud = await make_cloud(log_dir=str(tmp_path), hosts=(HostSeed("compute1"),))
    member = client(cloud, "member")
    group = {"server_group": {"name": "g", "policies": ["anti-affinity"]}}
    made = (await member.post("nova", "/v2.1/os-server-groups", json=group)).json()["server_group"]["id"]
    given = await launching.prepare(cloud, member, 0)
    body = {"server": {"name": "x", "flavorRef": "1", "imageRef": given.image_id, "networks": [{"uuid": given.network_id}]}}
    for _ in range(2):
        answer = await member.post("nova", "/v2.1/servers", json={**body, "os:scheduler_hints": {"group": made}}, version="2.60")
        await launching.settled(cloud, member, answer.json()["server"]["id"])
    told = [line for line in lines(tmp_path, "nova-scheduler") if line["request"] == answer.headers["x-openstack-request-id"]]
    last = [line for line in told if line["logger"] == "nova.filters"][-1]
    assert (last["message"], last["level"]) == ("Filter ServerGroupAntiAffinityFilter returned 0 hosts", "INFO")


async def test_a_request_is_logged_by_who_answered_it(cloud: Cloud, tmp_path: Path) -> None:
    member = client(cloud, "member")
    answer = await member.get("nova", "/v2.1/servers", params={"limit": 1}, version="2.79")
    (line,) = (line for line in lines(tmp_path, "nova-api") if line["request"] == answer.headers["x-openstack-request-id"])
    assert (line["logger"], line["user"], line["project"]) == ("nova.api.openstack.requestlog", member.user_id, member.project_id)
    shown = rf'127\.0\.0\.1 "GET /v2\.1/servers\?limit=1" status: 200 len: {len(answer.content)} microversion: 2\.79 time: 0\.\d{{6}}'
    assert re.match(shown, line["message"])
    asked = [line for line in lines(tmp_path, "keystone") if line["shared"] == answer.headers["x-openstack-request-id"]]
    assert any('"GET /v3/auth/tokens HTTP/1.1" 200' in line["message"] for line in asked), "nova's question about the token"


@pytest.mark.parametrize(
    ("service", "path", "file", "told"),
    [
        ("glance", "/v2/images", "glance-api", '"GET /v2/images HTTP/1.1" 200 '),
        ("neutron", "/v2.0/networks", "neutron-server", '127.0.0.1 "GET /v2.0/networks HTTP/1.1" status: 200  len: '),
        ("cinder", "/v3/volumes", "cinder-api", "/v3/volumes returned with HTTP 200"),
        ("placement", "/resource_providers", "placement", '"GET /resource_providers" status: 403 len: '),
        ("keystone", "/v3/auth/catalog", "keystone", '"GET /v3/auth/catalog HTTP/1.1" 200 '),
    ],
)
async def test_each_service_logs_a_request_in_its_own_words(
    cloud: Cloud, tmp_path: Path, service: str, path: str, file: str, told: str
) -> None:
    await client(cloud, "member").get(service, path)
    assert any(told in line["message"] for line in lines(tmp_path, file))


async def test_the_global_request_id_joins_the_logs_of_all_services(cloud: Cloud, tmp_path: Path) -> None:
    _, request_id = await launch(cloud)
    for name in ("glance-api", "neutron-server", "cinder-api", "placement", "keystone"):
        assert any(line["shared"] == request_id for line in lines(tmp_path, name)), name


async def test_a_build_that_fails_is_an_error_of_the_compute(make_cloud: MakeCloud, tmp_path: Path) -> None:
    cloud = await make_cloud(log_dir=str(tmp_path), full_hosts=("compute1", "compute2", "compute3"))
    server, _ = await launch(cloud)
    failed = [line for line in lines(tmp_path, "nova-compute-*") if line["level"] == "ERROR"]
    assert failed and {line["instance"] for line in failed} == {server["id"]}
    assert all("Insufficient compute resources" in line["message"] for line in failed)


async def test_a_deletion_is_told_by_the_compute(cloud: Cloud, tmp_path: Path) -> None:
    server, _ = await launch(cloud)
    await launching.delete(cloud, client(cloud, "member"), server["id"])
    told = [line["message"] for line in lines(tmp_path, "nova-compute-*") if server["id"] in (line["instance"] or line["message"])]
    assert "Terminating instance" in told
    assert any(message.endswith("seconds to destroy the instance on the hypervisor.") for message in told)


async def test_no_secret_is_in_any_log(cloud: Cloud, tmp_path: Path) -> None:
    await launch(cloud, adminPass="Very-Secret-1", user_data="c2VjcmV0LXVzZXItZGF0YQ==")
    text = "".join(file.read_text() for file in files(tmp_path))
    for secret in ("Very-Secret-1", "c2VjcmV0LXVzZXItZGF0YQ", "gAAAA", "sha256:"):
        assert secret not in text


async def test_files_of_a_folder_that_was_used_before_go_on(make_cloud: MakeCloud, tmp_path: Path) -> None:
    (tmp_path / "nova-api.log").write_text("of an earlier day\n")
    cloud = await make_cloud(log_dir=str(tmp_path))
    await client(cloud, "member").get("nova", "/v2.1/servers")
    assert (tmp_path / "nova-api.log").read_text().startswith("of an earlier day\n2")


def test_a_folder_that_cannot_be_written_to_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot write logs in"):
        Cloud(Settings(log_dir=str(tmp_path / "file" / "logs")), ("keystone",))


async def test_a_message_that_comes_again_is_no_trouble(cloud: Cloud, tmp_path: Path) -> None:
    await cloud.workers["compute1"].kill()
    events = [{"name": "network-changed", "server_uuid": "00000000-0000-0000-0000-000000000000", "tag": "t", "status": "completed"}]
    await cloud.bus.cast(RequestContext("req-1"), "compute", "external_instance_event", server="compute1", args={"events": events})
    await cloud.workers["compute1"].start()
    for _ in range(2_000):
        if not await cloud.bus.depth("compute.compute1"):
            break
        await cloud.clock.sleep(0.01)
    assert await cloud.bus.depth("compute.compute1") == 0


async def test_a_reset_goes_on_logging(cloud: Cloud, tmp_path: Path) -> None:
    await cloud.reset()
    before = len(lines(tmp_path, "nova-api"))
    await client(cloud, "member").get("nova", "/v2.1/servers")
    assert len(lines(tmp_path, "nova-api")) == before + 1
