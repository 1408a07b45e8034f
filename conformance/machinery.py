"""Nova's inside on any cloud: servers watched, hosts as an admin sees them, workers that are stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from conformance.client import Exchange, Person
from conformance.cloud import Cloud
from conformance.endings import ALLOCATIONS, must_leave_nothing
from conformance.launch import EVENTS, Launch, new_global_id
from conformance.mishaps import volumes_for
from conformance.registry import Broken, NotObservable, Unsupported, Violation, require
from conformance.situations import servers_named

HYPERVISORS = "2.53"  # the last version but few that shows what hosts have in use
BUILDING = ("networking", "block_device_mapping", "spawning")
HELD = 0.3  # seconds that a step is held back
TOO_BIG = 5_000_000  # GB: no host has such a disk, and no quota counts it


# servers


def within_quota(launch: Launch) -> Launch:
    """Raises NotObservable for a launch that only the quota has refused."""
    if launch.boot.status == 403 and "uota" in launch.boot.content.decode(errors="replace"):
        raise NotObservable("the project's quota has no room for the servers that it takes")
    return launch


def several(cloud: Cloud, count: int, seconds: float | None = None, **server: Any) -> tuple[Launch, list[dict[str, Any]]]:
    """One POST for that many servers, and the servers as they are when none of them is in BUILD any more."""
    launch = within_quota(cloud.launcher.launch(name="several", wait=False, min_count=count, max_count=count, **server))
    if not launch.server_id:
        raise Violation(f"202 to a request for {count} servers", str(launch.boot), launch.boot.fact)
    deadline = time.monotonic() + (seconds or cloud.options.timeout)
    while True:
        servers = servers_named(cloud, launch.name)
        if (len(servers) >= count and all(one["status"] != "BUILD" for one in servers)) or time.monotonic() > deadline:
            return launch, servers
        time.sleep(0.05 if cloud.is_mock else 0.5)


def attempts_of(launch: Launch) -> list[dict[str, Any]]:
    """What computes did in the course of the launch: an event for each that tried, the first first."""
    events = [event for action in launch.actions if action["action"] == "create" for event in action.get("events") or ()]
    listed = reversed([event for event in events if str(event["event"]).startswith("compute")])  # nova lists the latest first
    return sorted(listed, key=lambda event: str(event["start_time"]))


def watch(cloud: Cloud, launch: Launch, ends: Callable[[Exchange], bool], seconds: float) -> list[Exchange]:
    """Looks at a server until a view is the last one, or for so long."""
    looks = []
    deadline = time.monotonic() + seconds
    while True:
        looks.append(launch.person.get("compute", f"/servers/{launch.server_id}", version=EVENTS))
        if ends(looks[-1]) or time.monotonic() > deadline:
            return looks
        time.sleep(0.01 if cloud.is_mock else 0.3)


def status_of(shown: Exchange) -> str:
    """A server's status in a view; DELETED where there is none any more."""
    return str(shown.body["server"]["status"]) if shown.status == 200 else "DELETED" if shown.status == 404 else str(shown.status)


def task_of(shown: Exchange) -> str | None:
    return shown.body["server"]["OS-EXT-STS:task_state"] if shown.status == 200 else None


def deleted_meanwhile(cloud: Cloud, step: int, name: str, task: str = "scheduling") -> None:
    """A server is deleted while its launch is held back at a step, in this task, or, where nothing can be held back, at once."""
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
        watch(cloud, launch, lambda shown: task_of(shown) == task or status_of(shown) != "BUILD", HELD)
        answer = launch.person.delete("compute", f"/servers/{launch.server_id}")
        require(answer.status == 204, "204 to the deletion", answer, answer.fact)
        looks = watch(cloud, launch, lambda shown: status_of(shown) == "DELETED", patience(cloud, 120.0))
        # a launch that goes on in spite of it would now come to its end
        looks += watch(cloud, launch, lambda shown: False, HELD + 0.2 if cloud.is_mock else 5.0)
    for look in looks:
        finished = status_of(look) == "ACTIVE" and task_of(look) != "deleting"
        require(not finished, "no ACTIVE after the deletion", "ACTIVE", look.fact)
        # a compute whose save was refused may save the task with the next one, which gives the host back: that build is over
        goes_on = task_of(look) in BUILDING and look.body["server"].get("hostId")
        require(not goes_on, "the build stops", f"task_state {task_of(look)} after the deletion", look.fact)
    require(status_of(looks[-1]) == "DELETED", "404 in the end", status_of(looks[-1]), looks[-1].fact)
    must_leave_nothing(cloud, launch)


def unplaceable(cloud: Cloud, **server: Any) -> Launch:
    """A launch for which there is no host: its image is of an architecture that no host has."""
    image = cloud.resources.image(cloud.member, hw_architecture="s390x" if _is_x86(cloud) else "x86_64")
    launch = cloud.launcher.launch(name="unplaceable", imageRef=image, **server)
    if not launch.server_id:
        raise Violation("202: the scheduler refuses, not the API", str(launch.boot), launch.boot.fact)
    return launch


def _is_x86(cloud: Cloud) -> bool:
    return str(cloud.image().get("hw_architecture") or cloud.image().get("architecture") or "x86_64").startswith(("x86", "i686"))


# hosts, as an admin sees them


def host_of(admin: Person, server_id: str) -> str:
    """The name of the server's host; empty while it has none."""
    shown = admin.get("compute", f"/servers/{server_id}", version=EVENTS)
    return str(shown.body["server"].get("OS-EXT-SRV-ATTR:host") or "") if shown.status == 200 else ""


def hypervisors(admin: Person) -> dict[str, dict[str, Any]]:
    """Hypervisors that are up and enabled, by their host's name."""
    shown = admin.get("compute", "/os-hypervisors/detail", version=HYPERVISORS)
    if shown.status != 200:
        raise Broken(f"the admin does not see the hypervisors: {shown}")
    return {one["service"]["host"]: one for one in shown.body["hypervisors"] if (one["state"], one["status"]) == ("up", "enabled")}


def free_disks(admin: Person) -> dict[str, tuple[int, int]]:
    """What placement would still give of each working host's disk: for all servers together, and for one; in GB, by host."""
    found = {}
    for host, one in hypervisors(admin).items():
        base = f"/resource_providers/{one['id']}"
        inventory = (admin.get("placement", f"{base}/inventories", version=ALLOCATIONS).body or {}).get("inventories", {}).get("DISK_GB")
        usages = (admin.get("placement", f"{base}/usages", version=ALLOCATIONS).body or {}).get("usages", {})
        if inventory is None:
            raise Unsupported(f"host {host} has no disk of its own in placement")
        capacity = math.floor((inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"])
        free = capacity - usages.get("DISK_GB", 0)
        found[host] = (free, min(free, inventory["max_unit"]))
    return found


def flavor_for_one(cloud: Cloud) -> tuple[str, int]:
    """A flavor so big that the roomiest host takes one server of it, and for how many servers there is room in all."""
    free = free_disks(cloud.admin)
    size = max(one for _, one in free.values())
    room = sum(total // size for total, one in free.values() if one >= size)
    smallest = cloud.flavor()
    return cloud.resources.flavor(cloud.admin, vcpus=1, ram=smallest["ram"], disk=size), room


# parts that fail


def workers(cloud: Cloud, service: str) -> list[str]:
    """Names of nova-scheduler's, nova-conductor's or nova-compute's workers at the fault hook."""
    names, hosts = list(cloud.control.workers()), cloud.discovery.get("hosts") or []
    short = service.removeprefix("nova-")
    mine = [name for name in names if name.partition(".")[0] in (service, short) or (service == "nova-compute" and name in hosts)]
    if not mine:
        raise Unsupported(f"the fault hook knows no {service}")
    return mine


@contextmanager
def without(cloud: Cloud, service: str) -> Iterator[Callable[[], None]]:
    """All workers of a service are dead until the block ends, or what it is given is called."""
    with ExitStack() as stack:
        for name in workers(cloud, service):
            stack.enter_context(cloud.control.without_worker(name))
        yield stack.close


@contextmanager
def hurried(cloud: Cloud, speed: float) -> Iterator[float]:
    """The cloud's own time-outs come so much sooner; gives by how much, which is 1 where the clock cannot be hurried."""
    with ExitStack() as stack:
        try:
            stack.enter_context(cloud.control.faster(speed))
        except Unsupported:
            speed = 1.0
        yield speed
    until_hosts_report(cloud)


def until_hosts_report(cloud: Cloud) -> None:
    """After time has gone fast: a host that could not keep up with it counts as dead until it reports again."""
    if "admin" not in cloud.people:
        return
    deadline = time.monotonic() + patience(cloud)
    while time.monotonic() < deadline:
        shown = cloud.admin.get("compute", "/os-services", params={"binary": "nova-compute"})
        services = (shown.body or {}).get("services", []) if shown.status == 200 else []
        if all(service["state"] == "up" for service in services):
            return
        time.sleep(0.1)


def patience(cloud: Cloud, seconds: float = 60.0) -> float:
    """How long to wait for what must come: a mock needs no such time."""
    return 10.0 if cloud.is_mock else min(seconds, cloud.options.timeout)
