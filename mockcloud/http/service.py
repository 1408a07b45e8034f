"""A service: its document, its coroutines, its database, and what it is given to work with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData

from mockcloud.bus.base import Bus
from mockcloud.clients import Clients, InProcess, ServiceLogin, Transport
from mockcloud.clock import Clock
from mockcloud.db.engine import Database
from mockcloud.faults import Faults
from mockcloud.http.policy import Policy
from mockcloud.notifications.notifier import Notifier
from mockcloud.settings import Settings
from mockcloud.trace import Recorder


@dataclass(slots=True)
class Violation:
    """An answer that its own document does not know."""

    service: str
    operation: str
    status: int
    message: str
    request_id: str


@dataclass(frozen=True)
class Runtime:
    """What the cloud gives to every service."""

    settings: Settings
    clock: Clock
    bus: Bus
    recorder: Recorder
    faults: Faults
    transport: Transport
    urls: Mapping[str, str]  # service name -> public URL of its mount, e.g. nova -> http://127.0.0.1:5000/compute
    violations: list[Violation]
    id_for: Callable[[str, str], str]  # (kind, name) -> 32 hex digits: the id of what the seed names
    databases: Callable[..., Database]  # opens the database of a service: its name, its metadata, those of databases beside it
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def login(self, username: str) -> ServiceLogin:
        """A service user's way in."""
        settings = self.settings
        identity = f"{self.urls['keystone']}/v3"
        return ServiceLogin(identity, username, settings.admin_password, self.transport, self.clock, settings.region)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Background work that ends with the cloud."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


PUBLISHERS = {  # exchange, and name before the host's
    "nova": ("nova", "api"), "neutron": ("neutron", "network"), "cinder": ("openstack", "volume"), "glance": ("glance", "image"),
    "keystone": ("keystone", "identity"),
}  # fmt: skip
Endpoint = tuple[str, str, object]  # topic, server, endpoint


@dataclass
class Service:
    """One API service. `modules` hold its coroutines; `parts` its own objects by class (see `Context.part`)."""

    name: str
    runtime: Runtime
    modules: Sequence[ModuleType]
    metadata: MetaData | None = None
    parts: dict[type, Any] = field(default_factory=dict)
    endpoints: list[Endpoint] = field(default_factory=list)  # served on the bus
    tasks: list[Callable[[], Awaitable[None]]] = field(default_factory=list)  # run for as long as the cloud lives
    agents: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)  # the same, as workers of these names
    closing: list[Callable[[], None]] = field(default_factory=list)  # run when the cloud has stopped
    authenticate: Callable[[Service, str], dict[str, Any] | None] | None = None  # keystone alone knows what is in a token
    database: Database | None = None

    def __post_init__(self) -> None:
        about = (self.runtime.bus, self.runtime.clock, self.runtime.settings.notifications)
        self.notifier = Notifier(*about, *PUBLISHERS.get(self.name, (self.name, self.name)))
        if self.metadata is not None and self.database is None:
            self.database = self.runtime.databases(self.name, self.metadata)
        self.login = self.runtime.login(self.name)
        self.clients = Clients(self.login)
        self.policy = Policy(self.name, self.runtime.settings.policy_dir)

    @property
    def db(self) -> Database:
        if self.database is None:
            raise RuntimeError(f"{self.name} has no database")
        return self.database

    @property
    def clock(self) -> Clock:
        return self.runtime.clock

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def bus(self) -> Bus:
        return self.runtime.bus

    @property
    def url(self) -> str:
        return self.runtime.urls[self.name]

    def part(self, kind: type) -> Any:
        return self.parts[kind]


__all__ = ["Endpoint", "InProcess", "Runtime", "Service", "Violation"]
