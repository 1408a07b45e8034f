"""S14 to S17: what computes ask the conductor, and what it does for them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from conformance.cloud import Cloud
from conformance.endings import must_leave_nothing
from conformance.evidence import Fact
from conformance.launch import new_global_id
from conformance.machinery import attempts_of, deleted_meanwhile, hurried, patience, status_of, task_of, watch, without, workers
from conformance.mishaps import failing, volumes_for
from conformance.registry import SHOULD, NotObservable, Unsupported, check, require
from conformance.traffic import Traffic, comparable, crowded, must_be_seen_as, must_be_the_callers, traffic

HELD = 0.4  # seconds that a step is held back
RPC_TIMEOUT = 60.0
OTHERS = ("glance", "neutron", "cinder", "image", "network", "block-storage", "volumev3")
TASKS = ("scheduling", None, "networking", "block_device_mapping", "spawning", None)
DIAGNOSTICS = "2.48"


def about_the_server(seen: Traffic) -> list[Fact]:
    """Calls of computes that name the server."""
    return [call for call in seen.conductor_calls if seen.server_ids & call.server_ids]


@check(
    "S14.C1", "Q", given="a boot", when="messages between the compute's queue and its first call to another service are looked at",
    then="the compute asks the conductor about this server", needs=("rpc.publish",),
)  # fmt: skip
def conductor_is_asked(cloud: Cloud) -> None:
    """The compute asks the conductor about the server before it turns to image, network and volume."""
    seen = traffic(cloud)
    asked = about_the_server(seen)
    require(asked, "a message of the compute to the conductor, about this server", "there is none", *seen.launches)
    calls = [f for f in seen.evidence.those("http.client", actor="nova-compute") if f.get("callee") in OTHERS]
    for call in calls[:1]:
        if comparable(asked[0], call):
            require(asked[0].start <= call.start, f"{asked[0].name} before {call.name}", "after it", asked[0], call)


@check(
    "S14.C2", "Q", given="messages of a compute to the conductor", when="they are looked at", then="calls, each with a reply queue",
    needs=("rpc.publish",),
)  # fmt: skip
def conductor_is_called(cloud: Cloud) -> None:
    """The compute waits for what the conductor says: it calls."""
    asked = [call for call in about_the_server(traffic(cloud)) if call.name != "build_instances"]
    require(asked, "a message of the compute to the conductor, about this server", "there is none")
    for message in asked:
        require(must_be_seen_as(message, call=True), f"{message.name} is a call", "a cast", message)
        if "reply_q" in message.attributes:
            require(message.get("reply_q"), "it names a reply queue", "it names none", message)


@check(
    "S14.C3", "H", given="no conductor takes messages when the compute begins", when="a boot", needs=("faults",), alone=True,
    then="it never comes to networking: the computes have no other way to the database",
)  # fmt: skip
def no_conductor(cloud: Cloud) -> None:
    """Without a conductor no server is built: computes do not write to the database themselves."""
    request_id = new_global_id()
    with ExitStack() as stack:
        try:  # so that it has got to its compute when the conductor goes
            stack.enter_context(cloud.control.fault(13, "delay", seconds=2 * HELD, request_id=request_id))
        except Unsupported:
            stack.enter_context(without(cloud, "nova-conductor"))
        launch = cloud.launcher.launch(name="unconducted", wait=False, global_request_id=request_id)
        if not launch.server_id:
            require(cloud.dialect == "classic" and launch.boot.status >= 500, "202, or a server error", launch.boot, launch.boot.fact)
            return
        time.sleep(HELD)
        with without(cloud, "nova-conductor"):
            looks = watch(cloud, launch, lambda shown: status_of(shown) != "BUILD", 2 * HELD if cloud.is_mock else 15.0)
            for look in looks:
                require(status_of(look) in ("BUILD", "ERROR"), "BUILD or ERROR without a conductor", status_of(look), look.fact)
                require(task_of(look) in ("scheduling", None), "task_state scheduling", task_of(look), look.fact)
        watch(cloud, launch, lambda shown: status_of(shown) != "BUILD", patience(cloud, 120.0))  # so that it can be deleted


@check(
    "S14.C4", "Q", given="messages of a compute to the conductor", when="their context is looked at", needs=("rpc.publish",),
    then="request id, user and project of the boot",
)  # fmt: skip
def callers_context(cloud: Cloud) -> None:
    """What the compute asks, it asks in the name and under the request id of who asked for the server."""
    launch, seen = cloud.golden, traffic(cloud)
    asked = about_the_server(seen)
    require(asked, "a message of the compute to the conductor, about this server", "there is none")
    ids = {launch.request_id, launch.global_request_id} - {""}
    require(asked[0].request_ids & ids, f"request id {launch.request_id}", sorted(asked[0].request_ids), asked[0])
    for message in asked:
        if message.request_ids & ids:  # others have requests of their own: neutron tells nova of the port, and that is told on
            must_be_the_callers(cloud, message)


def _handled_once(seen: Traffic) -> set[str]:
    """Hosts of the conductors that took the calls."""
    hosts = set()
    for call in seen.conductor_calls:
        takers = [taken for taken in seen.deliveries(call) if not taken.get("redelivered")]
        require(len(takers) == 1, f"one conductor takes {call.name}", f"{len(takers)} did", call, *takers)
        require(takers[0].actor in ("", "nova-conductor"), f"nova-conductor takes {call.name}", takers[0].actor, call, *takers)
        hosts.add(takers[0].host)
    return hosts


@check(
    "S15.C1", "F", given="a boot", when="it is looked who takes the calls of S14", then="nova-conductor, each once",
    needs=("rpc.publish", "rpc.deliver"),
)  # fmt: skip
def conductor_takes_it(cloud: Cloud) -> None:
    """Each call of a compute is taken by one nova-conductor."""
    seen = traffic(cloud)
    require(seen.conductor_calls, "calls of the compute to the conductor", "there are none")
    _handled_once(seen)


@check(
    "S15.C2", "H", given="a build that has begun", when="the conductor dies and comes back", then="ACTIVE or ERROR within the time-outs",
    needs=("faults",), alone=True,
)  # fmt: skip
def conductor_restarts(cloud: Cloud) -> None:
    """A build outlives the death of its conductor, or fails; it does not hang."""
    request_id = new_global_id()
    names = workers(cloud, "nova-conductor")
    try:
        with cloud.control.fault(16, "delay", seconds=3 * HELD, request_id=request_id):
            launch = cloud.launcher.launch(name="restarted", wait=False, global_request_id=request_id)
            time.sleep(1.5 * HELD)
    except Unsupported:  # then it dies whenever it dies
        launch = cloud.launcher.launch(name="restarted", wait=False)
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    for name in names:
        cloud.control.stop_worker(name)
    for name in names:
        cloud.control.start_worker(name)
    with hurried(cloud, 30.0) as speed:
        looks = watch(cloud, launch, lambda shown: status_of(shown) in ("ACTIVE", "ERROR"), 3 * RPC_TIMEOUT / speed + patience(cloud))
    require(status_of(looks[-1]) in ("ACTIVE", "ERROR"), "ACTIVE or ERROR", status_of(looks[-1]), looks[-1].fact)


@check(
    "S15.C3", "F", level=SHOULD, given="boots at the same time", when="it is looked who takes their calls",
    then="none is handled twice; where there are several conductors, work spreads", needs=("rpc.publish", "rpc.deliver"),
)  # fmt: skip
def conductors_share(cloud: Cloud) -> None:
    """However many conductors there are, each call is handled once, and none is left without work."""
    hosts: set[str] = set()
    for seen in crowded(cloud):
        hosts |= _handled_once(seen)
    if "admin" in cloud.people:
        listed = cloud.admin.get("compute", "/os-services", params={"binary": "nova-conductor"})
        alive = {one["host"] for one in (listed.body or {}).get("services", ()) if one["state"] == "up"}
        if len(alive) > 1 and all(hosts):
            require(len(hosts) > 1, f"work for more than one of {sorted(alive)}", f"all was done on {sorted(hosts)}", listed.fact)


@check(
    "S16.C1", "B", given="a boot, held back at some steps where that can be done", when="task_state is polled",
    then="scheduling is left for null or a later state, and nothing comes back",
)  # fmt: skip
def tasks_go_on(cloud: Cloud) -> None:
    """A server's task goes forward: what was left is not entered again."""
    launch = cloud.golden
    try:
        request_id = new_global_id()
        with (
            cloud.control.fault(22, "delay", seconds=HELD / 4, request_id=request_id),
            cloud.control.fault(28, "delay", seconds=HELD / 4, request_id=request_id),
        ):
            launch = cloud.launcher.launch(name="watched", global_request_id=request_id, volumes=volumes_for(cloud))
    except Unsupported:
        pass  # the launch that is there has been polled as well
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    seen = [(view.get("OS-EXT-STS:task_state"), view) for view in launch.views if view.get("http_status") == 200]
    place, attempts = 0, max(len(attempts_of(launch)), 1)
    for task, view in seen:
        if task == "scheduling" and attempts > 1:
            place = 0  # it went back to be built elsewhere
        require(task in TASKS, f"one of {', '.join(str(one) for one in TASKS[:-1])}", task, view)
        require(task in TASKS[place:], f"{TASKS[place]} or a later task", task, view)
        place = TASKS.index(task, place)


@check(
    "S16.C2", "A", given="a flavor that is deleted, and made anew with other values, after the 202", when="the server is shown",
    then="it has the values at the time of the request", needs=("admin",),
)  # fmt: skip
def flavor_is_copied(cloud: Cloud) -> None:
    """A server is built with the flavor as it was when it was asked for, whatever becomes of it."""
    admin, small = cloud.admin, cloud.flavor()
    wanted = {"vcpus": 1, "ram": small["ram"], "disk": max(small["disk"], 1)}
    flavor = cloud.resources.flavor(admin, **wanted)
    request_id = new_global_id()

    def boot_and_change() -> Any:
        launch = cloud.launcher.launch(name="copied", flavorRef=flavor, wait=False, global_request_id=request_id)
        gone = admin.delete("compute", f"/flavors/{flavor}")
        require(gone.status == 202, "202 to the flavor's deletion", gone, gone.fact)
        cloud.resources.forget(f"/flavors/{flavor}")
        cloud.resources.flavor(admin, vcpus=2, ram=wanted["ram"] + 64, disk=wanted["disk"], id=flavor)
        return launch

    try:
        with cloud.control.fault(13, "delay", seconds=HELD, request_id=request_id):
            launch = boot_and_change()
    except Unsupported:
        launch = boot_and_change()
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    shown = cloud.launcher.follow(launch).must_be_active().final["flavor"]
    mine = {name: shown.get(name) for name in wanted}
    require(mine == wanted, f"the flavor as it was, {wanted}", mine, launch.boot.fact, *launch.views[-1:])
    guest = _guest(cloud, launch.server_id)
    if guest:
        require(guest[0] == wanted["vcpus"], f"a guest of {wanted['vcpus']} CPU", f"{guest[0]}", launch.boot.fact)


def _guest(cloud: Cloud, server_id: str) -> tuple[int, int] | None:
    """CPUs and MiB of the guest, where an admin may ask the hypervisor."""
    if "admin" not in cloud.people:
        return None
    shown = cloud.admin.get("compute", f"/servers/{server_id}/diagnostics", version=DIAGNOSTICS)
    if shown.status != 200:
        return None
    cpus, memory = shown.body.get("num_cpus"), (shown.body.get("memory_details") or {}).get("maximum")
    return (cpus, memory) if cpus and memory else None


@check(
    "S16.C3", "B", given="a build that has begun", when="the server is deleted before the conductor reads (classic) or saves it",
    then="the build stops: no ACTIVE, nothing left",
)  # fmt: skip
def deleted_while_building(cloud: Cloud) -> None:
    """A server that is deleted while its build begins is not built to the end, and leaves nothing."""
    if cloud.dialect == "classic":
        deleted_meanwhile(cloud, 16, "overtaken")
    elif cloud.has_volumes:  # the conductor saves again and again
        deleted_meanwhile(cloud, 25, "overtaken", "block_device_mapping")
    else:
        deleted_meanwhile(cloud, 22, "overtaken", "networking")


def _flavor_in(data: dict[str, Any]) -> dict[str, Any]:
    """What a server's data on the bus says of its size, whichever dialect's form it has."""
    data = data.get("nova_object.data", data)
    flavor = data.get("flavor") or {}
    flavor = flavor.get("nova_object.data", flavor)
    names = ("uuid", "project_id", "memory_mb", "vcpus", "root_gb")
    return {name: flavor.get(name, data.get(name)) if name in ("memory_mb", "vcpus", "root_gb") else data.get(name) for name in names}


@check(
    "S17.C1", "F", given="a boot", when="what the compute is told of the server is looked at", needs=("rpc.reply|rpc.publish",),
    then="uuid, project and size are those of the server: in the conductor's reply (classic), in the launch message (cells_v2)",
)  # fmt: skip
def data_is_right(cloud: Cloud) -> None:
    """The compute is told of the server that it is to build, of its project and its size."""
    seen, launch, flavor = traffic(cloud), cloud.golden, cloud.flavor()
    wanted = {
        "uuid": launch.server_id, "project_id": cloud.member.project_id,
        "memory_mb": flavor["ram"], "vcpus": flavor["vcpus"], "root_gb": flavor["disk"],
    }  # fmt: skip
    if cloud.dialect == "classic":
        calls = [call for call in about_the_server(seen) if call.name == "instance_get_by_uuid"]
        told = next((reply for call in calls if (reply := seen.reply(call))), None)
        data = told.get("result") if told else None
    else:
        told = seen.launches[0] if seen.launches else None
        data = (told.get("args") or {}).get("instance") if told else None
    if not isinstance(data, dict) or told is None:
        raise NotObservable("no source showed what the compute was told")
    mine = _flavor_in(data)
    require(mine == wanted, f"{wanted}", mine, told)


@check(
    "S17.C2", "B", given="two flavors", when="a boot of each at the same time",
    then="each server, and each guest, has its own flavor's values",
)  # fmt: skip
def each_its_own(cloud: Cloud) -> None:
    """Servers that are built at the same time do not get each other's flavor."""
    listed = cloud.member.get("compute", "/flavors/detail").body["flavors"]
    least = cloud.flavor()
    others = [f for f in listed if f["id"] != least["id"] and f["ram"] > least["ram"] and f["disk"] >= least["disk"]]
    if not others:
        raise Unsupported("there is no second flavor")
    flavors = [least, min(others, key=lambda f: (f["vcpus"], f["ram"], f["disk"]))]
    launches = [cloud.launcher.launch(name="sized", wait=False, flavorRef=flavor["id"]) for flavor in flavors]
    for launch, flavor in zip(launches, flavors, strict=True):
        require(launch.server_id, "202", launch.boot, launch.boot.fact)
        shown = cloud.launcher.follow(launch).must_be_active().final["flavor"]
        wanted = {name: flavor[name] for name in ("vcpus", "ram", "disk")}
        mine = {name: shown.get(name) for name in wanted}
        require(mine == wanted, f"{wanted}", mine, launch.boot.fact, *launch.views[-1:])
    guests = [_guest(cloud, launch.server_id) for launch in launches]
    if guests[0] == guests[1]:
        return  # nobody may ask the hypervisor, or it says the same of every guest
    for launch, flavor, guest in zip(launches, flavors, guests, strict=True):
        size = (flavor["vcpus"], flavor["ram"])
        fits = guest is None or (guest[0] == size[0] and guest[1] in (size[1], size[1] * 1024))
        require(fits, f"a guest of {size}", guest, launch.boot.fact)


@check(
    "S17.C3", "H", given="a conductor that answers the compute with an error", when="a boot", needs=("faults",),
    then="ERROR with a fault, and nothing left; or ACTIVE after another attempt",
)  # fmt: skip
def error_is_heard(cloud: Cloud) -> None:
    """A compute that gets an error for an answer does not go on as if nothing had been."""
    with failing(cloud, 16, count=1, name="refused", volumes=volumes_for(cloud)) as launch:
        require(launch.server_id, "202", launch.boot, launch.boot.fact)
        if launch.status == "ACTIVE":
            attempts = len(attempts_of(launch))
            require(attempts > 1, "ERROR, or another attempt", "ACTIVE at the first", launch.boot.fact, *launch.views[-1:])
            return
        require(launch.status == "ERROR", "ERROR", launch.status or "no server", *launch.views[-1:])
        fault = launch.final.get("fault") or {}
        require(fault.get("message"), "a fault with a message", fault or "none", *launch.views[-1:])
        if cloud.dialect == "cells_v2":  # nova-api's reservation stands until then, as it does without a host
            cloud.launcher.gone(launch)
        must_leave_nothing(cloud, launch)
