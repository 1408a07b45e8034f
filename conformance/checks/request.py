"""S03: the request for a server, and what it is answered."""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlsplit

from conformance.cloud import Cloud
from conformance.evidence import Fact
from conformance.launch import Launch, new_global_id
from conformance.registry import NotObservable, Unsupported, check, require
from conformance.situations import refused_launch, stray_ports

REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HELD = 10.0  # seconds on the cloud's clock: how long a step is held up
TOLD = ("http.server", "rpc.publish", "log")  # kinds of facts in which the id shows that a service was told


@check(
    "S03.C1", "B", given="a token, a flavor, an active image and a network", when="POST /servers",
    then="202; a uuid, a Location that ends in it, and a request id",
)  # fmt: skip
def accepted(cloud: Cloud) -> None:
    """A good request for a server is accepted, and says which server it will be."""
    boot = cloud.golden.boot
    require(boot.status == 202, "202", boot, boot.fact)
    server_id = str((boot.body or {}).get("server", {}).get("id", ""))
    require(_is_uuid(server_id), "server.id is a uuid", server_id or "none", boot.fact)
    location = boot.headers.get("location", "")
    require(urlsplit(location).path.endswith(f"/servers/{server_id}"), f"a Location that ends in /servers/{server_id}", location, boot.fact)
    require(REQUEST_ID.fullmatch(boot.request_id), "x-openstack-request-id is req- and a uuid", boot.request_id or "none", boot.fact)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


@check(
    "S03.C2", "B", given="a launch whose spawn takes long (cells_v2: whose scheduling does)", when="POST /servers",
    then="the 202 arrives while the server is in BUILD",
)  # fmt: skip
def not_waited_for(cloud: Cloud) -> None:
    """The answer does not wait until the server runs."""
    try:
        _held_up(cloud)
    except Unsupported:
        _seen_in_build(cloud.golden)


def _held_up(cloud: Cloud) -> None:
    slow, ours = 28 if cloud.dialect == "classic" else 10, new_global_id()
    with cloud.control.fault(slow, "delay", seconds=HELD, request_id=ours):
        launch = cloud.launcher.launch(name="slow", wait=False, global_request_id=ours)
        shown = launch.person.get("compute", f"/servers/{launch.server_id or 'none'}")
    cloud.control.advance(HELD)
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    status = shown.body["server"]["status"] if shown.status == 200 else str(shown)
    require(status == "BUILD", f"BUILD when the 202 has come, for step {slow} is held up", status, launch.boot.fact, shown.fact)


def _seen_in_build(launch: Launch) -> None:
    require(launch.views, "a server that is there after its 202", launch.boot, launch.boot.fact)
    first = launch.views[0]
    if first.get("status") != "BUILD":
        raise NotObservable("the server was not in BUILD any more when it was first looked at, and no step can be held up here")


@check(
    "S03.C3", "B", given="an unknown flavor, an unknown image, and a body without a name", when="POST /servers with each",
    then="400; no server and no port is left",
)  # fmt: skip
def bad_requests(cloud: Cloud) -> None:
    """A request that cannot be fulfilled is refused at once, and leaves nothing."""
    with stray_ports(cloud) as strays:
        refused_launch(cloud, (400,), "an unknown flavor", flavorRef=f"conformance-{uuid.uuid4()}")
        refused_launch(cloud, (400,), "an unknown image", imageRef=str(uuid.uuid4()))
        nameless = {key: value for key, value in cloud.launcher.body("nameless").items() if key != "name"}
        launch = cloud.launcher.launch(body=nameless, wait=False)
        require(launch.boot.status == 400, "400 for a body without a name", launch.boot, launch.boot.fact)
    require(not strays, "no port after three refusals", f"there is {', '.join(strays)}")


@check(
    "S03.C4", "B", given="two identical bodies", when="POST /servers with both",
    then="two servers with ports and attachments of their own",
)  # fmt: skip
def not_idempotent(cloud: Cloud) -> None:
    """The same request again makes another server, which shares nothing with the first."""
    body = cloud.launcher.body("twin")
    twins = [cloud.launcher.launch(body=body, wait=False) for _ in range(2)]
    for twin in twins:
        require(twin.server_id, "202", twin.boot, twin.boot.fact)
    require(twins[0].server_id != twins[1].server_id, "two ids", f"twice {twins[0].server_id}", *(twin.boot.fact for twin in twins))
    for twin in twins:
        cloud.launcher.follow(twin).must_be_active()
    ports = [{port["id"] for port in twin.ports} for twin in twins]
    require(not ports[0] & ports[1], "ports of their own", ports, *(twin.boot.fact for twin in twins))
    volumes = [{v["id"] for v in twin.final.get("os-extended-volumes:volumes_attached") or ()} for twin in twins]
    require(not volumes[0] & volumes[1], "volumes of their own", volumes, *(twin.boot.fact for twin in twins))


@check(
    "S03.C5", "B", given="a request id that the client sends", when="POST /servers",
    then="the answer has an id of its own; the services behind nova-api see the client's",
)  # fmt: skip
def global_request_id(cloud: Cloud) -> None:
    """The client's request id goes along to every service, beside nova's own."""
    ours = new_global_id()
    launch = cloud.launcher.launch(name="traced", global_request_id=ours)
    require(launch.server_id, "202", launch.boot, launch.boot.fact)
    require(REQUEST_ID.fullmatch(launch.request_id), "a request id in the answer", launch.request_id or "none", launch.boot.fact)
    require(launch.request_id != ours, "a request id of nova's own in the answer", f"the client's, {ours}", launch.boot.fact)
    told = {who: facts for kind in TOLD if cloud.tells(kind) for who, facts in _downstream(launch, kind).items()}
    if not told:
        raise NotObservable("nova's own id is as it should be, but no source shows what the services behind it were told")
    for who, facts in told.items():
        require(
            any(ours in fact.request_ids for fact in facts), f"{ours} in what is seen of {who}", "another id", launch.boot.fact, *facts[:3]
        )


def _downstream(launch: Launch, kind: str) -> dict[str, list[Fact]]:
    """What belongs to the launch by either id, of everybody behind nova-api: by service, of messages all together."""
    found: dict[str, list[Fact]] = {}
    for fact in (fact for fact in launch.evidence.those(kind) if fact.source != "osprofiler"):  # whose points have no request ids
        message = kind == "rpc.publish"  # whose it is, not every tap can tell
        if {launch.request_id, launch.global_request_id} & fact.request_ids and (message or fact.actor not in ("client", "nova-api")):
            found.setdefault("messages" if message else f"{fact.actor} ({kind})", []).append(fact)
    return found
