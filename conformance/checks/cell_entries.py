"""S12: what is in the cell before its compute is told, and what a deletion in time stops."""

from __future__ import annotations

import time

from conformance.cloud import Cloud
from conformance.launch import EVENTS
from conformance.machinery import deleted_meanwhile, patience
from conformance.registry import check, require
from conformance.traffic import comparable, traffic

CELL_ROWS = ("INSERT instances", "INSERT instance_actions", "INSERT block_device_mapping")


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


@check(
    "S12.C5", "B", given="a server whose task_state is scheduling", when="it is deleted",
    then="it never becomes ACTIVE and is gone in the end; no port, no allocation, its volume is available",
)  # fmt: skip
def deleted_while_scheduling(cloud: Cloud) -> None:
    """A server deleted while it is scheduled is not built, and leaves nothing."""
    deleted_meanwhile(cloud, 13, "dropped")
