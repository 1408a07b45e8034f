"""Which line a service writes at which fact: the real services' loggers and sentences. Nothing is written that was not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mockcloud.objects import data_of
from mockcloud.trace import Fact

BUILDS = ("run_instance", "build_and_run_instance")  # of nova-compute
SCHEDULES = ("run_instance", "select_destinations")  # of nova-scheduler
DONE = {  # cinder-volume's word at the end of a method
    "create_volume": "Created volume successfully.",
    "delete_volume": "Deleted volume successfully.",
    "attach_volume": "Attach volume completed successfully.",
    "detach_volume": "Detach volume completed successfully.",
    "initialize_connection": "Initialize volume connection completed successfully.",
    "terminate_connection": "Terminate volume connection completed successfully.",
    "attachment_update": "attachment_update completed successfully.",
    "extend_volume": "Extend volume completed successfully.",
}
MANAGER, COMPUTE_LOG = "nova.scheduler.manager", "nova.compute.manager"


@dataclass(frozen=True, slots=True)
class Line:
    logger: str
    message: str
    level: str = "INFO"
    instance: str = ""  # the server that it is about


Lines = Iterator[Line]


# as a fact begins


def begun(fact: Fact, args: dict[str, Any]) -> Lines:
    """`args` are those of the message, where the fact is its delivery."""
    if fact.kind == "http.server":
        yield from _request(fact)
    elif fact.kind == "rpc.publish":
        yield from _publication(fact)
    elif fact.kind == "rpc.deliver":
        rule = DELIVERIES.get(fact.service)
        if rule:
            yield from rule(fact, args)


def _request(fact: Fact) -> Lines:
    method, url = fact.attributes["method"], _url(fact)
    if fact.service == "keystone":
        yield Line("keystone.server.flask.request_processing.req_logging", f"{method} http://{fact.host}{url}")
    elif fact.service == "cinder":
        yield Line("cinder.api.openstack.wsgi", f"{method} http://{fact.host}{url}")


def _publication(fact: Fact) -> Lines:
    args = fact.attributes["args"]
    if fact.service == "nova" and fact.name == "external_instance_event":
        for event in args.get("events") or ():
            host = fact.attributes["routing_key"].partition(".")[2]
            about = f"{event['name']}:{event.get('tag')} for instance {event['server_uuid']} on {host}"
            yield Line("nova.api.openstack.compute.server_external_events", f"Creating event {about}")
    elif fact.service == "nova-conductor" and fact.name == "build_and_run_instance":
        host = fact.attributes["routing_key"].partition(".")[2]
        others = [data_of(one).get("service_host") for one in args.get("host_list") or ()]
        chosen = f"Selected host: {host}; Selected node: {args.get('node')}; Alternates: {others}"
        yield Line("nova.conductor.manager", chosen, "DEBUG", server_of(args))


def _to_scheduler(fact: Fact, args: dict[str, Any]) -> Lines:
    if fact.name in SCHEDULES:
        uuids = args.get("instance_uuids") or (args.get("request_spec") or {}).get("instance_uuids") or []
        yield Line(MANAGER, f"Starting to schedule for instances: {uuids}", "DEBUG")


def _to_compute(fact: Fact, args: dict[str, Any]) -> Lines:
    if fact.name in BUILDS:
        yield Line(COMPUTE_LOG, "Starting instance...", "DEBUG", server_of(args))
    elif fact.name == "terminate_instance":
        yield Line(COMPUTE_LOG, "Terminating instance", instance=server_of(args))
    elif fact.name == "external_instance_event":
        for event in args.get("events") or ():
            yield Line(COMPUTE_LOG, f"Received event {event['name']}-{event.get('tag')}", "DEBUG", event["server_uuid"])


DELIVERIES: dict[str, Callable[[Fact, dict[str, Any]], Lines]] = {"nova-scheduler": _to_scheduler, "nova-compute": _to_compute}


def server_of(args: dict[str, Any]) -> str:
    """The one server that a message is about."""
    return str(data_of(args.get("instance") or {}).get("uuid") or args.get("instance_uuid") or "")


# as it ends


def ended(fact: Fact, server: str) -> Lines:
    """`server` is the one that this host builds for the fact's request, where there is only one."""
    rule = ENDS.get(fact.kind)
    if rule:
        yield from rule(fact, server)


def _answered(fact: Fact, server: str) -> Lines:
    seen = fact.attributes
    method, url, status, length = seen["method"], _url(fact), seen.get("status", "-"), seen.get("length", "-")
    taken = f"{(fact.end or fact.start) - fact.start:.6f}"
    client = "127.0.0.1"
    if fact.service in ("nova", "placement"):
        logger = "nova.api.openstack.requestlog" if fact.service == "nova" else "placement.requestlog"
        told = f'{client} "{method} {url}" status: {status} len: {length} microversion: {seen.get("microversion", "-")}'
        yield Line(logger, told + (f" time: {taken}" if fact.service == "nova" else ""))
    elif fact.service == "neutron":
        yield Line("neutron.wsgi", f'{client} "{method} {url} HTTP/1.1" status: {status}  len: {length} time: {taken}')
    elif fact.service == "cinder":
        yield Line("cinder.api.openstack.wsgi", f"http://{fact.host}{url} returned with HTTP {status}")
    else:
        at = datetime.fromtimestamp(fact.start, UTC).strftime("%d/%b/%Y %H:%M:%S")
        yield Line("eventlet.wsgi.server", f'{client} - - [{at}] "{method} {url} HTTP/1.1" {status} {length} {taken}')


def _url(fact: Fact) -> str:
    query = fact.attributes["query"]
    return f"{fact.attributes['path']}?{query}" if query else str(fact.attributes["path"])


def _delivered(fact: Fact, server: str) -> Lines:
    if fact.service == "cinder-volume" and fact.name in DONE and "error" not in fact.attributes:
        yield Line("cinder.volume.manager", DONE[fact.name])


def _driven(fact: Fact, server: str) -> Lines:
    took, uuid = (fact.end or fact.start) - fact.start, fact.attributes.get("instance_uuid", "")
    if "error" in fact.attributes or fact.name not in ("spawn", "destroy"):
        return
    if fact.name == "spawn":
        yield Line(COMPUTE_LOG, f"Took {took:.2f} seconds to spawn the instance on the hypervisor.", instance=uuid)
    else:
        yield Line(COMPUTE_LOG, f"Took {took:.2f} seconds to destroy the instance on the hypervisor.", instance=uuid)


def _called(fact: Fact, server: str) -> Lines:
    """What a compute has done elsewhere."""
    if fact.service != "nova-compute" or not 200 <= fact.attributes.get("status", 0) < 300:
        return
    method, _, path = fact.name.partition(" ")
    last = path.rsplit("/", 1)[-1]
    if method == "PUT" and path.startswith("/v2.0/ports/"):
        yield Line("nova.network.neutron", f"Successfully updated port: {last}", "DEBUG", server)
    elif method == "PUT" and path.startswith("/v3/attachments/"):
        yield Line("nova.virt.block_device", f"Updating existing volume attachment record: {last}", "DEBUG", server)
    elif method == "DELETE" and path.startswith("/allocations/"):
        yield Line("nova.scheduler.client.report", f"Deleted allocations for instance {last}")


def _told(fact: Fact, server: str) -> Lines:
    """The end of a build, as nova tells it on the bus as well; one of its two formats is enough."""
    payload = fact.attributes["payload"]
    uuid = payload.get("uuid") or payload.get("instance_id") or payload.get("nova_object.data", {}).get("uuid", "")
    if fact.name.endswith("instance.create.error") and fact.service == "nova-compute":
        fault = payload.get("nova_object.data", {}).get("fault") or {}
        why = payload.get("message") or fault.get("nova_object.data", {}).get("exception_message", "")
        yield Line(COMPUTE_LOG, f"Failed to build and run instance: {why}", "ERROR", uuid)


ENDS: dict[str, Callable[[Fact, str], Lines]] = {
    "http.server": _answered,
    "http.client": _called,
    "rpc.deliver": _delivered,
    "driver": _driven,
    "notification": _told,
}


# what only the service itself knows


def noted(fact: Fact) -> Lines:
    rule = NOTES.get(fact.name)
    if rule:
        yield from rule(fact.attributes)


def _filtering(seen: dict[str, Any]) -> Lines:
    yield Line("nova.filters", f"Starting with {seen['begun_with']} host(s)", "DEBUG")
    for name, left in seen["left"].items():
        level = "DEBUG" if left else "INFO"
        yield Line("nova.filters", f"Filter {name} returned {left} host{'(s)' if left else 's'}", level)


def _weighing(seen: dict[str, Any]) -> Lines:
    yield Line(MANAGER, f"Filtered [{', '.join(f'({host}, {node})' for host, node, _ in seen['hosts'])}]", "DEBUG")
    weighed = ", ".join(f"WeighedHost [host: ({host}, {node}), weight: {weight}]" for host, node, weight in seen["hosts"])
    yield Line(MANAGER, f"Weighed [{weighed}]", "DEBUG")


def _selected(seen: dict[str, Any]) -> Lines:
    yield Line(MANAGER, f"Selected host: ({seen['host']}, {seen['node']})", "DEBUG", seen["instance_uuid"])


def _claimed(seen: dict[str, Any]) -> Lines:
    yield Line("nova.compute.claims", f"Claim successful on node {seen['node']}", instance=seen["instance_uuid"])


NOTES: dict[str, Callable[[dict[str, Any]], Lines]] = {
    "filtered": _filtering,
    "weighed": _weighing,
    "selected": _selected,
    "claimed": _claimed,
}
