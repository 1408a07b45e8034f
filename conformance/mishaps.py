"""Launches that are held up or come to nothing, tokens that services must refuse, and what may be left of it all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from conformance.client import Exchange, Person
from conformance.cloud import Cloud
from conformance.evidence import Fact
from conformance.launch import Launch, new_global_id
from conformance.registry import Broken, NotObservable, require
from conformance.situations import GARBAGE, revoked_token

FREED_WITHIN = 60.0  # seconds after a failure or a deletion


def eventually(look: Callable[[], Exchange], holds: Callable[[Exchange], object], seconds: float = FREED_WITHIN) -> Exchange:
    """The first answer of which it holds, else the last one: the caller judges it."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while True:
        shown = look()
        if holds(shown) or time.monotonic() > deadline:
            return shown
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


# tokens


def revoke(person: Person, token: str) -> None:
    """By another token of the same person's."""
    gone = person.delete("identity", "/auth/tokens", headers={"X-Subject-Token": token})
    if gone.status != 204:
        raise Broken(f"a token cannot be revoked: {gone}")


def refuses_bad_tokens(person: Person, service: str, method: str, path: str, *, control: str, json: Any = None, **more: Any) -> None:
    """401 for garbage and for a revoked token; 200 at `control` for a good one, so that the 401 means something."""
    for what, token in (("a token that nobody issued", GARBAGE), ("a token that was revoked before its first use", revoked_token(person))):
        answer = person.request(service, method, path, token=token, json=json, **more)
        require(answer.status == 401, f"401 for {what}", answer, answer.fact)
    answer = person.get(service, control, token=person.login())
    require(answer.status == 200, "200 for a good token", answer, answer.fact)


def validates_the_token(cloud: Cloud, actor: str) -> None:
    """In the launch of the 28 rows, which carries a token that nobody has seen, that service asked keystone about it."""
    launch = cloud.golden
    token = launch.boot.fact.get("token")
    evidence = launch.evidence
    asked = [f for f in evidence.those("http.client", actor=actor, subject_token=token) if "/auth/tokens" in str(f.get("path") or f.name)]
    asked += [f for f in evidence.those("http.server", actor="keystone", subject_token=token) if f.get("caller") in (actor, None)]
    seen = [f.name for f in evidence.those("http.client", actor=actor)]
    require(asked, f"{actor} asks keystone about the token of the launch", f"its calls were {seen or 'none'}", launch.boot.fact)


# launches that go wrong


@contextmanager
def held(cloud: Cloud, seconds: float = 20.0, **options: Any) -> Iterator[tuple[Launch, Callable[[], None]]]:
    """A launch that stands before the compute takes it, and what lets it go on to its end.

    `seconds` of the cloud's own clock: they are jumped over.
    """
    global_id = new_global_id()
    with cloud.control.fault(13, "delay", seconds=seconds, request_id=global_id):
        launch = cloud.launcher.launch(wait=False, global_request_id=global_id, **options)
        require(launch.server_id, "202", launch.boot, launch.boot.fact)

        def go_on() -> None:
            cloud.control.advance(seconds)
            cloud.launcher.follow(launch)

        yield launch, go_on


@contextmanager
def failing(cloud: Cloud, step: int, when: str = "before", count: int | None = None, **options: Any) -> Iterator[Launch]:
    """A launch in which a step fails `count` times (None: always); it is over when the block begins."""
    global_id = new_global_id()
    with cloud.control.fault(step, "fail", when, count=count, request_id=global_id):
        yield cloud.launcher.launch(global_request_id=global_id, **options)


def volumes_for(cloud: Cloud, count: int = 1) -> list[str]:
    """Available ones; none where there is no cinder."""
    return [cloud.resources.volume(cloud.member) for _ in range(count)] if cloud.has_volumes else []


def must_fail(launch: Launch) -> None:
    """Refused, or ERROR with a fault that says why; never ACTIVE, never BUILD for ever."""
    if not launch.server_id:
        require(launch.boot.status in (400, 403, 409), "a refusal or ERROR", launch.boot, launch.boot.fact)
        return
    last = launch.views[-1:]
    require(launch.status == "ERROR", "the server goes to ERROR", launch.status or "no server", launch.boot.fact, *last)
    fault = launch.final.get("fault") or {}
    require(fault.get("message"), "a fault that says why", fault or "none", *last)


def must_leave_nothing(cloud: Cloud, launch: Launch, given_ports: tuple[str, ...] = ()) -> None:
    """No port, no attachment, no allocation of a server that failed; ports given to it are free again."""
    if launch.server_id:
        _no_port(launch, given_ports)
        _no_allocation(cloud, launch)
    for volume in launch.volumes:
        volume_is_free(launch.person, volume)
    for port in given_ports:
        port_is_free(launch.person, port)


def _no_port(launch: Launch, given: tuple[str, ...]) -> None:
    def left(shown: Exchange) -> list[str]:
        return [port["id"] for port in (shown.body or {}).get("ports", []) if port["id"] not in given]

    shown = eventually(lambda: launch.person.get("network", "/ports", params={"device_id": launch.server_id}), lambda s: not left(s))
    require(not left(shown), "no port of the server is left", f"{len(left(shown))} port(s): {', '.join(left(shown))}", shown.fact)


def _no_allocation(cloud: Cloud, launch: Launch) -> None:
    """As far as an admin can look."""
    if "admin" not in cloud.people or not cloud.admin.has("placement"):
        return
    shown = eventually(lambda: allocations(cloud, launch.server_id), lambda s: not (s.body or {}).get("allocations"))
    require(not (shown.body or {}).get("allocations"), "no allocation of the server is left", shown.body, shown.fact)


def allocations(cloud: Cloud, server_id: str) -> Exchange:
    return cloud.admin.get("placement", f"/allocations/{server_id}", version="1.28")


def volume_is_free(person: Person, volume_id: str) -> None:
    def free(shown: Exchange) -> bool:
        volume: Mapping[str, Any] = (shown.body or {}).get("volume", {})
        return volume.get("status") == "available" and not volume.get("attachments")

    shown = eventually(lambda: person.get("volume", f"/volumes/{volume_id}"), free)
    volume = (shown.body or {}).get("volume", {})
    was = f"{volume.get('status')} with {len(volume.get('attachments') or [])} attachment(s)"
    require(free(shown), "the volume is available again, without an attachment", was, shown.fact)


def port_is_free(person: Person, port_id: str) -> None:
    """It is still there, and nobody's."""
    shown = eventually(
        lambda: person.get("network", f"/ports/{port_id}"), lambda s: not (s.body or {}).get("port", {}).get("device_id", "?")
    )
    require(shown.status == 200, "the port that was there before is still there", shown, shown.fact)
    require(not shown.body["port"]["device_id"], "it belongs to no device", shown.body["port"]["device_id"], shown.fact)


# evidence


def calls_of(launch: Launch, actor: str, service: str) -> list[Fact]:
    """An actor's requests at a service in the course of a launch, in their order."""
    catalog = {"glance": "image", "neutron": "network", "cinder": "block-storage"}
    return [f for f in launch.evidence.those("http.client", actor=actor) if f.get("callee") in (service, catalog[service])]


def must_be_shown(facts: object, what: str) -> None:
    """Raises NotObservable when a source that was there has shown nothing of a kind."""
    if not facts:
        raise NotObservable(f"no source showed {what}")
