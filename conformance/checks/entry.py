"""S07: the first entry of a server, from the 202 on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.evidence import Fact
from conformance.launch import EVENTS, Launch, new_global_id
from conformance.registry import NotObservable, check, require
from conformance.situations import moment, refused_launch, servers_named, stray_ports

TASKS = ("scheduling", None, "networking", "block_device_mapping", "spawning")  # of a server in BUILD, in their order
HELD = 20.0  # seconds on the cloud's clock: how long the scheduler is held back
SEEN_WITHIN = 10.0  # seconds
SEVERAL = 3


@check(
    "S07.C1", "B", given="a 202", when="GET /servers/{id} at once, and again until it is ACTIVE",
    then="never 404; BUILD and vm_state building at first; task_state goes through its legal sequence",
)  # fmt: skip
def there_from_the_start(cloud: Cloud) -> None:
    """From its 202 on a server is there, and goes through its states in their order."""
    launch = cloud.golden
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    if cloud.dialect == "cells_v2":
        _listed_once(cloud)
    _in_order(launch)


def _in_order(launch: Launch) -> None:
    if problem := misstep(launch.views):
        expected, actual, view = problem
        require(False, expected, actual, launch.boot.fact, view)
    launch.must_be_active()
    if launch.views[0].get("status") != "BUILD":
        raise NotObservable("the server was ACTIVE before it could be looked at")


def misstep(views: Sequence[Fact]) -> tuple[str, Any, Fact] | None:
    """What was expected, what was there, and where, at the first view that no correct cloud gives. States may be missed, not reversed."""
    reached = 0
    for view in views:
        status, task = view.get("status"), view.get("OS-EXT-STS:task_state")
        if (answered := view.get("http_status")) != 200:
            return "200 at every look", answered, view
        if status != "BUILD":
            return None
        if (vm_state := view.get("OS-EXT-STS:vm_state")) != "building":
            return "vm_state building", vm_state, view
        if task not in TASKS:
            return f"a task_state of {TASKS}", task, view
        if task != "scheduling" and TASKS.index(task) < reached:  # scheduling again: for another host, after a failure
            return f"task_state {TASKS[reached]} or a later one", task, view
        reached = TASKS.index(task)
    return None


def _listed_once(cloud: Cloud) -> None:
    """While it moves from its build request to its cell, a server is in lists once."""
    launch = cloud.launcher.launch(name="moving", wait=False)
    deadline = time.monotonic() + cloud.options.timeout
    while time.monotonic() < deadline:
        listed = cloud.member.get("compute", "/servers/detail", params={"name": f"^{launch.name}"}, version=EVENTS)
        servers = (listed.body or {}).get("servers", [])
        require(len(servers) == 1, "the server once in a list", f"{len(servers)} times", launch.boot.fact, listed.fact)
        shown = cloud.member.get("compute", f"/servers/{launch.server_id}")
        require(shown.status == 200, "200 at every look", shown, launch.boot.fact, shown.fact)
        if shown.body["server"]["status"] != "BUILD":
            return
        time.sleep(0.0 if cloud.is_mock else 0.2)


@check(
    "S07.C2", "H", given="a scheduler that is held back", when="GET the server, found by its name",
    then="BUILD, task_state scheduling, no hostId, no addresses, launched_at null", needs=("faults",),
)  # fmt: skip
def before_scheduling(cloud: Cloud) -> None:
    """The entry is there before there is a host, and says so."""
    ours, body = new_global_id(), cloud.launcher.body("held")
    with ThreadPoolExecutor(1) as pool:
        try:
            with cloud.control.fault(9, "delay", seconds=HELD, request_id=ours):
                posted = pool.submit(cloud.launcher.launch, body=body, global_request_id=ours, wait=False)
                listed = _wait_for_entry(cloud, str(body["name"]))
        finally:
            cloud.control.advance(HELD)
        launch = posted.result(cloud.options.timeout)
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    servers = (listed.body or {}).get("servers", [])
    require(servers, "a server in the list while the scheduler is held back", listed, launch.boot.fact, listed.fact)
    wanted: dict[str, Any] = {
        "status": "BUILD", "OS-EXT-STS:vm_state": "building", "OS-EXT-STS:task_state": "scheduling", "hostId": "", "addresses": {},
        "OS-SRV-USG:launched_at": None,
    }  # fmt: skip
    actual = {key: servers[0].get(key) for key in wanted}
    require(actual == wanted, f"{wanted}", actual, listed.fact)


def _wait_for_entry(cloud: Cloud, name: str) -> Exchange:
    deadline = time.monotonic() + SEEN_WITHIN
    while True:
        listed = cloud.member.get("compute", "/servers/detail", params={"name": f"^{name}"}, version=EVENTS)
        if (listed.body or {}).get("servers") or time.monotonic() > deadline:
            return listed
        time.sleep(0.02)


@check(
    "S07.C3", "B", given="min_count and max_count 3, and return_reservation_id", when="POST /servers",
    then="three servers, their names numbered, made while the request lasted, with one reservation_id",
)  # fmt: skip
def several(cloud: Cloud) -> None:
    """A request for three servers makes three, in one go."""
    body = cloud.launcher.body("three", networks="none", min_count=SEVERAL, max_count=SEVERAL, return_reservation_id=True)
    begun = _clock(cloud)
    answer = cloud.member.post("compute", "/servers", json={"server": body}, version=EVENTS)
    servers = sorted(servers_named(cloud, body["name"]), key=lambda server: server["name"])
    ended = _clock(cloud)  # a cell may have made its row since the answer
    require(answer.status == 202, "202", answer, answer.fact)
    reservation = (answer.body or {}).get("reservation_id")
    require(reservation, "a reservation_id", answer, answer.fact)
    names = [f"{body['name']}-{number + 1}" for number in range(SEVERAL)]
    require([server["name"] for server in servers] == names, f"{names}", [server["name"] for server in servers], answer.fact)
    for server in servers:
        made = moment(server["created"])
        inside = begun - timedelta(seconds=1) <= made <= ended + timedelta(seconds=1)
        require(inside, f"created between {begun} and {ended}", made, answer.fact)
    if "admin" in cloud.people:
        kept = {_reservation(cloud, server) for server in servers}
        require(kept == {reservation}, f"reservation_id {reservation} of all", kept, answer.fact)


def _clock(cloud: Cloud) -> datetime:
    """The time of day by the cloud's own clock."""
    return moment(cloud.member.login_exchange()[1].body["token"]["issued_at"])


def _reservation(cloud: Cloud, server: dict[str, Any]) -> str:
    shown = cloud.admin.get("compute", f"/servers/{server['id']}", version=EVENTS)
    return str(shown.body["server"].get("OS-EXT-SRV-ATTR:reservation_id")) if shown.status == 200 else str(shown)


@check(
    "S07.C4", "B", given="a launch with a port and a volume that nova-api refuses", when="servers, ports and volumes are listed",
    then="no server, port and volume untouched",
)  # fmt: skip
def nothing_of_a_refusal(cloud: Cloud) -> None:
    """A refused request leaves no trace in any service."""
    volumes = [cloud.resources.volume(cloud.member)] if cloud.has_volumes else []
    port = cloud.resources.port(cloud.member, cloud.network()["id"])
    with stray_ports(cloud) as strays:
        answer = refused_launch(
            cloud, (400,), "an unknown key", volumes=volumes, networks=[{"port": port["id"]}], key_name=cloud.resources.name("no-key")
        )
        if volumes and cloud.golden.volumes:
            refused_launch(cloud, (400,), "a volume in use", volumes=cloud.golden.volumes, networks=[{"port": port["id"]}])
    require(not strays, "no new port", f"port {', '.join(strays)}", answer.fact)
    shown = cloud.member.get("network", f"/ports/{port['id']}")
    device = shown.body["port"]["device_id"] if shown.status == 200 else str(shown)
    require(device == "", "the given port is still free", device, answer.fact, shown.fact)
    for volume_id in volumes:
        shown = cloud.member.get("volume", f"/volumes/{volume_id}")
        state = (shown.body["volume"]["status"], shown.body["volume"]["attachments"]) if shown.status == 200 else str(shown)
        require(state == ("available", []), "the given volume is still free", state, answer.fact, shown.fact)


@check(
    "S07.C5", "B", given="a server just created", when="GET its os-instance-actions",
    then="one action create, with the POST's request id and the caller's user and project",
)  # fmt: skip
def one_action(cloud: Cloud) -> None:
    """The server remembers who asked for it, and in which request."""
    launch = cloud.golden
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    facts: list[Fact] = [launch.boot.fact, *(fact for fact in launch.facts if fact.name == "actions")]
    created = [action for action in launch.actions if action["action"] == "create"]
    require(len(created) == 1, "one action create", [action["action"] for action in launch.actions], *facts)
    wanted = {"request_id": launch.request_id, "user_id": cloud.member.user_id, "project_id": cloud.member.project_id}
    actual = {key: created[0].get(key) for key in wanted}
    require(actual == wanted, f"{wanted}", actual, *facts)
