"""Steps that leave the same facts in both dialects."""

from __future__ import annotations

from mockcloud.evidence.launch import Found, Launch, begun, ended, rule
from mockcloud.trace import Fact

# the client, keystone and nova-api


@rule(1)
def login(launch: Launch, step: int) -> Found:
    """HTTP server of keystone: POST /v3/auth/tokens, the one that issued the token of the boot request."""
    return begun(_login(launch), "POST /v3/auth/tokens")


@rule(2)
def token_issued(launch: Launch, step: int) -> Found:
    """HTTP server of keystone: its answer 201, with the token whose fingerprint the boot request shows."""
    fact = launch.facts.get(1)
    if fact is None or fact.attributes.get("status") != 201:
        return None
    return ended(fact, f"201, token {fact.attributes.get('issued_token')}")


def _login(launch: Launch) -> Fact | None:
    logins = [fact for fact in launch.all if fact.kind == "http.server" and fact.name == "POST /v3/auth/tokens"]
    if launch.boot is None:  # not yet there: the latest client's, which no other fact caused
        return next((fact for fact in reversed(logins) if fact.parent is None), None)
    token = launch.boot.attributes.get("token")
    fitting = (fact for fact in reversed(logins) if fact.start <= launch.boot.start)
    return next((fact for fact in fitting if token and fact.attributes.get("issued_token") == token), None)


@rule(3)
def boot_request(launch: Launch, step: int) -> Found:
    """HTTP server of nova-api: POST /v2.1/servers."""
    return None if launch.boot is None else begun(launch.boot, launch.boot.name)


@rule(4, 20, 23, 26)
def token_asked(launch: Launch, step: int) -> Found:
    """HTTP client of the service, inside the request it serves: GET /v3/auth/tokens, with the token's fingerprint."""
    served = launch.boot if step == 4 else _served(launch, step - 1)
    if served is None:
        return None
    asked = launch.first("http.client", under=served, name="GET /v3/auth/tokens", subject_token=served.attributes.get("token"))
    return begun(asked, f"GET /v3/auth/tokens for {served.name}")


def _served(launch: Launch, step: int) -> Fact | None:
    """What the client of that step's REST call met: the server's side of it."""
    call = launch.facts.get(step)
    return launch.first("http.server", under=call) if call else None


@rule(5)
def token_valid(launch: Launch, step: int) -> Found:
    """HTTP client of nova-api: the answer 200 to its question, and user and project bound to the boot request."""
    asked = launch.facts.get(4)
    if asked is None or launch.boot is None or asked.attributes.get("status") != 200 or not launch.boot.attributes.get("user_id"):
        return None
    return ended(asked, f"200, user {launch.boot.attributes['user_id'][:8]}, project {launch.boot.attributes['project_id'][:8]}")


@rule(6)
def lookup(launch: Launch, step: int) -> Found:
    """Database seam of nova-api: SELECT from flavors in the database of nova."""
    read = launch.first("db", after=launch.after(5), service="nova", database="nova", name="SELECT flavors")
    return begun(read, "SELECT flavors")


# over the bus

METHODS = {  # what is taken at which step
    "classic": {9: "run_instance", 13: "run_instance", 15: "instance_get_by_uuid"},
    "cells_v2": {9: "select_destinations", 13: "build_and_run_instance", 15: "object_action"},
}


@rule(9, 13, 15)
def taken(launch: Launch, step: int) -> Found:
    """Bus: the message of the step before is delivered to its worker."""
    who = {9: "nova-scheduler", 13: "nova-compute", 15: "nova-conductor"}[step]
    method = METHODS[launch.dialect][step]
    sent = launch.facts.get(step - 1)
    same = {"unique_id": sent.attributes["unique_id"]} if sent else {}
    got = launch.first("rpc.deliver", after=launch.after(step - 1), service=who, name=method, **same)
    return begun(got, f"{method} taken by {got.service} on {got.host}") if got else None


@rule(10)
def hosts_read(launch: Launch, step: int) -> Found:
    """Database seam of the scheduler: SELECT from compute_nodes."""
    read = launch.first("db", after=launch.after(9), service="nova-scheduler", name="SELECT compute_nodes")
    return begun(read, "SELECT compute_nodes")


# image, network, volume, guest

CALLS = {19: ("image", ("GET",), "/v2/images/"), 22: ("network", ("POST", "PUT"), "/v2.0/ports"),
         25: ("block-storage", ("POST", "PUT"), "/v3/")}  # fmt: skip


@rule(19, 22, 25)
def asked(launch: Launch, step: int) -> Found:
    """HTTP client of the compute: the call to the service's endpoint of the catalog."""
    service, methods, path = CALLS[step]
    for call in launch.those("http.client", service="nova-compute", host=launch.host, callee=service):
        if call.attributes.get("method") in methods and path in call.name and call.start >= launch.behind(step):
            return begun(call, call.name)
    return None


@rule(21, 24, 27)
def received(launch: Launch, step: int) -> Found:
    """HTTP client of the compute: the answer to that call, a success."""
    call = launch.facts.get(step - 2)
    status = call.attributes.get("status") if call else None
    if status is None or not 200 <= status < 300:
        return None
    found = ended(call, f"{status} from {call.attributes['callee']}" if call else "")
    return found if found and found[1] >= launch.after(step - 1) else None


@rule(28)
def spawned(launch: Launch, step: int) -> Found:
    """Driver seam of the compute: spawn, ended without an error, on the host of step 12."""
    for call in launch.those("driver", service="nova-compute", host=launch.host, name="spawn"):
        if call.start >= launch.after(21, 24, 27):
            return ended(call, f"driver.spawn on {call.host}")
    return None
