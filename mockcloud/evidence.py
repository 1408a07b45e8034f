"""The 28 steps of one launch, found among the facts that the seams recorded.

A pure function over facts: it never sees a signpost. Facts of one launch carry its request id, or the global one that it
sent on; a message is followed by its unique id, an answer by the id of its call, a REST call to its server by parenthood.
A step counts where it was seen behind the steps that it must follow. One that was not seen hides only what is part of the
same exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mockcloud.trace import Fact


@dataclass(frozen=True, slots=True)
class Sighting:
    """A step as it was seen: in which fact, when (seconds since the epoch), and what was there."""

    step: int
    fact: int
    at: float
    seen: str


def boot_requests(facts: Iterable[Fact]) -> list[Fact]:
    """The requests for servers that reached nova-api."""
    return [
        fact
        for fact in facts
        if fact.kind == "http.server" and fact.service == "nova" and fact.attributes["method"] == "POST" and _makes_servers(fact)
    ]


def _makes_servers(fact: Fact) -> bool:
    return str(fact.attributes["path"]).rsplit("/", 1)[-1] in ("servers", "os-volumes_boot")


def sightings(facts: Iterable[Fact], boot: Fact | None = None) -> dict[int, Sighting]:
    """The steps that were seen of one launch, by number; without `boot`, of the only or the last one."""
    launch = Launch(list(facts), boot)
    for number, rule in sorted(RULES.items()):
        found = rule(launch)
        if found is not None:
            fact, at, seen = found
            launch.facts[number] = fact
            launch.seen[number] = Sighting(number, fact.id, at, seen)
    return launch.seen


class Launch:
    """The facts of one launch, and what has been seen of it so far."""

    def __init__(self, facts: list[Fact], boot: Fact | None) -> None:
        boots = boot_requests(facts)
        self.boot = boot or (boots[-1] if boots else None)
        ids = {self.boot.request_id, self.boot.global_request_id} - {""} if self.boot else set()
        self.all = facts
        self.own = [fact for fact in facts if fact.request_id in ids or fact.global_request_id in ids]
        self.facts: dict[int, Fact] = {}
        self.seen: dict[int, Sighting] = {}
        self.attempt = self._last_attempt()

    def _last_attempt(self) -> Fact | None:
        """The last cast of the launch to a compute: each host that was tried got one."""
        casts = [fact for fact in self.those("rpc.publish", name="run_instance") if _queue(fact).startswith("compute.")]
        return casts[-1] if casts else None

    @property
    def host(self) -> str:
        return _queue(self.attempt).partition(".")[2] if self.attempt else ""

    def after(self, *steps: int) -> float:
        """When the last of these steps was seen, of those that were."""
        return max((self.seen[step].at for step in steps if step in self.seen), default=0.0)

    def first(self, kind: str, *, after: float = 0.0, under: Fact | None = None, **wanted: Any) -> Fact | None:
        """The first fact of a kind that began after a time, directly beneath another."""
        for fact in self.those(kind, **wanted):
            if fact.start >= after and (under is None or fact.parent == under.id):
                return fact
        return None

    def those(self, kind: str, **wanted: Any) -> Iterator[Fact]:
        """Facts of a kind and with these values; not what ended in an error."""
        for fact in self.own:
            if fact.kind == kind and "error" not in fact.attributes and all(_value(fact, name) == value for name, value in wanted.items()):
                yield fact


def _value(fact: Fact, name: str) -> Any:
    return getattr(fact, name) if name in ("name", "service", "host") else fact.attributes.get(name)


def _queue(fact: Fact) -> str:
    return str(fact.attributes.get("routing_key", ""))


Found = tuple[Fact, float, str] | None
Rule = Callable[[Launch], Found]
RULES: dict[int, Rule] = {}


def rule(*steps: int) -> Callable[[Callable[[Launch, int], Found]], Callable[[Launch, int], Found]]:
    """What counts as having seen these steps; the docstring says it to a reader."""

    def register(find: Callable[[Launch, int], Found]) -> Callable[[Launch, int], Found]:
        for step in steps:
            RULES[step] = lambda launch, step=step: find(launch, step)  # type: ignore[misc]
            EVIDENCE[step] = " ".join((find.__doc__ or "").split())
        return find

    return register


EVIDENCE: dict[int, str] = {}


def _begun(fact: Fact | None, seen: str) -> Found:
    return None if fact is None else (fact, fact.start, seen)


def _ended(fact: Fact | None, seen: str) -> Found:
    return None if fact is None or fact.end is None else (fact, fact.end, seen)


# the client, keystone and nova-api


@rule(1)
def login(launch: Launch, step: int) -> Found:
    """HTTP server of keystone: POST /v3/auth/tokens, the one that issued the token of the boot request."""
    return _begun(_login(launch), "POST /v3/auth/tokens")


@rule(2)
def token_issued(launch: Launch, step: int) -> Found:
    """HTTP server of keystone: its answer 201, with the token whose fingerprint the boot request shows."""
    fact = launch.facts.get(1)
    if fact is None or fact.attributes.get("status") != 201:
        return None
    return _ended(fact, f"201, token {fact.attributes.get('issued_token')}")


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
    return None if launch.boot is None else _begun(launch.boot, launch.boot.name)


@rule(4, 20, 23, 26)
def token_asked(launch: Launch, step: int) -> Found:
    """HTTP client of the service, inside the request it serves: GET /v3/auth/tokens, with the token's fingerprint."""
    served = launch.boot if step == 4 else _served(launch, step - 1)
    if served is None:
        return None
    asked = launch.first("http.client", under=served, name="GET /v3/auth/tokens", subject_token=served.attributes.get("token"))
    return _begun(asked, f"GET /v3/auth/tokens for {served.name}")


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
    return _ended(asked, f"200, user {launch.boot.attributes['user_id'][:8]}, project {launch.boot.attributes['project_id'][:8]}")


@rule(6)
def lookup(launch: Launch, step: int) -> Found:
    """Database seam of nova-api: SELECT from flavors in the database of nova."""
    read = launch.first("db", after=launch.after(5), service="nova", database="nova", name="SELECT flavors")
    return _begun(read, "SELECT flavors")


@rule(7)
def first_entry(launch: Launch, step: int) -> Found:
    """Database seam of nova-api: INSERT into instances in the database of nova."""
    written = launch.first("db", after=launch.after(5, 6), service="nova", database="nova", name="INSERT instances")
    return _begun(written, "INSERT instances")


# over the bus to the scheduler


@rule(8)
def scheduler_called(launch: Launch, step: int) -> Found:
    """Bus: nova-api publishes run_instance for `scheduler`, with the id of a call."""
    call = launch.first("rpc.publish", after=launch.after(7), service="nova", name="run_instance", routing_key="scheduler")
    return _begun(call, "call run_instance -> scheduler") if call and call.attributes.get("msg_id") else None


@rule(9, 13, 15)
def taken(launch: Launch, step: int) -> Found:
    """Bus: the message of the step before is delivered to its worker."""
    who = {9: "nova-scheduler", 13: "nova-compute", 15: "nova-conductor"}[step]
    method = "instance_get_by_uuid" if step == 15 else "run_instance"
    sent = launch.facts.get(step - 1)
    same = {"unique_id": sent.attributes["unique_id"]} if sent else {}
    got = launch.first("rpc.deliver", after=launch.after(step - 1), service=who, name=method, **same)
    return _begun(got, f"{method} taken by {got.service} on {got.host}") if got else None


@rule(10)
def hosts_read(launch: Launch, step: int) -> Found:
    """Database seam of the scheduler: SELECT from compute_nodes."""
    read = launch.first("db", after=launch.after(9), service="nova-scheduler", name="SELECT compute_nodes")
    return _begun(read, "SELECT compute_nodes")


@rule(11)
def host_returned(launch: Launch, step: int) -> Found:
    """Bus: the reply to the call of step 8, a server with its host."""
    reply = _reply(launch, 8, service="nova-scheduler")
    servers = reply.attributes.get("result") if reply else None
    hosts = [server.get("host") for server in servers if server.get("host")] if isinstance(servers, list) else []
    return _begun(reply, f"reply: host {', '.join(hosts)}") if hosts else None


def _reply(launch: Launch, step: int, **wanted: Any) -> Fact | None:
    call = launch.facts.get(step)
    same = {"msg_id": call.attributes["msg_id"]} if call else {}
    return launch.first("rpc.reply", after=launch.after(step), failure=None, **same, **wanted)


@rule(12)
def compute_cast(launch: Launch, step: int) -> Found:
    """Bus: the scheduler publishes run_instance for `compute.<host>`, without the id of a call."""
    cast = launch.attempt
    if cast is None or cast.service != "nova-scheduler" or cast.attributes.get("msg_id") or cast.start < launch.after(11):
        return None
    return _begun(cast, f"cast run_instance -> {_queue(cast)}")


# the compute and the conductor


@rule(14)
def conductor_called(launch: Launch, step: int) -> Found:
    """Bus: the compute publishes instance_get_by_uuid for `conductor`, with the id of a call."""
    call = launch.first(
        "rpc.publish", after=launch.after(12, 13), service="nova-compute", host=launch.host, name="instance_get_by_uuid",
        routing_key="conductor",
    )  # fmt: skip
    return _begun(call, "call instance_get_by_uuid -> conductor") if call and call.attributes.get("msg_id") else None


@rule(16)
def server_read(launch: Launch, step: int) -> Found:
    """Database seam of the conductor: SELECT from instances."""
    read = launch.first("db", after=launch.after(14, 15), service="nova-conductor", name="SELECT instances")
    return _begun(read, "SELECT instances")


@rule(17)
def data_returned(launch: Launch, step: int) -> Found:
    """Bus: the reply to the call of step 14, the server's data."""
    reply = _reply(launch, 14, service="nova-conductor")
    data = reply.attributes.get("result") if reply else None
    if not isinstance(data, dict) or reply is None or reply.start < launch.after(15, 16):
        return None
    flavor = data.get("flavor") or {}
    return _begun(reply, f"reply: {data.get('uuid', '')[:8]}, flavor {flavor.get('name', '?')}")


@rule(18)
def data_taken(launch: Launch, step: int) -> Found:
    """Bus: the compute takes the answer to its call of step 14."""
    call = launch.facts.get(14)
    same = {"msg_id": call.attributes["msg_id"]} if call else {"name": "instance_get_by_uuid"}
    answer = launch.first("rpc.answer", after=launch.after(14, 17), service="nova-compute", **same)
    return _begun(answer, f"answer taken on {answer.host}") if answer else None


# image, network, volume, guest

CALLS = {19: ("image", ("GET",), "/v2/images/"), 22: ("network", ("POST", "PUT"), "/v2.0/ports"),
         25: ("block-storage", ("POST", "PUT"), "/v3/")}  # fmt: skip


@rule(19, 22, 25)
def asked(launch: Launch, step: int) -> Found:
    """HTTP client of the compute: the call to the service's endpoint of the catalog."""
    service, methods, path = CALLS[step]
    for method in methods:
        for call in launch.those("http.client", service="nova-compute", host=launch.host, callee=service, method=method):
            if path in call.name and call.start >= launch.after(step - 1, 18):
                return _begun(call, call.name)
    return None


@rule(21, 24, 27)
def received(launch: Launch, step: int) -> Found:
    """HTTP client of the compute: the answer to that call, a success."""
    call = launch.facts.get(step - 2)
    status = call.attributes.get("status") if call else None
    if status is None or not 200 <= status < 300:
        return None
    found = _ended(call, f"{status} from {call.attributes['callee']}" if call else "")
    return found if found and found[1] >= launch.after(step - 1) else None


@rule(28)
def spawned(launch: Launch, step: int) -> Found:
    """Driver seam of the compute: spawn, ended without an error, on the host of step 12."""
    for call in launch.those("driver", service="nova-compute", host=launch.host, name="spawn"):
        if call.start >= launch.after(21, 24, 27):
            return _ended(call, f"driver.spawn on {call.host}")
    return None
