"""S11: what the scheduler answers, and what becomes of a server that it has no host for."""

from __future__ import annotations

import hashlib

from conformance.checks.choice import must_be_without_host
from conformance.cloud import Cloud
from conformance.endings import port_is_free, volume_is_free
from conformance.machinery import attempts_of, host_of, hypervisors, unplaceable
from conformance.registry import NotObservable, Unsupported, check, require
from conformance.traffic import host_of as addressee
from conformance.traffic import traffic, winner

FAILED_EVENTS = {"classic": "schedule", "cells_v2": "conductor_schedule_and_build_instances"}
ALTERNATES = 2


@check(
    "S11.C1", "A", given="a boot", when="the scheduler's answer, the message to the compute and the server's host are compared",
    then="all name the same host", needs=("rpc.publish", "admin"),
)  # fmt: skip
def one_host(cloud: Cloud) -> None:
    """The host that the scheduler names is the host that is told, and the host that the server is on."""
    seen, launch = traffic(cloud), cloud.golden
    require(seen.launches, "a message that launches the server", "there is none")
    named, reply = winner(seen)
    first, last = seen.launches[0], seen.launches[-1]
    if reply is not None:
        require(named == addressee(first), f"the launch goes to {named}", addressee(first), reply, first)
    host = host_of(cloud.admin, launch.server_id)
    require(host == addressee(last), f"the server is on {addressee(last)}", host or "no host", last)


@check(
    "S11.C2", "B", given="a boot", when="hostId is looked at again and again",
    then="empty, then one value: the hash of project and host, as an admin sees it",
)  # fmt: skip
def host_id(cloud: Cloud) -> None:
    """hostId is empty first and then one value, made of the project and the host."""
    launch = cloud.golden.must_be_active()
    shown = [str(view.get("hostId") or "") for view in launch.views]
    values = list(dict.fromkeys(value for value in shown if value))
    attempts = max(len(attempts_of(launch)), 1)
    require(len(values) <= attempts, f"{attempts} hostId(s)", f"{len(values)}: {', '.join(v[:8] for v in values)}", *launch.views[-2:])
    require(shown[-1], "a hostId of an ACTIVE server", "it is empty", *launch.views[-1:])
    if attempts == 1:
        require("" not in shown[shown.index(values[0]) :], "it stays", "it became empty again", *launch.views)
    if "admin" in cloud.people:
        host = host_of(cloud.admin, launch.server_id)
        wanted = hashlib.sha224((cloud.member.project_id + host).encode()).hexdigest()
        require(shown[-1] == wanted, f"SHA-224 of project and {host}: {wanted}", shown[-1], *launch.views[-1:])


@check(
    "S11.C3", "B", given="no host for a server (S10.C1)", when="it is shown, its actions are shown, it is deleted",
    then="a fault; one action create, whose event of the choice ended with Error; then 404",
)  # fmt: skip
def failure_is_told(cloud: Cloud) -> None:
    """A server without a host says why, keeps the action that made it, and can be deleted."""
    launch = unplaceable(cloud)
    must_be_without_host(launch)
    created = [action for action in launch.actions if action["action"] == "create"]
    require(len(created) == 1, "one action create", [action["action"] for action in launch.actions], launch.boot.fact)
    events = created[0].get("events") or []
    name = FAILED_EVENTS[cloud.dialect]
    failed = [event for event in events if event["event"] == name]
    require(failed and failed[0]["result"] == "Error", f"event {name} with result Error", events, launch.boot.fact)
    cloud.launcher.gone(launch)
    shown = launch.person.get("compute", f"/servers/{launch.server_id}")
    require(shown.status == 404, "404 after the deletion", shown, shown.fact)


@check(
    "S11.C4", "F", given="three or more hosts that fit", when="the scheduler's answer to a boot is looked at",
    then="a winner and two alternates, all different, in one cell", needs=("rpc.reply", "admin"), dialects=("cells_v2",),
)  # fmt: skip
def alternates(cloud: Cloud) -> None:
    """The scheduler names other hosts to try, in the winner's cell."""
    fit = len(hypervisors(cloud.admin))
    if fit < 2:
        raise Unsupported("this cloud has one host: there is nothing to choose from")
    _, reply = winner(traffic(cloud))
    if reply is None:
        raise NotObservable("the scheduler's answer was not seen")
    answer = (reply.get("result") or [[]])[0]
    chosen = [one.get("nova_object.data", one) for one in answer]
    hosts = [one["service_host"] for one in chosen]
    wanted = min(fit, 1 + ALTERNATES)
    require(len(hosts) == wanted if cloud.is_mock else len(hosts) > 1, f"{wanted} hosts", hosts, reply)
    require(len(set(hosts)) == len(hosts), "different hosts", hosts, reply)
    cells = {one["cell_uuid"] for one in chosen}
    require(len(cells) == 1, "one cell", sorted(cells), reply)


@check(
    "S11.C5", "B", given="no host for a server with a volume and a given port", when="both are shown; the server is deleted",
    then="the port is untouched; the volume available, or reserved until the deletion (cells_v2)", needs=("volume", "network"),
)  # fmt: skip
def nothing_is_taken(cloud: Cloud) -> None:
    """A server without a host leaves port and volume as they were, at the latest when it is deleted."""
    person = cloud.member
    port = cloud.resources.port(person, cloud.network()["id"])["id"]
    volume = cloud.resources.volume(person)
    launch = unplaceable(cloud, networks=[{"port": port}], volumes=[volume])
    must_be_without_host(launch)
    port_is_free(cloud, port)
    shown = person.get("volume", f"/volumes/{volume}")
    allowed = ("available",) if cloud.dialect == "classic" else ("available", "reserved")
    require(shown.body["volume"]["status"] in allowed, f"volume {' or '.join(allowed)}", shown.body["volume"]["status"], shown.fact)
    cloud.launcher.gone(launch)
    port_is_free(cloud, port)
    volume_is_free(cloud, volume)
