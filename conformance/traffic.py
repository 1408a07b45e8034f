"""The messages of a launch, sorted by what they are for: what checks of the bus read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance import shared_launches
from conformance.cloud import Cloud
from conformance.evidence import Evidence, Fact
from conformance.launch import Launch
from conformance.registry import NotObservable, require
from conformance.sightings import LAUNCH_METHODS, is_call, routing_key
from conformance.sightings.messages import hosts_of

SCHEDULER_METHODS = {"classic": "run_instance", "cells_v2": "select_destinations"}
SERVER_ENTRIES = {"classic": "INSERT instances", "cells_v2": "INSERT build_requests"}
SCHEDULER_CALLERS = {"classic": "nova-api", "cells_v2": "nova-conductor"}
A_CROWD = 6
LAUNCHERS = {"classic": "nova-scheduler", "cells_v2": "nova-conductor"}


class Traffic:
    """Of one launch, or of several servers of one request."""

    def __init__(self, launch: Launch, dialect: str, server_ids: Iterable[str] = ()) -> None:
        self.launch, self.dialect = launch, dialect
        self.server_ids = frozenset(server_ids) or frozenset({launch.server_id})
        ids = {launch.request_id, launch.global_request_id}
        self.evidence: Evidence = launch.cloud.evidence(ids, self.server_ids, launch.facts) if server_ids else launch.evidence

    # who asks whom

    def published(self, name: str, topic: str) -> list[Fact]:
        return [f for f in self.evidence.those("rpc.publish", name=name) if routing_key(f).split(".")[0] == topic]

    @property
    def conductor_requests(self) -> list[Fact]:
        """Of nova-api, in cells_v2."""
        return self.published("schedule_and_build_instances", "conductor")

    @property
    def scheduler_requests(self) -> list[Fact]:
        """First ones, not those by which a compute gives a server back."""
        asked = self.published(SCHEDULER_METHODS[self.dialect], "scheduler")
        return [f for f in asked if f.actor in ("", SCHEDULER_CALLERS[self.dialect])]

    @property
    def launches(self) -> list[Fact]:
        """Messages that tell a compute to build: one for each host that was tried."""
        return self.published(LAUNCH_METHODS[self.dialect], "compute")

    @property
    def conductor_calls(self) -> list[Fact]:
        """What computes ask of the conductor, about these servers."""
        sent = [f for f in self.evidence.those("rpc.publish") if routing_key(f).split(".")[0] == "conductor"]
        first = self.launches[0].start if self.launches else float("inf")
        return [f for f in sent if f.actor == "nova-compute" or (not f.actor and f.start > first)]

    # what became of a message

    def deliveries(self, sent: Fact) -> list[Fact]:
        """Everybody who took it out of its queue."""
        unique = sent.get("unique_id")
        return [f for f in self.evidence.those("rpc.deliver") if (f.get("unique_id") == unique if unique else f.cause == sent.id)]

    def reply(self, sent: Fact) -> Fact | None:
        """The answer to a call, without signs of life."""
        if not sent.get("msg_id"):
            return None
        answers = self.evidence.those("rpc.reply", msg_id=sent.get("msg_id"))
        return next((f for f in answers if f.get("ending", True) and (f.get("result") is not None or f.get("failure") is not None)), None)

    def notifications(self, *names: str) -> list[Fact]:
        """Raises NotObservable where nova told nothing of this launch: its notifications are switched off."""
        told = [one for one in self.evidence.those("notification") if one.name.startswith(("scheduler.", "compute", "instance."))]
        if not told:
            raise NotObservable("nova sent no notification about the launch")
        return [one for one in told if one.name in names]


def winner(seen: Traffic) -> tuple[str, Fact | None]:
    """The host that the scheduler named first, where replies are seen."""
    for message in seen.scheduler_requests:
        if (reply := seen.reply(message)) is not None:
            return next(hosts_of(reply.get("result")), ""), reply
    return "", None


def host_of(message: Fact) -> str:
    """The host that a message is for."""
    return routing_key(message).partition(".")[2]


def must_be_seen_as(message: Fact, call: bool) -> bool:
    """Whether it is a call or a cast, as wanted. Raises NotObservable where the source cannot tell."""
    known = is_call(message)
    if known is None:
        raise NotObservable(f"the source {message.source} does not show whether a message is a call")
    return known is call


def must_be_the_callers(cloud: Cloud, message: Fact) -> None:
    """The message carries the identity of who asked for the server, as far as its source shows it."""
    for name, wanted in (("project_id", cloud.member.project_id), ("user_id", cloud.member.user_id)):
        if message.get(name) is not None:
            require(message.get(name) == wanted, f"{name} {wanted} in the context of {message.name}", message.get(name), message)


def comparable(*facts: Fact) -> bool:
    """Whether their times are of one clock."""
    return len({fact.clock for fact in facts}) == 1


def traffic(cloud: Cloud) -> Traffic:
    return cloud.once("traffic", lambda: Traffic(cloud.golden, cloud.dialect))


def crowded(cloud: Cloud) -> Iterator[Traffic]:
    """Of the launch that most checks read, and then of some that ran at the same time."""
    yield traffic(cloud)
    for launch in shared_launches.crowd(cloud).own[:A_CROWD]:
        yield Traffic(launch, cloud.dialect)
