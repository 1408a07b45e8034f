"""The client's side of a launch: everything that is asked, seen and polled of it, kept for the judge."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from conformance.client import Exchange, Person
from conformance.evidence import Evidence, Fact
from conformance.registry import Broken, Violation
from conformance.sources import Traced

if TYPE_CHECKING:
    from conformance.cloud import Cloud

FAULT_WITHIN = 2.0  # seconds after ERROR
ENDED = ("ACTIVE", "ERROR")
EVENTS = "2.62"  # the oldest version that shows action events with their hosts
VIEWED = (
    "status", "hostId", "addresses", "created", "updated", "fault", "tenant_id", "user_id", "image", "flavor", "key_name", "progress",
    "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state", "OS-SRV-USG:launched_at", "OS-EXT-AZ:availability_zone",
    "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:instance_name",
    "os-extended-volumes:volumes_attached",
)  # fmt: skip
PAUSES = (0.0, 0.0, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.2, 0.4)  # between two looks, the last for ever


@dataclass
class Launch:
    """One server, from the request on. `facts` are views and probes; what sources have is read when `evidence` is asked for."""

    cloud: Cloud
    person: Person
    boot: Exchange
    name: str
    global_request_id: str = ""
    volumes: tuple[str, ...] = ()
    facts: list[Fact] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)  # the last view of the server
    ports: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)  # with their events
    volume_views: list[dict[str, Any]] = field(default_factory=list)  # cinder's, looked at right after the end was seen

    @property
    def server_id(self) -> str:
        body = self.boot.body
        return str(body["server"]["id"]) if self.boot.status == 202 and isinstance(body, dict) and "server" in body else ""

    @property
    def request_id(self) -> str:
        return self.boot.request_id

    @property
    def status(self) -> str:
        return str(self.final.get("status", ""))

    @property
    def views(self) -> list[Fact]:
        """What polls showed of the server, in their order."""
        return [fact for fact in self.facts if fact.kind == "view" and fact.name == "server"]

    def must_be_active(self) -> Launch:
        """Raises a Violation that names the fault, if there is one."""
        if self.status != "ACTIVE":
            fault = (self.final.get("fault") or {}).get("message", "")
            ended = f"{self.status or 'no server'}{': ' + fault if fault else ''}" if self.server_id else str(self.boot)
            raise Violation("the server becomes ACTIVE", ended, self.boot.fact, *self.views[-1:])
        return self

    @cached_property
    def evidence(self) -> Evidence:
        """All that every source shows of this launch, by now."""
        ids = {self.request_id, self.global_request_id}
        own = [fact for fact in self.cloud.recorder.facts if fact.id == self.boot.fact.id or fact.get("issued_token") == self._token]
        return self.cloud.evidence(ids, {self.server_id}, [*own, *self.facts])

    @property
    def _token(self) -> str:
        return str(self.boot.fact.get("token")) or "?"

    @cached_property
    def dialect(self) -> str:
        from conformance.sightings import recognise

        return recognise(self.evidence)


class Launcher:
    """Starts servers for checks, watches them, and has them deleted when the check is over."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def golden(self) -> Launch:
        """A launch with its own login, network, image and (where there is cinder) a volume; then the probes."""
        from conformance.probes import probe_tokens

        person = self.cloud.member
        self.cloud.sources  # noqa: B018 - they listen from here on, so that they see the login
        volumes = [self.cloud.resources.volume(person)] if self.cloud.has_volumes else []
        image = self.cloud.fresh_image_id()
        launch = self.launch(volumes=volumes, name="launch", token=person.login(), watch_volumes=True, imageRef=image)
        launch.facts += probe_tokens(self.cloud)
        return launch

    def launch(
        self,
        *,
        person: Person | None = None,
        name: str = "server",
        volumes: Sequence[str] = (),
        token: str | None = None,
        wait: bool = True,
        watch_volumes: bool = False,
        global_request_id: str = "",
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        version: str = EVENTS,
        body: Mapping[str, Any] | None = None,
        hints: Mapping[str, Any] | None = None,
        **server: Any,
    ) -> Launch:
        """POSTs a server and, if it is to be waited for, follows it until ACTIVE or ERROR. A refusal is a launch without server.

        `server` replaces or (with None) removes fields of the body; `body` is a whole one, made elsewhere. `hints` are for the scheduler.
        """
        who = person or self.cloud.member
        body = dict(body) if body is not None else self.body(name, volumes, **server)
        sent = {"X-OpenStack-Request-ID": global_request_id} if global_request_id else {}
        for source in self.cloud.sources:
            sent |= source.headers()
        sent |= headers or {}
        boot = who.post(
            "compute",
            "/servers",
            json={"server": body} | ({"os:scheduler_hints": hints} if hints else {}),
            version=version,
            token=token,
            headers=sent,
        )
        for source in self.cloud.sources:
            if isinstance(source, Traced):
                source.sent(sent, boot.request_id)
        launch = Launch(self.cloud, who, boot, body.get("name", ""), global_request_id, tuple(volumes))
        if launch.server_id:
            self.cloud.resources.remember(who, "compute", f"/servers/{launch.server_id}", f"server {launch.server_id}")
            if wait:
                self.follow(launch, seconds, watch_volumes)
        return launch

    def body(self, name: str, volumes: Sequence[str] = (), **server: Any) -> dict[str, Any]:
        """What is POSTed: smallest flavor, image, network, and the given volumes attached beside the image's disk."""
        body: dict[str, Any] = {"name": self.cloud.resources.name(name), "flavorRef": "", "imageRef": "", "networks": []}
        for key, make in (("flavorRef", self.cloud.flavor_id), ("imageRef", lambda: self.cloud.image()["id"]),
                          ("networks", lambda: [{"uuid": self.cloud.network()["id"]}])):  # fmt: skip
            body[key] = server[key] if key in server else make()
        if volumes:
            image = {"uuid": body["imageRef"], "source_type": "image", "destination_type": "local", "boot_index": 0,
                     "delete_on_termination": True}  # fmt: skip
            body["block_device_mapping_v2"] = [image] if body["imageRef"] else []
            for volume in volumes:
                body["block_device_mapping_v2"].append(
                    {"uuid": volume, "source_type": "volume", "destination_type": "volume", "boot_index": -1}
                )
        body |= server
        return {key: value for key, value in body.items() if value is not None}

    def follow(self, launch: Launch, seconds: float | None = None, watch_volumes: bool = False) -> Launch:
        """Polls as densely as the cloud answers, first; then waits until nothing moves any more."""
        deadline = time.monotonic() + (seconds or self.cloud.options.timeout)
        looks = 0
        while True:
            self._look(launch)
            if watch_volumes:
                launch.volume_views = self._look_at_volumes(launch)
            if launch.status in ENDED or not launch.final:
                break
            if time.monotonic() > deadline:
                return launch
            time.sleep(PAUSES[min(looks, len(PAUSES) - 1)])
            looks += 1
        self.settle(launch)
        return launch

    def _look(self, launch: Launch) -> None:
        shown = launch.person.get("compute", f"/servers/{launch.server_id}", version=EVENTS)
        server = shown.body.get("server", {}) if shown.status == 200 and isinstance(shown.body, dict) else {}
        launch.final = server
        self._note(launch, "server", shown, {key: server[key] for key in VIEWED if key in server} | {"http_status": shown.status})

    def _look_at_volumes(self, launch: Launch) -> list[dict[str, Any]]:
        seen = []
        for volume_id in launch.volumes:
            shown = launch.person.get("volume", f"/volumes/{volume_id}")
            volume = shown.body.get("volume", {}) if shown.status == 200 else {}
            seen.append(volume)
            self._note(launch, "volume", shown, {"id": volume_id, "status": volume.get("status"), "attachments": volume.get("attachments")})
        return seen

    def _note(self, launch: Launch, what: str, shown: Exchange, attributes: dict[str, Any]) -> None:
        before = [fact for fact in launch.facts if fact.kind == "view" and fact.name == what]
        if before and dict(before[-1].attributes) == attributes:
            return
        launch.facts.append(
            Fact(
                f"{shown.fact.id}:{what}", "client", "view", "client", what, shown.fact.start, shown.fact.end, "client", "",
                "", frozenset({launch.request_id}), frozenset({launch.server_id}), attributes,
            )
        )  # fmt: skip

    def settle(self, launch: Launch, seconds: float = 30.0) -> None:
        """After the end: events finish, ports and volumes come to rest. What is then there is kept in the launch."""
        self._await_fault(launch)
        deadline = time.monotonic() + seconds
        while True:
            launch.actions = self.actions(launch.person, launch.server_id)
            if watched := launch.volumes if launch.status == "ACTIVE" else ():
                self._look_at_volumes(launch)
            events = [event for action in launch.actions for event in action.get("events") or [{}]]
            resting = all(event.get("finish_time") for event in events) if launch.status == "ACTIVE" else True
            last = {fact.get("id"): fact.get("status") for fact in launch.facts if fact.name == "volume"}
            if (resting and launch.actions and all(last.get(v) == "in-use" for v in watched)) or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        self._note_rest(launch)

    def _await_fault(self, launch: Launch) -> None:
        """Nova's conductor saves ERROR first, and then why."""
        deadline = time.monotonic() + FAULT_WITHIN
        while launch.status == "ERROR" and not launch.final.get("fault") and time.monotonic() < deadline:
            time.sleep(0.05)
            self._look(launch)

    def _note_rest(self, launch: Launch) -> None:
        if launch.person.has("network"):
            shown = launch.person.get("network", "/ports", params={"device_id": launch.server_id})
            launch.ports = list((shown.body or {}).get("ports", []))
            self._note(launch, "ports", shown, {"ports": launch.ports})
        shown = launch.person.get("compute", f"/servers/{launch.server_id}/os-volume_attachments", version="2.89")
        if shown.status == 200:
            self._note(launch, "volume_attachments", shown, {"volumeAttachments": shown.body.get("volumeAttachments", [])})
        shown = launch.person.get("compute", f"/servers/{launch.server_id}/os-instance-actions", version=EVENTS)
        self._note(launch, "actions", shown, {"actions": launch.actions})

    def actions(self, person: Person, server_id: str) -> list[dict[str, Any]]:
        """The server's actions with their events; empty while there are none."""
        base = f"/servers/{server_id}/os-instance-actions"
        listed = person.get("compute", base, version=EVENTS)
        found = []
        for action in (listed.body or {}).get("instanceActions", []) if listed.status == 200 else []:
            shown = person.get("compute", f"{base}/{action['request_id']}", version=EVENTS)
            found.append(shown.body["instanceAction"] if shown.status == 200 else action)
        return found

    def many(self, count: int, at_once: int = 10, **options: Any) -> list[Launch]:
        """As many launches, so many of them at the same time."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.launch(**options), range(count)))

    def gone(self, launch: Launch) -> None:
        """Deletes the server and waits until it is not there. Raises Broken when it stays."""
        for made in [m for m in (*self.cloud.resources.made, *self.cloud.resources.lasting) if m.path == f"/servers/{launch.server_id}"]:
            if problem := self.cloud.resources.delete(made):
                raise Broken(problem)


def new_global_id() -> str:
    return f"req-{uuid.uuid4()}"
