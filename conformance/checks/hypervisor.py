"""S28: the guest runs, the server is ACTIVE, and everybody was told; or it is not, and nothing is left."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.endings import allocations, eventually, must_be_attached, must_fail, must_follow, must_leave_nothing, must_show_its_ports
from conformance.evidence import Fact
from conformance.launch import Launch
from conformance.machinery import until_hosts_report
from conformance.mishaps import failing, hurry, volumes_for
from conformance.registry import SHOULD, NotObservable, Unsupported, check, require
from conformance.shared_launches import crowd
from conformance.situations import moment

TASKS = ("scheduling", None, "networking", "block_device_mapping", "spawning", None)
ATTEMPTS = 3
L2_AGENTS = ("neutron-ovs-agent", "neutron-openvswitch-agent", "neutron-linuxbridge-agent", "ovn-controller")
PLUGGING_TIMEOUT = 300.0  # seconds: nova's default
AFTER_LAUNCH = 5.0  # seconds between launched_at and the event's end


def task_states(launch: Launch) -> list[str | None]:
    return [fact.get("OS-EXT-STS:task_state") for fact in launch.views if fact.get("http_status") == 200]


def compute_events(launch: Launch) -> list[dict[str, Any]]:
    """Of the one action `create`: one for each compute that tried, the first first."""
    created = [action for action in launch.actions if action["action"] == "create"]
    require(len(created) == 1, "one action create", [action["action"] for action in launch.actions], launch.boot.fact)
    listed = reversed(created[0].get("events") or [])  # nova lists the latest first; times may be whole seconds
    return sorted((event for event in listed if event["event"].startswith("compute")), key=lambda event: str(event["start_time"]))


@check(
    "S28.C1", "B", given="a launch with image, network and volume", when="it is over",
    then="ACTIVE, vm_state active, task_state null, power_state 1, launched_at not before created; as admin: a name at the hypervisor",
)  # fmt: skip
def active(cloud: Cloud) -> None:
    """A launched server runs, and says since when."""
    launch = cloud.golden.must_be_active()
    server, last = launch.final, launch.views[-1:]
    for name, wanted in (("vm_state", "active"), ("task_state", None), ("power_state", 1)):
        require(server.get(f"OS-EXT-STS:{name}") == wanted, f"{name} {wanted}", server.get(f"OS-EXT-STS:{name}"), *last)
    launched = server.get("OS-SRV-USG:launched_at")
    require(launched, "launched_at", launched, *last)
    require(moment(str(launched)) >= moment(server["created"]), f"launched_at from {server['created']} on", launched, *last)
    if "admin" in cloud.people:
        shown = cloud.admin.get("compute", f"/servers/{launch.server_id}")
        named = shown.body["server"].get("OS-EXT-SRV-ATTR:instance_name")
        require(named, "an instance_name", named, shown.fact)


@check(
    "S28.C2", "B", given="a launch", when="the server is polled as often as the cloud answers",
    then="task states in the order scheduling, null, networking, block_device_mapping, spawning, null; any may be missed",
)  # fmt: skip
def tasks_in_order(cloud: Cloud) -> None:
    """A server that is being built goes through its tasks in their order, and never back."""
    launch = cloud.golden.must_be_active()
    must_follow(task_states(launch), TASKS, "task states", launch)


@check(
    "S28.C3", "H", needs=("network", "faults"), dialects=("cells_v2",), alone=True, given="an agent that wires no port",
    when="a server with a network and a volume is launched", then="not ACTIVE; ERROR after vif_plugging_timeout, and nothing is left",
)  # fmt: skip
def waits_for_the_network(cloud: Cloud) -> None:
    """A guest does not run before neutron says that its port is plugged."""
    agents = [name for name in cloud.control.workers() if name.partition("@")[0].partition(".")[0] in L2_AGENTS]
    if not agents:
        raise Unsupported("no L2 agent can be stopped on this cloud")
    volumes = volumes_for(cloud)
    with ExitStack() as stack:
        for agent in agents:
            stack.enter_context(cloud.control.without_worker(agent))
        launch = cloud.launcher.launch(volumes=volumes, wait=False)
        _stays_in_spawning(launch)
        hurry(cloud, launch, PLUGGING_TIMEOUT + 1, jumps=10)  # the wait may begin after the first
    until_hosts_report(cloud)
    must_fail(launch)
    must_leave_nothing(cloud, launch)


def _show(launch: Launch) -> Exchange:
    return launch.person.get("compute", f"/servers/{launch.server_id}")


def _state(shown: Exchange) -> tuple[str, str | None]:
    server = (shown.body or {}).get("server", {})
    return str(server.get("status", "")), server.get("OS-EXT-STS:task_state")


def _stays_in_spawning(launch: Launch) -> None:
    shown = eventually(lambda: _show(launch), lambda s: _state(s) == ("BUILD", "spawning") or _state(s)[0] != "BUILD")
    for _ in range(5):
        require(_state(shown)[0] == "BUILD", "BUILD while the port is not plugged", _state(shown)[0], shown.fact)
        time.sleep(0.05)
        shown = _show(launch)


@check(
    "S28.C4", "H", needs=("faults",), given="a hypervisor that fails to spawn, and another one",
    when="a server with network and volume is launched",
    then="ACTIVE on the other host; one port, one attachment, one allocation; one action create with two events of computes",
)  # fmt: skip
def another_host(cloud: Cloud) -> None:
    """A launch that one host cannot do is done by another, and nothing is left at the first."""
    with failing(cloud, 28, count=1, volumes=volumes_for(cloud)) as launch:
        launch.must_be_active()
    events = compute_events(launch)
    hosts = [event.get("hostId") for event in events]
    require(len(events) == 2 and hosts[0] != hosts[1], "events of two computes", hosts, launch.boot.fact)
    require(launch.final["hostId"] == hosts[1], f"hostId {hosts[1]}", launch.final["hostId"], *launch.views[-1:])
    require(len(launch.ports) == 1, "one port", f"{len(launch.ports)} ports", launch.boot.fact)
    must_show_its_ports(launch)
    for volume_id in launch.volumes:
        must_be_attached(launch, cloud.member.get("volume", f"/volumes/{volume_id}").body["volume"])
    if "admin" in cloud.people and cloud.admin.has("placement"):
        held = allocations(cloud, launch.server_id)
        require(len(held) == 1, "an allocation at one resource provider", f"{len(held)} of them", launch.boot.fact)


@check(
    "S28.C5", "H", needs=("faults",), given="hypervisors that all fail to spawn", when="a server with network and volume is launched",
    then="ERROR after three attempts at most, one fault; no port and no allocation, the volume is free; it can be deleted",
)  # fmt: skip
def no_host_at_all(cloud: Cloud) -> None:
    """A launch that no host can do ends in ERROR after a few attempts, and leaves nothing."""
    with failing(cloud, 28, volumes=volumes_for(cloud)) as launch:
        must_fail(launch)
    tried = len(compute_events(launch))
    require(1 <= tried <= ATTEMPTS, f"1 to {ATTEMPTS} attempts", tried, launch.boot.fact)
    must_leave_nothing(cloud, launch)
    cloud.launcher.gone(launch)


@check(
    "S28.C6", "Q", needs=("notification",), given="notifications", when="a server is launched",
    then="create.start and create.end of the server once each, in this order, of an active server at the end; no create.error",
)  # fmt: skip
def told_once(cloud: Cloud) -> None:
    """Everybody is told once that a launch has begun, and once that it has ended."""
    launch = cloud.golden.must_be_active()
    told = [f for f in launch.evidence.those("notification") if launch.server_id in f.server_ids and ".create." in f".{f.name}"]
    told = [f for f in told if f.name.startswith(("compute.instance.", "instance."))]
    if not any(launch.evidence.those("notification", name=lambda name: "instance." in name)):
        raise NotObservable("nova sends no notifications")
    for form in sorted({str(f.get("format")) for f in told}) or ["any"]:
        mine = sorted((f for f in told if str(f.get("format")) == form), key=lambda f: f.start)
        names = [f.name.rpartition("create.")[2] for f in mine]
        require(names == ["start", "end"], f"create.start, create.end ({form})", names, *mine)
        state = _told_state(mine[-1])
        require(state in ("active", None), "an active server at create.end", state, mine[-1])


def _told_state(fact: Fact) -> str | None:
    payload = fact.get("payload") or {}
    state = payload.get("nova_object.data", payload).get("state")
    return str(state).lower() if state else None


@check(
    "S28.C7", "B", given="an ACTIVE server", when="GET its action create (2.51)",
    then="the compute's event: result Success, begun before it ended, ended when the server was launched or just after",
)  # fmt: skip
def event_is_closed(cloud: Cloud) -> None:
    """The compute closes its event of the launch when the server runs."""
    launch = cloud.golden.must_be_active()
    events = compute_events(launch)
    require(events, "an event of the compute", "none", launch.boot.fact)
    last = events[-1]
    require(last.get("result") == "Success", "result Success", last.get("result"), launch.boot.fact)
    require(last.get("finish_time"), "a finish_time", last, launch.boot.fact)
    begun, ended = moment(last["start_time"]), moment(last["finish_time"])
    require(begun <= ended, "start_time <= finish_time", f"{begun} and {ended}", launch.boot.fact)
    late = (ended - moment(launch.final["OS-SRV-USG:launched_at"])).total_seconds()
    require(-1 <= late <= AFTER_LAUNCH, f"finish_time within -1 to {AFTER_LAUNCH:.0f} s of launched_at", f"{late:.1f} s", launch.boot.fact)


@check(
    "S28.C8",
    "B",
    level=SHOULD,
    given="an ACTIVE server",
    when="its console output is asked for",
    then="there is a guest, which says something",
)
def guest_answers(cloud: Cloud) -> None:
    """Behind an ACTIVE server is a guest."""
    launch = cloud.golden.must_be_active()
    path = f"/servers/{launch.server_id}/action"

    def look() -> Exchange:
        return launch.person.post("compute", path, json={"os-getConsoleOutput": {"length": 50}})

    shown = eventually(look, lambda s: s.status == 200 and s.body.get("output"), 2.0 if cloud.is_mock else 60.0)
    if shown.status in (400, 501):
        raise Unsupported(f"this hypervisor gives no console output: {shown}")
    require(shown.status == 200, "200 for a guest that runs", shown, shown.fact)
    if not shown.body.get("output"):
        raise NotObservable("the guest says nothing on its console: its image may be empty")


@check(
    "S28.C9", "B", needs=("network",), alone=True, given="20 launches at once (fewer elsewhere), some with volumes",
    when="they are over", then="all ACTIVE, each with its own port, addresses and volume, its tasks in order, nothing of another project's",
)  # fmt: skip
def crowd_of_servers(cloud: Cloud) -> None:
    """Launches at the same time do not get in each other's way."""
    many = crowd(cloud)
    for launch in (*many.own, *many.others):
        launch.must_be_active()
        whose = launch.final["tenant_id"], launch.final["user_id"]
        who = launch.person.project_id, launch.person.user_id
        require(whose == who, f"project and user {who}", whose, *launch.views[-1:])
        require(len(launch.ports) == 1, "one port each", f"{len(launch.ports)} ports", launch.boot.fact)
        must_show_its_ports(launch)
        for volume_id in launch.volumes:
            last = [f for f in launch.facts if f.name == "volume" and f.get("id") == volume_id][-1]
            must_be_attached(launch, dict(last.attributes))
        if len(compute_events(launch)) == 1:  # a launch that went to another host begins anew
            must_follow(task_states(launch), TASKS, "task states", launch)
