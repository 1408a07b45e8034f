"""S19 to S28: image, network, volume and the hypervisor, as the services and the compute see them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.evidence import Fact
from conformance.sightings import Found, Scan, begun, by_then, ended, logged, sees, since_then, some_time

SERVICE = {"S19": "glance", "S22": "neutron", "S25": "cinder"}
_IMAGE = re.compile(r"/v2/images/[^/]+(/file)?$")
_PORTS = re.compile(r"/v2\.0/ports(/[^/]+)?$")
_VOLUMES = re.compile(r"/v3/([0-9a-f-]+/)?(volumes/[^/]+/action|attachments(/[^/]+)?)$")


def _asks(event: str, fact: Fact) -> bool:
    """Whether a request is what that step is about."""
    path, method = str(fact.get("path") or fact.name.partition(" ")[2]), fact.get("method") or fact.name.partition(" ")[0]
    if event.startswith("S19"):
        return method == "GET" and bool(_IMAGE.search(path))
    if event.startswith("S22"):
        return (method in ("POST", "PUT") and bool(_PORTS.search(path))) if event == "S22" else "/v2.0/" in path
    if event == "S25a":
        return "/volumes/" in path or (method == "POST" and path.endswith("/attachments"))
    return method in ("POST", "PUT") and bool(_VOLUMES.search(path))


def _calls(scan: Scan, event: str, actor: str) -> Iterator[Fact]:
    """Requests of nova-api or the compute at a service, from either side."""
    service = SERVICE[event[:3]]
    own = list(scan.those("http.client", actor=actor))
    for fact in own:
        if _asks(event, fact) and _is_at(fact, service):
            yield fact
    if own:
        return
    for fact in scan.those("http.server", actor=service):
        doer = scan.doer(fact)
        caller = doer.actor if doer else fact.get("caller") or _sole_caller(scan, event, fact)
        if _asks(event, fact) and caller == actor:
            yield fact


def _sole_caller(scan: Scan, event: str, fact: Fact) -> str:
    """Where nothing tells who asked: of some requests a launch's only ones are the compute's."""
    path = str(fact.get("path"))
    if path.endswith("/file") or event == "S22" or (event == "S25" and (fact.get("method") == "PUT" or path.endswith("/action"))):
        return "nova-compute"
    return ""


def _is_at(fact: Fact, service: str) -> bool:
    names = {"glance": ("image", "glance"), "neutron": ("network", "neutron"), "cinder": ("block-storage", "volumev3", "volume", "cinder")}
    return not fact.get("callee") or fact.get("callee") in names[service]


@sees("S19a", "S22a", "S25a", dialects=("cells_v2",))
def looked_at(scan: Scan, event: str) -> Iterator[Found]:
    """REST: nova-api looks at image, network and volume in the user's name, before it writes its first entry."""
    for fact in _calls(scan, event, "nova-api"):
        yield begun(event, fact, fact.name)


@sees("S19", "S22", "S25")
def asked(scan: Scan, event: str) -> Iterator[Found]:
    """REST: the compute's call to that service, from either side."""
    for fact in _calls(scan, event, "nova-compute"):
        if not scan.host or not fact.host or fact.kind == "http.server" or fact.host == scan.host:
            yield begun(event, fact, fact.name)


@sees("S21", "S24", "S27")
def received(scan: Scan, event: str) -> Iterator[Found]:
    """REST: the answer to that call, a success."""
    call = scan.fact({"S21": "S19", "S24": "S22", "S27": "S25"}[event])
    if call is not None and call.kind in ("http.client", "http.server") and call.get("status") in (None, 200, 201, 202, 204):
        yield from ended(event, call, f"{call.get('status') or 'an answer'} to {call.name}")


@sees("S19", "S21")
def image_sent(scan: Scan, event: str) -> Iterator[Found]:
    """Notification: glance has sent the image's data."""
    for fact in scan.those("notification", name="image.send"):
        what = f"image.send by {fact.get('publisher_id', '?')}"
        yield by_then(event, fact, what) if event == "S19" else some_time(event, fact, what, direct=True)


@sees("S22", "S24")
def port_announced(scan: Scan, event: str) -> Iterator[Found]:
    """Notification: neutron makes (S22) and binds (S24) a port of the server; or the compute's log says that it has one."""
    wanted = {"S22": ("port.create.start", "port.create.end", "port.update.start"), "S24": ("port.update.end",)}[event]
    for fact in scan.those("notification", name=lambda name: name in wanted):
        if scan.server_id in fact.server_ids:
            yield by_then(event, fact, fact.name) if event == "S22" else since_then(event, fact, fact.name)
            return
    yield from logged(scan, event, "nova-compute", "Successfully created port")


@sees("S25", "S27")
def attach_announced(scan: Scan, event: str) -> Iterator[Found]:
    """Notification: cinder begins and ends the attachment."""
    for fact in scan.those("notification", name={"S25": "volume.attach.start", "S27": "volume.attach.end"}[event]):
        yield by_then(event, fact, fact.name) if event == "S25" else some_time(event, fact, fact.name, direct=True)
        return


@sees("S28", once=True)
def spawned(scan: Scan, event: str) -> Iterator[Found]:
    """Driver: spawn, ended without an error, on the host that the launch was sent to."""
    for fact in scan.those("driver", actor="nova-compute", name="spawn"):
        if not scan.host or fact.host == scan.host:
            yield from ended(event, fact, f"spawn on {fact.host}")


@sees("S28")
def build_ended(scan: Scan, event: str) -> Iterator[Found]:
    """Notification, log or trace: the compute says that the guest runs."""
    for fact in scan.those("notification", name=lambda name: name in ("compute.instance.create.end", "instance.create.end")):
        yield by_then(event, fact, f"{fact.name} by {fact.get('publisher_id', '?')}")
    yield from logged(scan, event, "nova-compute", "to spawn the instance on the hypervisor")
