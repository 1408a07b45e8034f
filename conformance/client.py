"""A person who talks to the cloud, and the record of every exchange."""

from __future__ import annotations

import functools
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions as auth_errors
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity.base import BaseIdentityPlugin
from urllib3.exceptions import ProtocolError

from conformance.evidence import Fact, fingerprint, redact
from conformance.http import beyond_loopback
from conformance.registry import Broken, Unsupported

SERVICES = {
    "identity": ("identity",), "compute": ("compute",), "image": ("image",), "network": ("network",),
    "volume": ("block-storage", "block-store", "volumev3", "volume"), "placement": ("placement",),
}  # fmt: skip
MICROVERSIONED = {"compute": "compute", "volume": "volume", "placement": "placement"}
VERSIONS = {"identity": (3, 0), "compute": (2, 1), "image": (2, 0), "network": (2, 0), "volume": (3, 0)}
REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")
SHOWN_HEADERS = ("x-openstack-request-id", "openstack-api-version", "www-authenticate", "location", "content-type", "retry-after")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, with everything in it: only its `fact` may be shown to others."""

    fact: Fact
    status: int
    headers: Mapping[str, str]
    content: bytes
    request_headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        """The answer's JSON; None when it has none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def request_id(self) -> str:
        return self.headers.get("x-openstack-request-id", "")

    def __str__(self) -> str:
        return f"{self.status} to {self.fact.name}: {redact(self.content[:300].decode(errors='replace'))}"


class Recorder:
    """All exchanges of a run, in the order in which they began."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.alive = 0.0  # when the cloud last answered anything

    def next_id(self) -> str:
        with self._lock:
            return f"client:{next(self._ids)}"

    def add(self, exchange: Exchange) -> None:
        with self._lock:
            self.exchanges.append(exchange)

    @property
    def facts(self) -> list[Fact]:
        return [exchange.fact for exchange in list(self.exchanges)]


@dataclass
class _Recording(requests.Session):
    """A requests session that keeps what goes through it."""

    recorder: Recorder
    role: str
    timeout: float
    service_of: Callable[[str], str]
    from_surroundings: bool  # whether proxies and certificates of the environment count
    last: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        super().__init__()
        self.trust_env = self.from_surroundings

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        more["timeout"] = more.get("timeout") or self.timeout
        fact_id = self.recorder.next_id()
        start = time.time()
        try:
            response = super().send(request, **more)
        except requests.ConnectionError as error:
            if request.method not in REPEATABLE or not isinstance(next(iter(error.args), None), ProtocolError):
                raise
            response = super().send(request, **more)  # the server had closed a connection that rested
        response.content  # noqa: B018 - the answer ends when its body is there
        exchange = _exchange(fact_id, self.role, self.service_of(request.url or ""), request, response, start)
        self.recorder.add(exchange)
        self.last.exchange = exchange
        return response


def _exchange(
    fact_id: str, role: str, service: str, request: requests.PreparedRequest, response: requests.Response, start: float
) -> Exchange:
    sent = urlsplit(request.url or "")
    headers = {str(name).lower(): str(value) for name, value in request.headers.items()}
    answered = requests.structures.CaseInsensitiveDict(response.headers)
    ids = {answered.get("x-openstack-request-id", ""), headers.get("x-openstack-request-id", "")} - {""}
    attributes = {
        "method": request.method, "path": sent.path, "query": sent.query, "url": f"{sent.scheme}://{sent.netloc}{sent.path}",
        "status": response.status_code, "callee": service, "role": role, "token": fingerprint(headers.get("x-auth-token", "")),
        "subject_token": fingerprint(headers.get("x-subject-token", "")),
        "issued_token": fingerprint(answered.get("x-subject-token", "")),
        "microversion": headers.get("openstack-api-version", ""), "request": redact(_json(request.body)),
        "answer": redact(_short(_json(response.content))),
        "headers": {name: answered[name] for name in SHOWN_HEADERS if name in answered},
    }  # fmt: skip
    fact = Fact(
        fact_id, "client", "http.client", "client", f"{request.method} {sent.path}", start, time.time(), "client",
        request_ids=frozenset(ids), attributes=attributes,
    )  # fmt: skip
    return Exchange(fact, response.status_code, answered, response.content, headers)


def _json(body: Any) -> Any:
    if not body or not isinstance(body, str | bytes):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return f"({len(body)} bytes)"


def _short(value: Any, kept: int = 20_000) -> Any:
    """Big answers (a long list) are not kept in facts."""
    return value if len(json.dumps(value, default=str)) <= kept else f"({len(json.dumps(value, default=str))} characters of JSON)"


class Person:
    """Somebody with credentials. Paths are relative to the service's versioned endpoint, e.g. `/servers`."""

    def __init__(
        self, role: str, auth: BaseIdentityPlugin, recorder: Recorder, timeout: float = 60.0, verify: bool | str = True,
        interface: str = "public", region: str | None = None, auth_url: str = "",
    ) -> None:  # fmt: skip
        self.role, self.auth, self.auth_url = role, auth, auth_url.rstrip("/")
        self._interface, self._region = interface, region
        self._http = _Recording(recorder, role, timeout, self._service_of, beyond_loopback(auth_url))
        self._http.verify = verify
        self._recorder = recorder
        self.session = ksa_session.Session(auth=auth, session=self._http, verify=verify)
        self._endpoints: dict[str, str] = {}
        self._lock = threading.Lock()

    # who

    @property
    def token(self) -> str:
        return str(self._asked(lambda: self.session.get_token()))

    @property
    def user_id(self) -> str:
        return str(self._asked(lambda: self.session.get_user_id()))

    @property
    def project_id(self) -> str:
        return str(self._asked(lambda: self.session.get_project_id()))

    @property
    def roles(self) -> list[str]:
        return list(self._access.role_names)

    @property
    def catalog(self) -> list[dict[str, Any]]:
        return list(self._access.service_catalog.catalog)

    @property
    def _access(self) -> Any:
        return self._asked(lambda: self.auth.get_access(self.session))

    def login(self) -> str:
        """A token that was never used."""
        return str(self._asked(lambda: self.auth.get_auth_ref(self.session)).auth_token)

    def login_exchange(self) -> tuple[str, Exchange]:
        """The same, and the exchange in which it was issued."""
        token = self.login()
        return token, self._http.last.exchange

    # what

    def has(self, service: str) -> bool:
        try:
            self.endpoint(service)
        except Unsupported:
            return False
        return True

    def endpoint(self, service: str) -> str:
        """The URL under which a service's paths stand. Raises Unsupported when the catalog does not have it."""
        with self._lock:
            known = self._endpoints.get(service)
        if known:
            return known
        found = self.auth_url if service == "identity" and self.auth_url else None
        for service_type in SERVICES[service] if not found else ():
            found = self._asked(functools.partial(self._discovered, service, service_type))
            if found:
                break
        if not found:
            raise Unsupported(f"the catalog has no {service} service")
        with self._lock:
            self._endpoints[service] = found.rstrip("/")
        return found.rstrip("/")

    def _discovered(self, service: str, service_type: str) -> str | None:
        version = VERSIONS.get(service)
        wanted: dict[str, Any] = {"service_type": service_type, "interface": self._interface, "region_name": self._region}
        if version:
            wanted |= {"min_version": version, "max_version": (version[0], "latest")}
        try:
            found: str | None = self.session.get_endpoint(**wanted)
        except auth_errors.CatalogException:
            return None
        return found

    def _service_of(self, url: str) -> str:
        fitting = [(len(base), name) for name, base in self._endpoints.items() if url.startswith(base)]
        return max(fitting)[1] if fitting else ("identity" if "/auth/tokens" in url else "")

    def request(
        self,
        service: str,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
        version: str | None = None,
        token: str | None = None,
    ) -> Exchange:
        """Any status is an answer. `token`: this one instead of the person's own; empty: none. `version`: a microversion."""
        sent = dict(headers or {})
        if version:
            sent.setdefault("OpenStack-API-Version", f"{MICROVERSIONED[service]} {version}")
        if token:
            sent["X-Auth-Token"] = token
        more: dict[str, Any] = {"json": json} if json is not None else {"data": data} if data is not None else {}
        url = self.endpoint(service) + path
        # the plugin's own retries would hide what the cloud answered; a connection that was idle may be closed while it is used again
        retries = 1 if method == "GET" else 0
        self._asked(
            lambda: self.session.request(
                url, method, headers=sent, params=params, authenticated=token is None, raise_exc=False, redirect=False,
                connect_retries=retries, log=False, **more,
            )
        )  # fmt: skip
        exchange: Exchange = self._http.last.exchange
        return exchange

    def get(self, service: str, path: str, **more: Any) -> Exchange:
        return self.request(service, "GET", path, **more)

    def post(self, service: str, path: str, **more: Any) -> Exchange:
        return self.request(service, "POST", path, **more)

    def put(self, service: str, path: str, **more: Any) -> Exchange:
        return self.request(service, "PUT", path, **more)

    def patch(self, service: str, path: str, **more: Any) -> Exchange:
        return self.request(service, "PATCH", path, **more)

    def delete(self, service: str, path: str, **more: Any) -> Exchange:
        return self.request(service, "DELETE", path, **more)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """Trouble on the way becomes one sentence."""
        try:
            return ask()
        except auth_errors.Unauthorized as error:
            raise Broken(f"keystone refuses the credentials of the {self.role}: {_first_line(error)}") from error
        except (auth_errors.DiscoveryFailure, auth_errors.NotFound) as error:
            raise Broken(f"no keystone answers at {self.auth_url or 'the identity URL'}: {_first_line(error)}") from error
        except (auth_errors.ConnectionError, requests.RequestException) as error:
            raise Broken(f"the cloud does not answer: {_first_line(error)}") from error
        except auth_errors.ClientException as error:
            raise Broken(f"{self.role}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(redact(str(error).splitlines()[0] if str(error) else type(error).__name__))


def curl(fact: Fact) -> str:
    """A line that asks the same again; secrets are variables."""
    parts = ["curl", "-i", "-X", str(fact.get("method"))]
    if fact.get("token"):
        parts.append('-H "X-Auth-Token: $OS_TOKEN"')
    if fact.get("subject_token"):
        parts.append('-H "X-Subject-Token: $SUBJECT_TOKEN"')
    if fact.get("microversion"):
        parts.append(f"-H 'OpenStack-API-Version: {fact.get('microversion')}'")
    if fact.get("request") is not None:
        body = json.dumps(fact.get("request")).replace("'", "'\\''")
        parts += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    query = f"?{fact.get('query')}" if fact.get("query") else ""
    return " ".join([*parts, f"'{fact.get('url')}{query}'"])
