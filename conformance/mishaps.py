"""What goes wrong on purpose: launches that are held up or fail, and tokens that services must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conformance.client import Exchange, Person
from conformance.cloud import Cloud
from conformance.endings import eventually
from conformance.evidence import Evidence, Fact
from conformance.launch import Launch, new_global_id
from conformance.registry import NotObservable, Violation, require
from conformance.situations import GARBAGE, revoked_token

# tokens


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
    if not asked and not cloud.shows("http.client"):
        _validates_in_traces(evidence, actor)
        return
    seen = [f.name for f in evidence.those("http.client", actor=actor)]
    require(asked, f"{actor} asks keystone about the token of the launch", f"its calls were {seen or 'none'}", launch.boot.fact)


def _validates_in_traces(evidence: Evidence, actor: str) -> None:
    """A trace has no tokens in it, but keystone's answers, beneath what they were asked for. Without one the token may have been cached."""
    served = list(evidence.those("http.server", actor=actor, source="osprofiler"))
    of_keystone = list(evidence.those("http.server", actor="keystone", source="osprofiler"))
    if any(f.name == "GET /v3/auth/tokens" and any(evidence.within(f, s) for s in served) for f in of_keystone):
        return
    if served and of_keystone and evidence.token_cache_time == 0:
        raise Violation(f"keystone is asked while {actor} answers", "it was not", *served[:3])
    raise NotObservable(f"no source shows whether {actor} asked keystone about the token")


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
            hurry(cloud, launch, seconds, jumps=1)

        yield launch, go_on


def hurry(cloud: Cloud, launch: Launch, seconds: float, jumps: int = 50) -> None:
    """Jumps ahead on the cloud's own clock until the server is no more in BUILD; then the launch is followed to its end."""
    for _ in range(jumps):
        cloud.control.advance(seconds)
        shown = eventually(lambda: launch.person.get("compute", f"/servers/{launch.server_id}"), _is_built, 0.1)
        if _is_built(shown):
            break
    cloud.launcher.follow(launch)


def _is_built(shown: Exchange) -> bool:
    return shown.status != 200 or shown.body["server"]["status"] != "BUILD"


@contextmanager
def failing(cloud: Cloud, step: int, when: str = "before", count: int | None = None, **options: Any) -> Iterator[Launch]:
    """A launch in which a step fails `count` times (None: always); it is over when the block begins."""
    global_id = new_global_id()
    with cloud.control.fault(step, "fail", when, count=count, request_id=global_id):
        yield cloud.launcher.launch(global_request_id=global_id, **options)


def volumes_for(cloud: Cloud, count: int = 1) -> list[str]:
    """Available ones; none where there is no cinder."""
    return [cloud.resources.volume(cloud.member) for _ in range(count)] if cloud.has_volumes else []


# evidence


def calls_of(launch: Launch, actor: str, service: str) -> list[Fact]:
    """An actor's requests at a service in the course of a launch, in their order."""
    catalog = {"glance": "image", "neutron": "network", "cinder": "block-storage"}
    return [f for f in launch.evidence.those("http.client", actor=actor) if f.get("callee") in (service, catalog[service])]
