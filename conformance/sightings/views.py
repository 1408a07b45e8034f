"""What a plain client, or an admin, sees by looking again and again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from conformance.evidence import Fact
from conformance.sightings import Found, Scan, Sighting, sees

Told = Callable[[Fact], str]


def _since(scan: Scan, event: str, what: str, holds: Callable[[Fact], object], told: Told, direct: bool) -> Iterator[Sighting]:
    """The first look at which it is so: it came to be after the look before, and by this one."""
    before = scan.boot.start if scan.boot.clock == "client" else -math.inf
    for fact in scan.those("view", name=what):
        if holds(fact):
            yield Sighting(event, fact, before, fact.end or fact.start, told(fact), direct)
            return
        before = fact.start


@sees("S07")
def first_view(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: it is there, in vm_state building."""

    def building(fact: Fact) -> bool:
        return fact.get("OS-EXT-STS:vm_state") == "building" or fact.get("status") in ("BUILD", "ACTIVE", "ERROR")

    yield from _since(scan, event, "server", building, lambda f: f"{f.get('status')}, task_state {f.get('OS-EXT-STS:task_state')}", True)


@sees("S10", "S11", "S18")
def host_id(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: hostId leaves empty."""
    yield from _since(scan, event, "server", lambda f: f.get("hostId"), lambda f: f"hostId {f.get('hostId')[:8]}…", False)


@sees("S10", "S11", "S18")
def host_shown(scan: Scan, event: str) -> Iterator[Found]:
    """Admin's view: the host's name."""

    def named(fact: Fact) -> object:
        return fact.get("OS-EXT-SRV-ATTR:host") and fact.source == "admin"

    yield from _since(scan, event, "server", named, lambda f: f"host {f.get('OS-EXT-SRV-ATTR:host')}", True)


@sees("S13")
def compute_event(scan: Scan, event: str) -> Iterator[Found]:
    """Action view: an event of the compute."""

    def by_compute(fact: Fact) -> bool:
        return any(str(e.get("event", "")).startswith("compute") for a in fact.get("actions", ()) for e in a.get("events") or ())

    yield from _since(scan, event, "actions", by_compute, lambda f: "the action has an event of the compute", False)


@sees("S16")
def state_saved(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: task_state leaves scheduling, which only the conductor's save can do."""

    def saved(fact: Fact) -> bool:
        return fact.get("OS-EXT-STS:task_state") != "scheduling" and fact.get("status") in ("BUILD", "ACTIVE")

    yield from _since(scan, event, "server", saved, lambda f: f"task_state {f.get('OS-EXT-STS:task_state')}", False)


@sees("S19", "S21")
def image_used(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: ACTIVE from the image."""

    def from_image(fact: Fact) -> object:
        return fact.get("status") == "ACTIVE" and isinstance(fact.get("image"), dict) and fact.get("image").get("id")

    yield from _since(scan, event, "server", from_image, lambda f: f"ACTIVE from image {f.get('image')['id'][:8]}", False)


@sees("S22")
def port_made(scan: Scan, event: str) -> Iterator[Found]:
    """Port view: a port whose device is the server."""
    yield from _since(scan, event, "ports", lambda f: f.get("ports"), lambda f: f"{len(f.get('ports'))} port(s) with the server's id", True)


@sees("S24")
def addresses(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: it has addresses. nova hides them from a server that is building, so earlier looks say nothing."""
    for found in _since(scan, event, "server", lambda f: f.get("addresses"), lambda f: f"addresses {_addresses(f)}", True):
        yield dataclasses.replace(found, low=scan.boot.start if scan.boot.clock == "client" else -math.inf)


def _addresses(fact: Fact) -> str:
    return ", ".join(str(a.get("addr")) for of_network in fact.get("addresses", {}).values() for a in of_network)


@sees("S25a", "S25")
def volume_taken(scan: Scan, event: str) -> Iterator[Found]:
    """Volume view: attaching or in-use; in cells_v2 `reserved` is nova-api's doing, before the compute's."""
    reserved = ("reserved",) if event == "S25a" or scan.dialect == "classic" else ()

    def taken(fact: Fact) -> bool:
        return fact.get("status") in (*reserved, "attaching", "in-use")

    yield from _since(scan, event, "volume", taken, lambda f: f"volume {f.get('status')}", True)


@sees("S27")
def volume_attached(scan: Scan, event: str) -> Iterator[Found]:
    """Volume view: in-use, with an attachment that names the server."""

    def attached(fact: Fact) -> bool:
        return any(a.get("server_id") == scan.server_id for a in fact.get("attachments") or ())

    yield from _since(scan, event, "volume", attached, lambda f: f"volume {f.get('status')}, attached to the server", True)


@sees("S28")
def active(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: ACTIVE, power_state 1, launched_at set."""

    def running(fact: Fact) -> object:
        return fact.get("status") == "ACTIVE" and fact.get("OS-EXT-STS:power_state") == 1 and fact.get("OS-SRV-USG:launched_at")

    yield from _since(scan, event, "server", running, lambda f: f"ACTIVE, launched at {f.get('OS-SRV-USG:launched_at')}", True)
