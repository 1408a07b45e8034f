"""S12: what is in the cell before its compute is told, and what a deletion in time stops."""

from __future__ import annotations

import time
from contextlib import ExitStack

from conformance.cloud import Cloud
from conformance.endings import must_leave_nothing
from conformance.launch import EVENTS, new_global_id
from conformance.machinery import deleted, patience, status_of, task_of, watch
from conformance.mishaps import volumes_for
from conformance.registry import Unsupported, check, require
from conformance.traffic import comparable, traffic

CELL_ROWS = ("INSERT instances", "INSERT instance_actions", "INSERT block_device_mapping")
BUILDING = ("networking", "block_device_mapping", "spawning")
HELD = 0.3  # seconds that a step is held back


@check(
    "S12.C4", "B", given="a boot", when="the cell's rows and the message to the compute are compared", dialects=("cells_v2",),
    then="server, action and disks are in the cell before the compute is told",
)  # fmt: skip
def rows_go_first(cloud: Cloud) -> None:
    """The server's rows are in its cell before its compute is told: the action is there no later than the host."""
    seen = traffic(cloud)
    if cloud.shows("db") and cloud.shows("rpc.publish") and seen.launches:
        told = seen.launches[0]
        for name in CELL_ROWS:
            written = seen.evidence.first("db", actor="nova-conductor", name=name)
            require(written, f"the conductor writes: {name}", "no such statement", told)
            if written is not None and comparable(written, told):
                require(written.start <= told.start, f"{name} before {told.name}", "after it", written, told)
    launch = cloud.launcher.launch(name="raced", wait=False)
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    deadline = time.monotonic() + patience(cloud, 300.0)
    while time.monotonic() < deadline:
        shown = launch.person.get("compute", f"/servers/{launch.server_id}", version=EVENTS)
        server = shown.body["server"] if shown.status == 200 else {}
        if server.get("hostId"):
            actions = cloud.launcher.actions(launch.person, launch.server_id)
            require(any(a["action"] == "create" for a in actions), "action create, as the server has a host", actions, shown.fact)
        if server.get("hostId") or server.get("status") == "ERROR":
            return
        time.sleep(0.002 if cloud.is_mock else 0.2)


def delete_meanwhile(cloud: Cloud, step: int, name: str) -> None:
    """A server is deleted while its launch is held back at a step, or, where nothing can be held back, at once."""
    volumes = volumes_for(cloud)
    request_id = new_global_id()
    with ExitStack() as stack:
        try:
            for held in (step, 28):  # the second only for a launch that goes on in spite of the deletion
                stack.enter_context(cloud.control.fault(held, "delay", seconds=HELD, request_id=request_id))
        except Unsupported:
            pass  # the race is run as it is
        launch = cloud.launcher.launch(name=name, wait=False, volumes=volumes, global_request_id=request_id)
        require(launch.server_id, "202", launch.boot, launch.boot.fact)
        answer = deleted(cloud, launch)
        require(answer.status == 204, "204 to the deletion", answer, answer.fact)
        looks = watch(cloud, launch, lambda shown: status_of(shown) in ("DELETED", "ACTIVE"), patience(cloud, 120.0))
        # a launch that goes on in spite of it would now come to its end
        looks += watch(cloud, launch, lambda shown: status_of(shown) == "ACTIVE", HELD + 0.2 if cloud.is_mock else 5.0)
    for look in looks:
        require(status_of(look) != "ACTIVE", "no ACTIVE after the deletion", "ACTIVE", look.fact)
        require(task_of(look) not in BUILDING, "the build stops", f"task_state {task_of(look)} after the deletion", look.fact)
    require(status_of(looks[-1]) == "DELETED", "404 in the end", status_of(looks[-1]), looks[-1].fact)
    must_leave_nothing(cloud, launch)


@check(
    "S12.C5", "B", given="a server whose task_state is scheduling", when="it is deleted",
    then="it never becomes ACTIVE and is gone in the end; no port, no allocation, its volume is available",
)  # fmt: skip
def deleted_while_scheduling(cloud: Cloud) -> None:
    """A server deleted while it is scheduled is not built, and leaves nothing."""
    delete_meanwhile(cloud, 13, "dropped")
