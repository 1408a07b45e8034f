"""S08, S09 and S12: what goes over the bus between nova-api, the conductor, the scheduler and the computes."""

from __future__ import annotations

from conformance.cloud import Cloud
from conformance.evidence import Fact
from conformance.machinery import hurried, patience, several, status_of, watch, without
from conformance.registry import SHOULD, NotObservable, check, require
from conformance.traffic import (
    LAUNCHERS,
    SCHEDULER_CALLERS,
    SERVER_ENTRIES,
    Traffic,
    comparable,
    crowded,
    host_of,
    must_be_seen_as,
    must_be_the_callers,
    traffic,
)

RPC_TIMEOUT = 60.0  # seconds after which a call gives up, everywhere
SPEED = 60.0


def _one(found: list[Fact], what: str) -> Fact:
    require(len(found) == 1, f"one {what}", f"{len(found)}: {', '.join(f.name for f in found)}", *found)
    return found[0]


@check(
    "S08.C1", "Q", given="a boot", when="its messages are looked at", needs=("rpc.publish",),
    then="the scheduler is asked once, with the server's uuid and the caller's project in the message",
)  # fmt: skip
def scheduler_is_asked(cloud: Cloud) -> None:
    """Each request for a server asks the scheduler once, about that server, in the caller's name."""
    seen = traffic(cloud)
    wanted = [(seen.scheduler_requests, "request to the scheduler", SCHEDULER_CALLERS[cloud.dialect])]
    if cloud.dialect == "cells_v2":
        wanted.insert(0, (seen.conductor_requests, "schedule_and_build_instances to the conductor", "nova-api"))
    for found, what, sender in wanted:
        message = _one(found, what)
        require(message.actor in ("", sender), f"{sender} sends {message.name}", message.actor, message)
        require(cloud.golden.server_id in message.server_ids, f"{message.name} names the server", sorted(message.server_ids), message)
        must_be_the_callers(cloud, message)


@check(
    "S08.C2", "Q", given="a boot", when="the message to the scheduler is looked at", needs=("rpc.publish",),
    then="it has a message id and a reply queue; nova-api's to the conductor (cells_v2) has none",
)  # fmt: skip
def scheduler_is_called(cloud: Cloud) -> None:
    """The scheduler is called, not told: the request wants an answer. The conductor, where it stands between, is told."""
    for message in traffic(cloud).conductor_requests:
        require(must_be_seen_as(message, call=False), f"{message.name} is a cast", "a call", message)
    for message in traffic(cloud).scheduler_requests:
        require(must_be_seen_as(message, call=True), f"{message.name} is a call", "a cast", message)
        if "reply_q" in message.attributes:
            require(message.get("reply_q"), "the call names a reply queue", "it names none", message)
        return
    require(False, "a request to the scheduler", "there is none")


@check(
    "S08.C3", "Q", given="the message of S08 was seen", when="its time is compared with that of the first entry",
    then="the entry was written before the message was sent", needs=("rpc.publish", "db"),
)  # fmt: skip
def entry_goes_first(cloud: Cloud) -> None:
    """The server's first entry is written before anybody is asked to find a host."""
    seen, name = traffic(cloud), SERVER_ENTRIES[cloud.dialect]
    written = seen.evidence.first("db", actor="nova-api", name=name)
    if written is None and not cloud.shows("db"):
        raise NotObservable("no source shows the statement that writes the entry")
    require(written, f"nova-api writes: {name}", "no such statement")
    sent = seen.conductor_requests if cloud.dialect == "cells_v2" else seen.scheduler_requests
    require(sent, "a request for a host", "there is none")
    if written is None or not comparable(written, sent[0]):
        raise NotObservable("entry and message were seen by different clocks")
    require(written.start <= sent[0].start, f"{name} before {sent[0].name}", "the message was sent first", written, sent[0])


@check(
    "S08.C4", "H", given="no scheduler takes messages", when="POST /servers", needs=("faults",), alone=True,
    then="an error at once, or a server that goes to ERROR when the call gives up (classic); 202 and BUILD, then ERROR (cells_v2)",
)  # fmt: skip
def no_scheduler(cloud: Cloud) -> None:
    """Without a scheduler a server ends in ERROR when the call gives up, never in BUILD for ever."""
    with without(cloud, "nova-scheduler"), hurried(cloud, SPEED) as speed:
        launch = cloud.launcher.launch(name="unscheduled", wait=False)
        if cloud.dialect == "cells_v2":
            require(launch.boot.status == 202, "202, as nobody waits for the scheduler", launch.boot, launch.boot.fact)
        if not launch.server_id:
            require(launch.boot.status >= 500, "202, or a server error", launch.boot, launch.boot.fact)
            return
        limit = 2 * RPC_TIMEOUT / speed + patience(cloud)
        looks = watch(cloud, launch, lambda shown: status_of(shown) in ("ERROR", "ACTIVE"), limit)
    require(status_of(looks[-1]) == "ERROR", "ERROR when the call gives up", status_of(looks[-1]), looks[-1].fact)


@check(
    "S08.C5", "Q", given="one request for three servers", when="its messages are looked at",
    then="one request to the scheduler names all three", needs=("rpc.publish",),
)  # fmt: skip
def one_request_for_all(cloud: Cloud) -> None:
    """A request for several servers asks the scheduler once for all of them."""
    launch, servers = several(cloud, 3)
    ids = {server["id"] for server in servers}
    require(len(ids) == 3, "three servers", f"{len(ids)}", launch.boot.fact)
    seen = Traffic(launch, cloud.dialect, ids)
    message = _one(seen.scheduler_requests, "request to the scheduler for three servers")
    require(ids <= message.server_ids, "all three servers in it", f"{len(message.server_ids)} of them", message)


@check(
    "S09.C1", "F", given="some boots at the same time", when="it is looked who takes their requests",
    then="each is taken by exactly one scheduler", needs=("rpc.deliver",),
)  # fmt: skip
def taken_once(cloud: Cloud) -> None:
    """Each request is handled by exactly one scheduler, however many there are."""
    for seen in crowded(cloud):
        for message in seen.scheduler_requests:
            takers = [taken for taken in seen.deliveries(message) if not taken.get("redelivered")]
            require(len(takers) == 1, "one scheduler takes the request", f"{len(takers)} did", message, *takers)
            require(takers[0].actor in ("", "nova-scheduler"), "nova-scheduler takes it", takers[0].actor, *takers)


START, CHOSEN = (
    ("scheduler.run_instance.start", "scheduler.select_destinations.start"),
    ("scheduler.run_instance.scheduled", "scheduler.select_destinations.end"),
)


@check(
    "S09.C2", "Q", given="a boot", when="notifications are looked at", needs=("notification", "rpc.publish"),
    then="the scheduler's start notification comes after the request and before the choice",
)  # fmt: skip
def start_is_announced(cloud: Cloud) -> None:
    """The scheduler says that it begins: after it was asked, and before it answers."""
    seen = traffic(cloud)
    started = seen.notifications(*START)
    require(started, "a start notification of the scheduler", "there is none")
    asked = seen.scheduler_requests
    answers = [reply for message in asked if (reply := seen.reply(message))]
    later = [*answers, *seen.notifications(*CHOSEN), *seen.launches]
    for start in started:
        for message in asked:
            if comparable(start, message):
                require(message.start <= start.start, f"{start.name} after {message.name}", "before it", start, message)
        for end in later:
            if comparable(start, end):
                require(start.start <= end.start, f"{start.name} before {end.name or 'the answer'}", "after it", start, end)


@check(
    "S09.C3", "Q", level=SHOULD, given="a boot that has settled", when="the scheduler's queue is looked at",
    then="no message is left or came again",
    needs=("queue.depth|rpc.deliver",),
)  # fmt: skip
def queue_is_empty(cloud: Cloud) -> None:
    """The scheduler's queue is empty after a launch, and nothing had to be delivered twice."""
    seen = traffic(cloud)
    for source in cloud.sources:
        if (depth := getattr(source, "depth", None)) is not None and cloud.shows("queue.depth"):
            require(depth("scheduler") == 0, "no message in queue scheduler", depth("scheduler"))
    for message in seen.scheduler_requests if cloud.shows("rpc.deliver") else ():
        taken = seen.deliveries(message)
        require(taken, "the request is taken from its queue", "it is still there", message)
        again = [one for one in taken if one.get("redelivered")]
        require(not again, "no message is delivered again", f"{len(again)} were", message, *again)


@check(
    "S12.C1", "Q", given="a boot", when="the message to the compute is looked at", needs=("rpc.publish",),
    then="one cast to compute.<host> that names the server",
)  # fmt: skip
def compute_is_told(cloud: Cloud) -> None:
    """The launch goes to one compute's own queue, as a cast, once."""
    seen = traffic(cloud)
    require(seen.launches, "a message that launches the server", "there is none")
    hosts = [host_of(message) for message in seen.launches]
    require(len(hosts) == len(set(hosts)), "one message for each host", f"to {hosts}", *seen.launches)
    for message in seen.launches:
        require(host_of(message), "routing key compute.<host>", message.get("routing_key"), message)
        require(must_be_seen_as(message, call=False), f"{message.name} is a cast", "a call", message)
        sender = LAUNCHERS[cloud.dialect]
        require(message.actor in ("", sender), f"{sender} sends it", message.actor, message)
        require(cloud.golden.server_id in message.server_ids, "it names the server", sorted(message.server_ids), message)


@check(
    "S12.C2", "H", given="the computes do not take messages", when="POST /servers; then the computes come back", needs=("faults",),
    alone=True, then="the server stays in BUILD; when they are back it becomes ACTIVE",
)  # fmt: skip
def compute_comes_back(cloud: Cloud) -> None:
    """A launch waits in the queue of a compute that is away, and goes on when it is back."""
    with without(cloud, "nova-compute") as come_back:
        launch = cloud.launcher.launch(name="waiting", wait=False)
        require(launch.server_id, "202: the computes have nothing to do with it", launch.boot, launch.boot.fact)
        looks = watch(cloud, launch, lambda shown: status_of(shown) != "BUILD", 0.4 if cloud.is_mock else 15.0)
        require(status_of(looks[-1]) == "BUILD", "BUILD while its compute is away", status_of(looks[-1]), looks[-1].fact)
        come_back()
    cloud.launcher.follow(launch, patience(cloud, 120.0)).must_be_active()


@check(
    "S12.C3", "F", given="a boot", when="the scheduler's answer and the message to the compute are compared",
    then="the answer comes first", needs=("rpc.publish", "rpc.reply"),
)  # fmt: skip
def answer_goes_first(cloud: Cloud) -> None:
    """The compute is told after the scheduler has answered, never before."""
    seen = traffic(cloud)
    require(seen.scheduler_requests and seen.launches, "a request to the scheduler and a launch", "one of them is missing")
    reply = seen.reply(seen.scheduler_requests[0])
    require(reply, "the scheduler answers", "it does not", seen.scheduler_requests[0])
    sent = seen.launches[0]
    if reply is None or not comparable(reply, sent):
        raise NotObservable("answer and launch were seen by different clocks")
    require(reply.start <= sent.start, f"the answer before {sent.name}", "after it", reply, sent)
