"""S13 and S18: the compute takes the launch, says so, and claims the room for it."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

from conformance.cloud import Cloud
from conformance.endings import eventually, must_leave_nothing
from conformance.evidence import Fact
from conformance.launch import EVENTS, Launch, new_global_id
from conformance.machinery import HYPERVISORS, attempts_of, host_of, hypervisors, patience
from conformance.mishaps import volumes_for
from conformance.registry import SHOULD, Broken, NotObservable, Unsupported, check, require
from conformance.situations import moment, other_quota
from conformance.traffic import Traffic, comparable, crowded, traffic, winner
from conformance.traffic import host_of as addressee

CREATE_START = ("compute.instance.create.start", "instance.create.start")
AT_ONCE = 10  # builds of one compute, by nova's default
MORE = 3
HELD = 0.5  # seconds that a step is held back
USED = ("vcpus_used", "memory_mb_used", "local_gb_used")
MOST_ATTEMPTS = 3


@check(
    "S13.C1", "B", given="a boot", when="GET os-instance-actions",
    then="an event of the compute, not before the action, on the server's host",
)  # fmt: skip
def event_of_the_compute(cloud: Cloud) -> None:
    """The server's action has an event of the compute that built it."""
    launch = cloud.golden
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    events = attempts_of(launch)
    require(events, "an event of a compute", [e["event"] for a in launch.actions for e in a.get("events") or ()], launch.boot.fact)
    action = next(action for action in launch.actions if action["action"] == "create")
    for event in events:
        begun = moment(event["start_time"]) >= moment(action["start_time"])
        require(begun, f"{event['event']} from {action['start_time']} on", event["start_time"], launch.boot.fact)
    if launch.status == "ACTIVE" and "hostId" in events[-1]:
        mine = launch.final["hostId"]
        require(events[-1]["hostId"] == mine, f"the event on host {mine[:8]}", str(events[-1]["hostId"])[:8], *launch.views[-1:])


@check(
    "S13.C2", "B", given="a boot", when="events, and who takes the message, are looked at",
    then="no event is there twice unless the server was built again elsewhere; the message is taken once",
)  # fmt: skip
def taken_once(cloud: Cloud) -> None:
    """One compute takes the launch, once: nothing is begun twice unless a host was given up."""
    launch = cloud.golden
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    names = Counter(event["event"] for action in launch.actions if action["action"] == "create" for event in action.get("events") or ())
    hosts = len({event.get("hostId", n) for n, event in enumerate(attempts_of(launch))}) or 1
    for name, count in names.items():
        require(count <= hosts, f"event {name} {hosts} time(s), as that many hosts tried", f"{count} times", launch.boot.fact)
    if cloud.shows("rpc.deliver"):
        seen = traffic(cloud)
        for message in seen.launches:
            takers = [taken for taken in seen.deliveries(message) if not taken.get("redelivered")]
            require(len(takers) == 1, f"{message.name} is taken once", f"{len(takers)} times", message, *takers)


def _publisher(told: Fact) -> str:
    """`compute.host1` or `nova-compute:host1`: host1."""
    return re.split(r"[.:]", str(told.get("publisher_id", "")), maxsplit=1)[-1]


@check(
    "S13.C3", "Q", given="a boot", when="notifications are looked at", then="create.start is told by the host that was chosen",
    needs=("notification",),
)  # fmt: skip
def start_is_told_there(cloud: Cloud) -> None:
    """The compute that says it begins is the one that was chosen."""
    seen = traffic(cloud)
    told = seen.notifications(*CREATE_START)
    require(told, "a notification create.start", "there is none")
    hosts = {addressee(message) for message in seen.launches}
    named, reply = winner(seen)
    if reply is not None and len(hosts) <= 1:
        hosts = {named}
    if not hosts and "admin" in cloud.people:
        hosts = {host_of(cloud.admin, cloud.golden.server_id)}
    if not hosts:
        raise NotObservable("no source showed which host was chosen")
    for one in told:
        require(
            _publisher(one) in hosts, f"{one.name} by {', '.join(sorted(hosts))}", one.get("publisher_id"), one, *([reply] if reply else [])
        )


@check(
    "S13.C4", "A", level=SHOULD, given="more boots on one host than it builds at once", when="task_state of all is polled",
    dialects=("cells_v2",),
    then="at most 10 are past scheduling and not done; in the end all are ACTIVE", needs=("admin", "declared", "faults"), alone=True,
)  # fmt: skip
def builds_at_once(cloud: Cloud) -> None:
    """A compute builds so many servers at once, and the others wait their turn."""
    admin, request_id = cloud.admin, new_global_id()
    host = host_of(admin, cloud.golden.server_id)
    launches: list[Launch] = []
    roomy = other_quota(admin, "compute", admin.project_id, {"instances": -1, "cores": -1, "ram": -1})
    with roomy, cloud.control.fault(28, "delay", seconds=2 * HELD, request_id=request_id, count=None):
        for _ in range(AT_ONCE + MORE):
            forced: dict[str, Any] = {"networks": "none", "availability_zone": f"nova:{host}"}
            launch = cloud.launcher.launch(person=admin, name="queued", wait=False, global_request_id=request_id, **forced)
            require(launch.server_id, "202", launch.boot, launch.boot.fact)
            launches.append(launch)
        ids = {launch.server_id for launch in launches}
        deadline = time.monotonic() + patience(cloud) + 4 * HELD
        while True:
            shown = admin.get("compute", "/servers/detail", version=EVENTS)
            mine = [server for server in shown.body["servers"] if server["id"] in ids]
            begun = [s for s in mine if s["status"] == "BUILD" and s["OS-EXT-STS:task_state"] != "scheduling"]
            require(len(begun) <= AT_ONCE, f"at most {AT_ONCE} builds at once", f"{len(begun)}", shown.fact)
            if all(server["status"] != "BUILD" for server in mine) or time.monotonic() > deadline:
                break
            time.sleep(0.02)
    states = Counter(server["status"] for server in mine)
    require(states == {"ACTIVE": len(ids)}, f"{len(ids)} ACTIVE", dict(states), shown.fact)


@check(
    "S18.C1", "A", given="a boot, held back before the guest is made where that can be done", when="an admin polls ports and server",
    then="the server has its host no later than its port is bound to it", needs=("admin", "network"),
)  # fmt: skip
def host_before_port(cloud: Cloud) -> None:
    """The host is written down before anything is bound to it."""
    request_id = new_global_id()
    try:
        with cloud.control.fault(28, "delay", seconds=HELD, request_id=request_id):
            _watch_binding(cloud, cloud.launcher.launch(name="bound", wait=False, global_request_id=request_id))
    except Unsupported:
        _watch_binding(cloud, cloud.launcher.launch(name="bound", wait=False))


def _watch_binding(cloud: Cloud, launch: Launch) -> None:
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    deadline, bound = time.monotonic() + patience(cloud, 300.0), False
    while time.monotonic() < deadline:
        ports = cloud.admin.get("network", "/ports", params={"device_id": launch.server_id})
        hosts = {port["binding:host_id"] for port in ports.body["ports"] if port.get("binding:host_id")}
        shown = cloud.admin.get("compute", f"/servers/{launch.server_id}", version=EVENTS)
        server: dict[str, Any] = shown.body["server"] if shown.status == 200 else {}
        if hosts and server.get("status") in ("BUILD", "ACTIVE"):
            bound = True
            host = server.get("OS-EXT-SRV-ATTR:host")
            require(host, f"a host, as a port is bound to {', '.join(sorted(hosts))}", "none", ports.fact, shown.fact)
            require(hosts == {host}, f"the port bound to {host}", ", ".join(sorted(hosts)), ports.fact, shown.fact)
        if server.get("status") in ("ACTIVE", "ERROR"):
            break
        time.sleep(0.01 if cloud.is_mock else 0.3)
    if not bound:
        raise NotObservable("no port of the server was seen to be bound")


@check(
    "S18.C2", "A", given="a host that has no room, though placement thinks so", when="a boot that goes there", alone=True,
    then="it is built elsewhere, or ends with a message about retries; three attempts at most", needs=("admin", "placement", "declared"),
)  # fmt: skip
def claim_is_refused(cloud: Cloud) -> None:
    """A compute that has no room for what it was sent gives the server back, to be built elsewhere."""
    admin, known = cloud.admin, hypervisors(cloud.admin)
    roomiest = max(known, key=lambda host: known[host]["local_gb"] - known[host]["local_gb_used"])
    free = known[roomiest]["local_gb"] - known[roomiest]["local_gb_used"]
    if len(known) < 2 or free < 4:
        raise Unsupported("this cloud has no two hosts with room")
    small = cloud.flavor()
    filling = cloud.resources.flavor(admin, vcpus=1, ram=small["ram"], disk=free - 1)
    wanted = cloud.resources.flavor(admin, vcpus=1, ram=small["ram"], disk=2)
    filler = cloud.launcher.launch(name="filler", flavorRef=filling).must_be_active()
    gone = admin.delete("placement", f"/allocations/{filler.server_id}", version="1.28")
    if gone.status != 204:
        raise Broken(f"placement cannot be made to forget a server: {gone}")
    launch = cloud.launcher.launch(name="elsewhere", flavorRef=wanted, volumes=volumes_for(cloud))
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    attempts = attempts_of(launch)
    require(len(attempts) <= MOST_ATTEMPTS, f"{MOST_ATTEMPTS} attempts at most", f"{len(attempts)}", launch.boot.fact)
    if launch.status == "ACTIVE":
        landed = host_of(admin, launch.server_id)
        require(landed != roomiest, f"any host but {roomiest}, which is full", landed, launch.boot.fact, *launch.views[-1:])
        return
    message = str((launch.final.get("fault") or {}).get("message", ""))
    retried = launch.status == "ERROR" and message.startswith("Exceeded maximum number of retries")
    require(retried, "ACTIVE elsewhere, or ERROR after retries", f"{launch.status}: {message}", launch.boot.fact, *launch.views[-1:])
    must_leave_nothing(cloud, launch)


@check(
    "S18.C3", "Q", given="a boot", when="notifications are looked at", needs=("notification",),
    then="one create.start in each format, after the launch message and before any of the server's ports is told of",
)  # fmt: skip
def start_is_told_once(cloud: Cloud) -> None:
    """The compute says once that it begins, before it does anything about the network."""
    for seen in crowded(cloud):
        _told_once(seen)


def _told_once(seen: Traffic) -> None:
    told = seen.notifications(*CREATE_START)
    formats = Counter(one.name for one in told)
    tried = max(len({addressee(message) for message in seen.launches}), 1)
    require(told, "a notification create.start", "there is none", seen.launch.boot.fact)
    for name, count in formats.items():
        require(count == tried, f"{name} {tried} time(s), as that many hosts tried", f"{count} times", *told)
    about_ports = seen.evidence.those("notification", name=lambda name: name.startswith("port."))
    ports = [one for one in about_ports if seen.server_ids & one.server_ids]
    first = min(told, key=lambda one: one.start)
    for message in seen.launches[:1]:
        if comparable(message, first):
            require(message.start <= first.start, f"{first.name} after {message.name}", "before it", message, first)
    for port in ports:
        if comparable(port, first):
            require(first.start <= port.start, f"{first.name} before {port.name}", "after it", first, port)


@check(
    "S18.C4", "A", given="a boot", when="the hypervisors' usage is looked at before, after, and after the deletion", needs=("admin",),
    then="one host's usage rises by the flavor, once, and falls back", alone=True,
)  # fmt: skip
def usage_moves(cloud: Cloud) -> None:
    """What a server takes is counted at its host as long as it is there, once."""
    before, flavor = _usage(cloud), cloud.flavor()
    launch = cloud.launcher.launch(name="counted").must_be_active()
    host = host_of(cloud.admin, launch.server_id)
    disk = flavor["disk"] + flavor.get("OS-FLV-EXT-DATA:ephemeral", 0) + -(-int(flavor.get("swap") or 0) // 1024)
    taken = (flavor["vcpus"], flavor["ram"], disk)
    wanted = {name: _sum(used, taken) if name == host else used for name, used in before.items()}
    during = _settled(cloud, wanted)
    require(during == wanted, f"{host} uses {taken} more", f"{during.get(host)} after {before.get(host)}", launch.boot.fact)
    cloud.launcher.gone(launch)
    after = _settled(cloud, before)
    require(after == before, f"{host} uses {before.get(host)} again", after.get(host), launch.boot.fact)


def _usage(cloud: Cloud) -> dict[str, tuple[int, ...]]:
    return {host: tuple(one[name] for name in USED) for host, one in hypervisors(cloud.admin).items()}


def _sum(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _settled(cloud: Cloud, wanted: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The usage, as soon as it is what it is to be: a compute may report from time to time."""
    seconds = 2.0 if cloud.is_mock else 90.0
    eventually(lambda: cloud.admin.get("compute", "/os-hypervisors", version=HYPERVISORS), lambda _: _usage(cloud) == wanted, seconds)
    return _usage(cloud)
