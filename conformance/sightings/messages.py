"""S06 to S18: databases, bus and scheduler."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.evidence import Fact
from conformance.sightings import (
    LAUNCH_METHODS,
    Contradiction,
    Found,
    Scan,
    begun,
    by_then,
    is_call,
    logged,
    routing_key,
    sees,
    since_then,
    within,
)

CLASSIC, CELLS = ("classic",), ("cells_v2",)
FIRST_CALLS = {"classic": ("instance_get_by_uuid",), "cells_v2": ("object_class_action_versions",)}


def _told(sent: Fact) -> str:
    how = {True: "call", False: "cast", None: "message"}[is_call(sent)]
    return f"{how} {sent.name}{' -> ' + routing_key(sent) if routing_key(sent) else ''}"


def _message(scan: Scan, event: str, name: str, topic: str, call: bool, actors: tuple[str, ...]) -> Iterator[Found]:
    for fact in scan.those("rpc.publish", name=name):
        key = routing_key(fact)
        if (key and key.split(".")[0] != topic) or (fact.actor and fact.actor not in actors):
            continue
        if is_call(fact) not in (None, call):
            yield Contradiction(event, fact, f"a {'call' if call else 'cast'} of {name} to {topic}", _told(fact))
        else:
            yield begun(event, fact, _told(fact))


# nova-api's database


@sees("S06")
def looked_up(scan: Scan, event: str) -> Iterator[Found]:
    """Database: nova-api SELECTs from flavors, while it serves the boot request."""
    for fact in scan.those("db", actor="nova-api", name="SELECT flavors"):
        if scan.served is None or scan.evidence.within(fact, scan.served):
            yield begun(event, fact, fact.name)


@sees("S07", dialects=CLASSIC, once=True)
def first_entry(scan: Scan, event: str) -> Iterator[Found]:
    """Database: nova-api INSERTs into instances."""
    for fact in scan.those("db", actor="nova-api", name="INSERT instances"):
        yield begun(event, fact, fact.name)


@sees("S07", dialects=CELLS, once=True)
def build_request_written(scan: Scan, event: str) -> Iterator[Found]:
    """Database: nova-api INSERTs into build_requests."""
    for fact in scan.those("db", actor="nova-api", name="INSERT build_requests"):
        yield begun(event, fact, fact.name)


# to the scheduler and back


@sees("S08a", dialects=CELLS, once=True)
def conductor_asked(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: schedule_and_build_instances cast to the conductor."""
    yield from _message(scan, event, "schedule_and_build_instances", "conductor", False, ("nova-api",))


@sees("S08", dialects=CLASSIC, once=True)
def scheduler_called(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: run_instance called at the scheduler."""
    yield from _message(scan, event, "run_instance", "scheduler", True, ("nova-api",))


@sees("S08", dialects=CELLS, once=True)
def destinations_asked(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the conductor calls select_destinations at the scheduler."""
    yield from _message(scan, event, "select_destinations", "scheduler", True, ("nova-conductor",))


TAKERS = {"S09": ("S08", "nova-scheduler"), "S13": ("S12", "nova-compute"), "S15": ("S14", "nova-conductor")}


@sees("S09", "S13", "S15", once=True)
def taken(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the message of the step before is delivered to its worker."""
    before, worker = TAKERS[event]
    sent = scan.fact(before)
    if sent is None or sent.kind != "rpc.publish":
        return
    for fact in scan.those("rpc.deliver"):
        unique_id = sent.get("unique_id")
        same = fact.get("unique_id") == unique_id if unique_id else (fact.cause, fact.name) == (sent.id, sent.name)
        if same and not fact.get("redelivered"):
            if fact.actor and fact.actor != worker:
                yield Contradiction(event, fact, f"{worker} takes {sent.name}", f"{fact.actor} took it")
            else:
                yield begun(event, fact, f"{sent.name} taken{' on ' + fact.host if fact.host else ''}")


@sees("S09")
def scheduler_started(scan: Scan, event: str) -> Iterator[Found]:
    """Notification or log: the scheduler says that it starts on the request."""
    for fact in scan.those(
        "notification", name=lambda name: name in ("scheduler.run_instance.start", "scheduler.select_destinations.start")
    ):
        yield by_then(event, fact, f"{fact.name} by {fact.get('publisher_id', '?')}")
    yield from logged(scan, event, "nova-scheduler", "Starting to schedule")


@sees("S10", dialects=CLASSIC)
def hosts_read(scan: Scan, event: str) -> Iterator[Found]:
    """Database: the scheduler SELECTs from compute_nodes; or its log names filters and weights."""
    for fact in scan.those("db", actor="nova-scheduler", name="SELECT compute_nodes"):
        yield begun(event, fact, fact.name)
    yield from logged(scan, event, "nova-scheduler", "Weighed")


@sees("S10", dialects=CELLS)
def host_claimed(scan: Scan, event: str) -> Iterator[Found]:
    """REST: the scheduler asks placement for candidates and claims one; or its log names filters and weights."""
    seen = False
    for kind in ("http.client", "http.server"):
        for fact in scan.those(kind, method="PUT", path=lambda path: f"/allocations/{scan.server_id}" in str(path)):
            if (fact.actor == "nova-scheduler" or _for_scheduler(scan, fact)) and fact.get("status") in (None, 200, 204) and not seen:
                seen = True
                yield begun(event, fact, f"{fact.name}: the claim")
    if not seen:
        yield from logged(scan, event, "nova-scheduler", "Weighed")


def _for_scheduler(scan: Scan, fact: Fact) -> bool:
    """A request that placement served for the scheduler, or in the course of its work."""
    if fact.get("caller") == "nova-scheduler":
        return True
    taken_by = scan.fact("S09")
    return fact.actor == "placement" and taken_by is not None and scan.evidence.within(fact, taken_by)


def _of_call(scan: Scan, kind: str, event: str) -> Iterator[Fact]:
    """Facts of a kind that carry the id of the call that an event was."""
    call = scan.fact(event)
    if call is not None and call.get("msg_id"):
        yield from scan.those(kind, msg_id=call.get("msg_id"))


@sees("S11", once=True)
def host_returned(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the reply to the scheduler's call, with a host."""
    for fact in _of_call(scan, "rpc.reply", "S08"):
        if hosts := list(dict.fromkeys(hosts_of(fact.get("result")))):
            yield begun(event, fact, f"reply: {', '.join(hosts)}")
        elif fact.get("failure") is None and fact.get("result") not in (None, [], {}):
            yield Contradiction(event, fact, "a reply with a host", "a reply without one")


def hosts_of(result: object) -> Iterator[str]:
    """Host names in a scheduler's answer, of whichever dialect: winners first."""
    if isinstance(result, dict):
        data = result.get("nova_object.data", result)
        name = data.get("service_host") or data.get("host") if isinstance(data, dict) else None
        if name:
            yield str(name)
    elif isinstance(result, list):
        for item in result:
            yield from hosts_of(item)


@sees("S11")
def choice_announced(scan: Scan, event: str) -> Iterator[Found]:
    """Notification: the scheduler says that it has chosen; or the conductor's log says whom."""
    for fact in scan.those(
        "notification", name=lambda name: name in ("scheduler.run_instance.scheduled", "scheduler.select_destinations.end")
    ):
        yield since_then(event, fact, fact.name, direct=False)
    yield from logged(scan, event, "nova-conductor", "Selected host")


@sees("S12a", dialects=CELLS)
def cell_written(scan: Scan, event: str) -> Iterator[Found]:
    """Database: the conductor INSERTs into instances of the cell; or, where a cell's database is not seen, fills the mapping."""
    for fact in scan.those("db", actor="nova-conductor", name=lambda name: name in ("INSERT instances", "UPDATE instance_mappings")):
        yield begun(event, fact, fact.name, direct=fact.name == "INSERT instances")


@sees("S12", once=True)
def compute_cast(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the launch cast to `compute.<host>`, by the scheduler (classic) or the conductor (cells_v2)."""
    sender = {"classic": "nova-scheduler", "cells_v2": "nova-conductor"}[scan.dialect]
    sent = [f for f in scan.those("rpc.publish", name=LAUNCH_METHODS[scan.dialect]) if routing_key(f).split(".")[0] in ("compute", "")]
    for fact in sent:
        if is_call(fact):
            yield Contradiction(event, fact, f"a cast of {fact.name}", _told(fact))
        elif fact.actor and fact.actor != sender:
            yield Contradiction(event, fact, f"{sender} sends {fact.name}", f"{fact.actor} sent it")
    # each host that was tried got one; the row is about the last. Two to one host are one too many
    for fact in sent:
        later = [f for f in sent if f.start > fact.start and routing_key(f) != routing_key(fact)]
        if not later and not is_call(fact) and fact.actor in ("", sender):
            yield begun(event, fact, _told(fact))
            if "." not in routing_key(fact):
                return  # to which host, this source does not see


# the compute and the conductor


@sees("S13")
def build_announced(scan: Scan, event: str) -> Iterator[Found]:
    """Notification or log: the compute says that it starts the build."""
    for fact in scan.those("notification", name=lambda name: name in ("compute.instance.create.start", "instance.create.start")):
        yield by_then(event, fact, f"{fact.name} by {fact.get('publisher_id', '?')}")
    yield from logged(scan, event, "nova-compute", "Starting instance")


@sees("S14", once=True)
def conductor_called(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the compute calls the conductor about the server, in the course of the build where that is known."""
    sent, build = scan.found.get("S12"), scan.fact("S13")
    for name in FIRST_CALLS[scan.dialect]:
        for found in _message(scan, event, name, "conductor", True, ("nova-compute",)):
            fact = found.fact
            of_attempt = sent is None or fact.start >= sent.low or fact.clock != sent.clock
            begins = scan.dialect == "classic" or _begins_event(fact)
            of_build = not fact.cause or build is None or build.kind != "rpc.deliver" or scan.doer(fact) == build
            if begins and of_build and (of_attempt or not _earlier_attempts(scan)):
                yield found
                if "args" not in fact.attributes:
                    return  # what the others were about is not seen


def _begins_event(fact: Fact) -> bool:
    """In cells_v2 a build's first call begins the event; later ones end it."""
    method = str((fact.get("args") or {}).get("objmethod", "")) if isinstance(fact.get("args"), dict) else ""
    return method in ("", "event_start")


def _earlier_attempts(scan: Scan) -> bool:
    return len({routing_key(f) for f in scan.those("rpc.publish", name=LAUNCH_METHODS[scan.dialect]) if "." in routing_key(f)}) > 1


@sees("S16")
def conductor_reads(scan: Scan, event: str) -> Iterator[Found]:
    """Database: the conductor reads (classic) or writes (cells_v2) the server's rows, while it answers that call."""
    taken_by = scan.fact("S15")
    for fact in scan.those("db", actor="nova-conductor"):
        wanted = fact.name == "SELECT instances" if scan.dialect == "classic" else fact.name.split()[0] in ("INSERT", "UPDATE", "SELECT")
        if wanted and taken_by is not None and scan.evidence.within(fact, taken_by):
            yield begun(event, fact, fact.name)


@sees("S17", once=True)
def data_returned(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the reply to the compute's call."""
    for fact in _of_call(scan, "rpc.reply", "S14"):
        if fact.get("failure") is None:
            yield begun(event, fact, "reply with the server's data" if scan.dialect == "classic" else "reply")


@sees("S18", once=True)
def data_taken(scan: Scan, event: str) -> Iterator[Found]:
    """Bus: the compute takes the answer to that call."""
    for fact in _of_call(scan, "rpc.answer", "S14"):
        yield begun(event, fact, f"answer taken{' on ' + fact.host if fact.host else ''}")


@sees("S18")
def claimed(scan: Scan, event: str) -> Iterator[Found]:
    """Log: the compute's claim succeeded; REST: the compute reads its allocation before the claim."""
    yield from logged(scan, event, "nova-compute", "Claim successful")


@sees("S08a", "S14", "S15")
def traced(scan: Scan, event: str) -> Iterator[Found]:
    """OSProfiler, where the caller leaves no point of its call: the conductor's point stands in the caller's course."""
    asked = {"S08a": ("schedule_and_build_instances",)}.get(event, FIRST_CALLS[scan.dialect])
    caller = scan.served if event == "S08a" else scan.fact("S13")
    if caller is None or any(scan.those("rpc.publish", name=lambda name: name in asked)):
        return
    for fact in scan.beneath("rpc.deliver", caller, actor="nova-conductor", name=lambda name: name in asked):
        if event == "S15":
            yield begun(event, fact, f"{fact.name} taken")
        else:
            yield by_then(event, fact, f"{fact.name} taken, in the course of {caller.name}")
        return


@sees("S11", "S17")
def call_ended(scan: Scan, event: str) -> Iterator[Found]:
    """OSProfiler: the call of the scheduler, or the conductor's work on the compute's, has ended without an error."""
    call = scan.fact({"S11": "S08", "S17": "S15"}[event])
    if call is not None and call.kind in ("rpc.publish", "rpc.deliver") and "msg_id" not in call.attributes and call.end is not None:
        yield within(event, call, f"the end of {call.name}", direct=False)


@sees("S15", "S17")
def answered(scan: Scan, event: str) -> Iterator[Found]:
    """Bus, without the broker's trace: the compute goes on after its call, so somebody has answered it."""
    call = scan.found.get("S14")
    if call is None or call.fact.kind != "rpc.publish" or "rpc.reply" in scan.evidence.complete or any(scan.those("rpc.reply")):
        return
    for fact in scan.those("rpc.publish"):
        if fact.start > call.high and routing_key(fact) == "conductor" and fact.actor in ("", "nova-compute") and is_call(fact):
            yield by_then(event, fact, f"the compute's next call, {fact.name}", direct=False)
            return
