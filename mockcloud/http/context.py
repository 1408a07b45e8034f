"""One request, as its coroutine sees it. Only the binding makes a Context, and only after authentication."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar

from mockcloud.bus.base import Bus
from mockcloud.clients import Clients, Rest
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.http.errors import Forbidden
from mockcloud.http.service import Service
from mockcloud.settings import Settings
from specs import Version, parse_version

T = TypeVar("T")


class Context:
    """`version` is the negotiated microversion, (0, 0) in services without."""

    __slots__ = ("_credentials", "request", "service", "version")

    def __init__(self, service: Service, request: RequestContext, version: Version = (0, 0)) -> None:
        self.service, self.request, self.version = service, request, version
        self._credentials: dict[str, Any] | None = None

    def with_request(self, request: RequestContext) -> Context:
        """The same request in another's name."""
        return Context(self.service, request, self.version)

    # who asks
    @property
    def user_id(self) -> str:
        return self.request.user_id

    @property
    def project_id(self) -> str:
        return self.request.project_id

    @property
    def domain_id(self) -> str:
        return self.request.domain_id

    @property
    def system_scope(self) -> str:
        return self.request.system_scope

    @property
    def roles(self) -> tuple[str, ...]:
        return self.request.roles

    @property
    def token(self) -> str:
        return self.request.token

    @property
    def request_id(self) -> str:
        return self.request.request_id

    @property
    def global_request_id(self) -> str:
        return self.request.global_request_id

    # what there is to work with
    @property
    def db(self) -> Database:
        return self.service.db

    @property
    def clock(self) -> Clock:
        return self.service.clock

    @property
    def settings(self) -> Settings:
        return self.service.settings

    @property
    def bus(self) -> Bus:
        return self.service.bus

    @property
    def clients(self) -> Clients:
        return self.service.clients

    @property
    def rest(self) -> Rest:
        """The other services, asked in the caller's name."""
        return self.service.clients.user(self.request)

    @property
    def own_rest(self) -> Rest:
        """The other services, asked as this service's own user."""
        return self.service.clients.own(self.request)

    def part(self, kind: type[T]) -> T:
        """The service's own object of that class."""
        found: T = self.service.parts[kind]
        return found

    def now(self) -> datetime:
        """Naive UTC by the cloud's clock."""
        return self.service.clock.now()

    def at_least(self, version: str) -> bool:
        return self.version >= parse_version(version)

    def url(self, path: str) -> str:
        """The public URL of a path of this service."""
        return self.service.url + path

    async def notify(self, event_type: str, payload: dict[str, Any], *, priority: str = "INFO") -> None:
        """Tells whoever listens on the bus, after the commit."""
        await self.service.notifier.tell(self.request, event_type, payload, priority=priority)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.service.runtime.spawn(work)

    def can(self, rule: str, target: dict[str, Any] | None = None) -> bool:
        """Whether the caller may do `rule` to `target` (default: something of the caller's own)."""
        if self._credentials is None:
            self._credentials = self.request.credentials()
        if target is None:
            target = {"project_id": self.project_id, "user_id": self.user_id, "tenant_id": self.project_id}
        return self.service.policy.check(rule, target, self._credentials)

    def enforce(self, rule: str, target: dict[str, Any] | None = None) -> None:
        if not self.can(rule, target):
            raise Forbidden(REFUSALS[self.service.name].format(rule=rule), type="PolicyNotAuthorized")


REFUSALS = {
    "nova": "Policy doesn't allow {rule} to be performed.",
    "cinder": "Policy doesn't allow {rule} to be performed.",
    "keystone": "You are not authorized to perform the requested action: {rule}.",
    "neutron": "rule:{rule} is disallowed by policy",
    "glance": "You are not authorized to complete {rule} action.",
    "placement": "Placement policy does not permit {rule}",
}
