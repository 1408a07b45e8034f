"""The cloud under test: who may talk to it, what it announces, which evidence there is, and the launch that most checks read."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from keystoneauth1.identity import v3

from conformance.client import Person, Recorder
from conformance.control import Control
from conformance.evidence import Evidence, Fact
from conformance.http import session_for
from conformance.launch import Launch, Launcher
from conformance.options import ROLES, Options, UsageError
from conformance.registry import Broken, Check, Disabled, NotObservable, Unsupported
from conformance.resources import DELETED_WITHIN, PREFIX, Resources
from conformance.sources import Source, SourceError, make_source

WELL_KNOWN = "/.well-known/openstack-evidence"
COPIED = 64 * 2**20  # bytes of an image that is worth copying for a launch of its own
T = TypeVar("T")


class Cloud:
    """Made once a run. Raises Broken when there is no cloud, or nobody may log in."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.recorder = Recorder()
        self.auth_url = identity_url(options)
        self.discovery = self._discover()
        self.resources = Resources(patience=min(DELETED_WITHIN, max(options.timeout, 5.0)))
        self.people: dict[str, Person] = {}
        for role in ROLES:
            if auth := self._auth(role):
                self.people[role] = Person(
                    role, auth, self.recorder, min(options.timeout, 60.0), options.verify, options.interface, options.region, self.auth_url
                )  # fmt: skip
        if "member" not in self.people:
            raise Broken("there are no credentials: give --os-cloud, OS_* variables, or --os-username and --os-password")
        self.member.token  # noqa: B018 - wrong credentials are told now, not by every check
        self.source_problems: dict[str, str] = {}
        self.leftovers: list[str] = []  # what could not be taken away
        self.launcher = Launcher(self)
        self._kept: dict[str, Any] = {}
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    # people

    @property
    def member(self) -> Person:
        return self.people["member"]

    def person(self, role: str) -> Person:
        """Raises NotObservable with what is missing."""
        if role not in self.people:
            raise NotObservable(f"there are no credentials of a {role} (--os-cloud-{role}): {ROLES[role]}")
        return self.people[role]

    @property
    def reader(self) -> Person:
        return self.person("reader")

    @property
    def stranger(self) -> Person:
        return self.person("stranger")

    @property
    def admin(self) -> Person:
        return self.person("admin")

    def _auth(self, role: str) -> Any:
        """From options, clouds.yaml, what the cloud announces, or (the member's) OS_* variables, in this order."""
        if role == "member" and self.options.credentials.get("username"):
            return v3.Password(self.auth_url, **self.options.credentials)
        if name := self.options.clouds.get(role):
            return self._configured(name)
        if known := (self.discovery.get("people") or {}).get(role):
            return v3.Password(self.auth_url, **known)
        if role == "member" and os.environ.get("OS_AUTH_URL"):
            return self._configured("envvars")
        return None

    def _configured(self, name: str) -> Any:
        from openstack import exceptions
        from openstack.config import OpenStackConfig

        try:
            region = OpenStackConfig().get_one(cloud=name)
            region.config["auth"]["auth_url"] = self.auth_url
            return region.get_auth()
        except (exceptions.ConfigException, KeyError, TypeError) as error:
            raise UsageError(f"clouds.yaml and OS_* do not give the cloud {name!r}: {str(error).splitlines()[0]}") from error

    # what the cloud is

    def _discover(self) -> dict[str, Any]:
        """The document in which a cloud announces its evidence; most clouds have none."""
        sent = urlsplit(self.auth_url)
        session = session_for(self.auth_url)
        try:
            answer = session.get(f"{sent.scheme}://{sent.netloc}{WELL_KNOWN}", timeout=10, verify=self.options.verify)
            document = answer.json() if answer.ok else {}
        except requests.ConnectionError as error:
            raise Broken(f"nothing answers at {self.auth_url}") from error
        except (requests.RequestException, ValueError):
            document = {}
        return document if isinstance(document, dict) and "sources" in document else {}

    @property
    def dialect(self) -> str:
        """As the caller or the evidence says: what the cloud announces of itself is no evidence."""
        return self.options.dialect if self.options.dialect != "auto" else self.golden.dialect

    @property
    def control(self) -> Control:
        """Where faults are provoked. Raises Unsupported on a cloud that does not offer it."""
        base = self.options.fault_hook or str((self.discovery.get("faults") or {}).get("url", "")).removesuffix("/faults")
        if not base:
            raise Unsupported("faults cannot be provoked on this cloud (--fault-hook names a hook)")
        return self.once("control", lambda: Control(base))

    @property
    def token_cache_time(self) -> float | None:
        """Seconds for which services trust a token that they have seen; None where nobody says it."""
        said = self.options.token_cache_time
        known = self.discovery.get("token_cache_time") if said is None else said
        return None if known is None else float(known)

    @property
    def is_mock(self) -> bool:
        """Whether the cloud's configuration is known: its people and hosts are announced."""
        return bool(self.discovery.get("people"))

    # evidence

    @cached_property
    def sources(self) -> list[Source]:
        """Those that can be used; opened before the first launch. What cannot be used is named in `source_problems`."""
        opened: list[Source] = []
        for kind, where in self._wanted_sources():
            try:
                source = make_source(kind, where, self)
                source.open()
                opened.append(source)
            except SourceError as error:
                self.source_problems[kind] = str(error)
        return opened

    def _wanted_sources(self) -> list[tuple[str, Mapping[str, Any]]]:
        wanted: list[tuple[str, Mapping[str, Any]]] = []
        if self.options.evidence:
            announced = {entry.get("kind"): entry for entry in self.discovery.get("sources", ())}
            for text in self.options.evidence:
                kind, _, place = text.partition("=")
                if kind != "client":
                    wanted.append((kind, {**announced.get(kind, {}), "where": place} if place else announced.get(kind, {})))
        else:
            wanted = [(str(entry.get("kind")), entry) for entry in self.discovery.get("sources", ())]
            if "admin" in self.people:
                wanted.append(("admin", {}))
        return wanted

    def shows(self, kind: str) -> bool:
        """Whether some source shows all facts of a kind."""
        return any(kind in source.shows for source in self.sources)

    def tells(self, kind: str) -> bool:
        """Whether some source shows facts of a kind, maybe not all: then the absence of one proves nothing."""
        return self.shows(kind) or any(kind in source.tells for source in self.sources)

    def evidence(self, request_ids: Iterable[str], server_ids: Iterable[str] = (), extra: Iterable[Fact] = ()) -> Evidence:
        """All that every source has of these requests and servers."""
        requests_, servers = frozenset(request_ids) - {""}, frozenset(server_ids) - {""}
        facts = {fact.id: fact for fact in extra}
        complete: set[str] = set()
        for source in self.sources:
            try:
                found = source.facts(requests_, servers)
            except SourceError as error:
                self.source_problems[source.name] = str(error)
                continue
            complete |= source.shows
            facts |= {fact.id: fact for fact in found}
        return Evidence(facts.values(), complete, self.token_cache_time)

    # what checks share

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Makes something for the whole run: what it makes on the cloud stays until the end. A failure is kept, too, and raised again.

        Each thing has a lock of its own: what is made by several threads may need others.
        """
        with self._locks[name]:
            if name not in self._kept:
                mark = len(self.resources.made)
                try:
                    self._kept[name] = (make(), None)
                except Exception as error:
                    self._kept[name] = (None, error)
                finally:
                    self.resources.keep_since(mark)
            value, problem = self._kept[name]
        if problem is not None:
            raise problem
        return value  # type: ignore[no-any-return]

    @property
    def golden(self) -> Launch:
        """The launch with network, image and volume that the 28 rows and most checks are about."""
        return self.once("golden", self.launcher.golden)

    @property
    def has_volumes(self) -> bool:
        return self.member.has("volume")

    def flavor_id(self) -> str:
        return self.once("flavor", self._pick_flavor)

    def _pick_flavor(self) -> str:
        flavors = self._listed("compute", "/flavors/detail", "flavors")
        named = [f for f in flavors if self.options.flavor in (f["id"], f["name"])] if self.options.flavor else flavors
        image = self.image()
        fitting = [f for f in named if f["ram"] >= image.get("min_ram", 0) and (not f["disk"] or f["disk"] >= image.get("min_disk", 0))]
        if not fitting:
            raise Broken("there is no flavor" + (f" {self.options.flavor!r}" if self.options.flavor else " that the image fits in"))
        return str(min(fitting, key=lambda f: (f["disk"] == 0, f["vcpus"], f["ram"], f["disk"]))["id"])

    def flavor(self, flavor_id: str = "") -> dict[str, Any]:
        wanted = flavor_id or self.flavor_id()
        return next(f for f in self._listed("compute", "/flavors/detail", "flavors") if f["id"] == wanted)

    def fresh_image_id(self) -> str:
        """A private copy of the image, which no host has in its cache; the image itself where that cannot be had."""
        image = self.image()
        if image["size"] > COPIED:
            return str(image["id"])
        data = self.member.get("image", f"/images/{image['id']}/file")
        kept = {key: image[key] for key in ("disk_format", "container_format", "min_disk", "min_ram") if image.get(key)}
        try:
            return self.resources.image(self.member, data.content, **kept) if data.status == 200 else str(image["id"])
        except Broken:
            return str(image["id"])

    def image(self) -> dict[str, Any]:
        """The image that is launched: the one asked for, or the smallest that is active and has data."""
        images = [i for i in self.once("images", lambda: self._listed("image", "/images", "images")) if i["status"] == "active"]
        named = _chosen(images, self.options.image)
        usable = [i for i in named if i.get("size") and not i.get("block_device_mapping")]
        if not usable:
            raise Broken("there is no active image" + (f" {self.options.image!r}" if self.options.image else " with data"))
        return min(usable, key=lambda i: (i["size"], i["name"] or ""))

    def network(self) -> dict[str, Any]:
        """The network that is launched on: the one asked for, or the project's own, or a shared one; never an external one."""
        networks = [n for n in self.once("networks", lambda: self._listed("network", "/networks", "networks")) if n["subnets"]]
        named = _chosen(networks, self.options.network)
        usable = [n for n in named if self.options.network or not n.get("router:external")]
        if not usable:
            raise Broken("there is no network" + (f" {self.options.network!r}" if self.options.network else " with a subnet to launch on"))
        own = self.member.project_id
        return min(usable, key=lambda n: (n.get("tenant_id") != own, n["name"]))

    def _listed(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        answer = self.member.get(service, path)
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise Broken(f"{path} cannot be listed: {answer}")
        return list(answer.body[key])

    # running

    def demand(self, check: Check) -> None:
        """Raises why a check cannot be asked of this cloud, if it cannot."""
        for need in check.needs:
            options = need.split("|")
            if not any(self._meets(option) for option in options):
                raise self._missing(options)
        if len(check.dialects) == 1 and self.dialect not in check.dialects:
            raise Unsupported(f"it is a rule of dialect {check.dialects[0]}, and this cloud speaks {self.dialect}")

    def _meets(self, need: str) -> bool:
        if need in ROLES:
            return need in self.people
        if need == "faults":
            return bool(self.options.fault_hook or self.discovery.get("faults"))
        if need in ("volume", "placement", "image", "network"):
            return (self.people.get("admin", self.member) if need == "placement" else self.member).has(need)
        if need == "declared":
            return self.is_mock
        return self.tells(need)

    def _missing(self, needs: list[str]) -> Exception:
        need = needs[0]
        if need in ROLES:
            return NotObservable(f"there are no credentials of a {need} (--os-cloud-{need}): {ROLES[need]}")
        if need == "faults":
            return Unsupported("faults cannot be provoked on this cloud (--fault-hook names a hook)")
        if need in ("volume", "placement", "image", "network"):
            return Unsupported(f"the catalog has no {need} service")
        if need == "declared":
            return Disabled("it depends on the cloud's configuration, which nobody declared")
        return NotObservable(f"no evidence source shows {' or '.join(needs)}")

    def close(self) -> list[str]:
        """Takes away what was made, unless it is to be kept; gives what stays behind."""
        self.leftovers += [] if self.options.keep else self.resources.delete_all()
        for source in self.__dict__.get("sources", ()):
            source.close()
        return self.leftovers


def _chosen(things: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """Those of that name or id; without one, all but what this suite has made, in whichever run."""
    if wanted:
        return [thing for thing in things if wanted in (thing["id"], thing["name"])]
    return [thing for thing in things if not str(thing["name"] or "").startswith(PREFIX)]


def identity_url(options: Options) -> str:
    """The identity endpoint with its version, whether it was given or not. Raises Broken where nothing like it is."""
    url = options.url.rstrip("/")
    sent = urlsplit(url)
    if sent.scheme not in ("http", "https") or not sent.netloc:
        raise UsageError(f"--cloud-url takes the http(s) URL of the identity service, not {options.url!r}")
    url = url if url.endswith("/v3") else url + "/v3"
    session = session_for(url)
    try:
        answer = session.get(url, timeout=20, verify=options.verify)
    except requests.RequestException as error:
        raise Broken(f"nothing answers at {url}: {type(error).__name__}") from error
    try:
        version = answer.json()["version"]["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"there is no keystone at {url}: it answers {answer.status_code} and no identity version") from error
    if not str(version).startswith("v3"):
        raise Broken(f"the keystone at {url} speaks identity {version}: v3 is needed")
    return url
