"""The composition root: the only module that knows every service and every worker."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from mockcloud.bus.backends import bus_of
from mockcloud.clients import Clients, InProcess
from mockcloud.clock import Clock
from mockcloud.component import Component
from mockcloud.compute.drivers.base import Closes, Driver
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database
from mockcloud.faults import Faults
from mockcloud.http.app import create_app
from mockcloud.http.service import Runtime, Service, Violation
from mockcloud.profiling.drivers import Drivers
from mockcloud.profiling.profiler import Profiler
from mockcloud.seed import load_seed
from mockcloud.service_logs.files import ServiceLogs
from mockcloud.settings import Settings, SettingsError
from mockcloud.state import StateDirectory
from mockcloud.trace import Recorder
from mockcloud.worker import Worker

log = logging.getLogger(__name__)

MOUNTS = {
    "keystone": "", "nova": "/compute", "glance": "/image", "neutron": "/network", "cinder": "/volume", "placement": "/placement",
}  # fmt: skip
MOUNTED = {mount: name for name, mount in MOUNTS.items() if mount}
PORTS = {"keystone": 5000, "nova": 8774, "glance": 9292, "neutron": 9696, "cinder": 8776, "placement": 8778}
SERVICES = tuple(MOUNTS)
DRIVERS = {"fake": "mockcloud.compute.drivers.fake:FakeDriver", "libvirt": "mockcloud.compute.drivers.libvirt:LibvirtDriver"}
CONTROL = ("/_mockcloud", "/.well-known/openstack-evidence")
NAMESPACE = uuid.UUID("6f0e3a0e-5d0f-4b5c-9a51-0c8f7f0a6d11")


class Cloud:
    """A whole cloud. `app` is one ASGI app for everything; `apps` has one per service for ports of their own.

    `urls` overrides where services are reachable from outside, by service name.
    """

    def __init__(
        self, settings: Settings | None = None, services: tuple[str, ...] = SERVICES, urls: Mapping[str, str] | None = None
    ) -> None:
        self.settings = settings or Settings()
        self._names = services
        self.urls = dict(urls or default_urls(self.settings))
        self.clock = Clock(self.settings.clock_speed)
        self.recorder = Recorder(self.settings.facts_kept)
        self.faults = Faults(self.clock)
        self.violations: list[Violation] = []
        self.down: set[str] = set()  # services that do not answer, by name
        self.workers: dict[str, Worker] = {}
        self._running = False
        self._state = StateDirectory(self.settings.state_dir) if self.settings.state_dir else None
        self._build()

    # building

    def _build(self) -> None:
        settings = self.settings
        self.bus = bus_of(settings, self.clock, self.recorder, self.faults)
        self.transport = InProcess()
        self.runtime = Runtime(
            settings, self.clock, self.bus, self.recorder, self.faults, self.transport, self.urls, self.violations,
            self.id_for, self._database,
        )  # fmt: skip
        self.profiler = self._make_profiler()
        self.logs = ServiceLogs(settings.log_dir, self.recorder) if settings.log_dir else None
        self._databases: list[Database] = []
        self._drivers: list[Driver] = []
        if self._state is not None:
            self._state.open(settings.seed)
        modules = {name: importlib.import_module(f"mockcloud.{name}.service") for name in self._names}
        self.services: dict[str, Service] = {name: module.build(self.runtime) for name, module in modules.items()}
        self.apps: dict[str, FastAPI] = {name: create_app(service) for name, service in self.services.items()}
        if modules["keystone"].is_seeded(self.services["keystone"]):
            modules["keystone"].reopen(self.services["keystone"], load_seed(settings))
        else:
            self._seed(modules)
        self._route()
        self.workers = self._make_workers()

    def _make_profiler(self) -> Profiler | None:
        """Raises SettingsError for a back end that cannot be used."""
        if not self.settings.osprofiler_connection_string:
            return None
        profiler = Profiler(Drivers(self.settings.osprofiler_connection_string))
        self.recorder.new_point = profiler.point
        self.recorder.beginnings.append(profiler.begun)
        self.recorder.listeners.append(profiler.ended)
        return profiler

    def _seed(self, modules: Mapping[str, ModuleType]) -> None:
        """Raises SettingsError for a user's seed that a service cannot use."""
        seed = load_seed(self.settings)
        for name, module in modules.items():
            try:
                module.seed(self.services[name], seed)
            except (LookupError, TypeError, ValueError, AttributeError, SQLAlchemyError) as error:
                self._forget()
                if not self.settings.seed_file:
                    raise
                what = str(error).splitlines()[0]
                raise SettingsError(f"{name} cannot use the seed file {self.settings.seed_file}: {type(error).__name__}: {what}") from error

    def id_for(self, kind: str, name: str) -> str:
        """The id of what the seed calls `name`: the same in every service and every run with the same seed number."""
        return uuid.uuid5(NAMESPACE, f"{self.settings.seed}:{kind}:{name}").hex

    def _database(self, name: str, metadata: MetaData, *beside: MetaData) -> Database:
        """Raises SettingsError for a database of the user's that cannot be used."""
        settings = self.settings
        url = "sqlite://"
        if settings.database:
            url = settings.database.format(service=name)
        elif settings.state_dir:
            url = f"sqlite:///{Path(settings.state_dir) / name}.db"
        try:
            database = Database(name, metadata, url, beside)
        except (SQLAlchemyError, ModuleNotFoundError) as error:  # neither shows the password
            if not settings.database:
                raise
            raise SettingsError(f"cannot use the database of {name}: {str(error).splitlines()[0]}") from error
        self._databases.append(database)
        return database

    def _route(self) -> None:
        """In-process calls reach the apps at their public URLs, without a socket."""
        for name in self._names:
            netloc = self.urls[name].split("://", 1)[1].split("/", 1)[0]
            shared = sum(1 for url in self.urls.values() if url.split("://", 1)[1].split("/", 1)[0] == netloc) > 1
            self.transport.apps[netloc] = self.app if shared else self.app_of(name)
        self.transport.down = self._is_down

    def _is_down(self, url: str) -> bool:
        return bool(self.down) and self.service_at(url) in self.down

    def service_at(self, url: str) -> str:
        """The name of the service that a URL belongs to."""
        fitting = [name for name in self._names if url.startswith(self.urls[name])]
        return max(fitting, key=lambda name: len(self.urls[name]), default="")

    # workers

    def component(self, name: str, host: str, user: str = "nova") -> Component:
        clients = Clients(self.runtime.login(user))
        return Component(name, host, self.settings, self.clock, self.bus, clients)

    def _make_workers(self) -> dict[str, Worker]:
        workers: dict[str, Worker] = {}
        for service in self.services.values():
            for topic, server, endpoint in service.endpoints:
                workers[f"{topic}@{server}"] = Worker(topic, server, lambda e=endpoint: e, self.bus, self.clock)  # type: ignore[misc]
            tasks = {f"{service.name}-task{number}": task for number, task in enumerate(service.tasks)} | service.agents
            for name, task in tasks.items():
                workers[name] = Worker("", service.name, lambda t=task: _Tasks(t), self.bus, self.clock)  # type: ignore[misc]
        if "nova" in self.services:
            workers |= self._nova_workers()
        return workers

    def _nova_workers(self) -> dict[str, Worker]:
        from mockcloud.compute.manager import ComputeManager
        from mockcloud.conductor.manager import ConductorManager
        from mockcloud.scheduler.manager import SchedulerManager

        db, started = self.services["nova"].db, self.clock.now()
        module, _, class_name = DRIVERS[self.settings.driver].partition(":")
        driver_class = getattr(importlib.import_module(module), class_name)
        self._drivers = [driver_class(host, self.settings, self.clock) for host in self.settings.hosts]

        def conductor() -> Any:
            return ConductorManager(self.component("nova-conductor", "controller"), db, started)

        def scheduler() -> Any:
            return SchedulerManager(self.component("nova-scheduler", "controller"), db)

        def compute(host: str, driver: Any) -> Callable[[], Any]:
            return lambda: ComputeManager(self.component("nova-compute", host), driver)

        workers = {
            "conductor": Worker("conductor", "controller", conductor, self.bus, self.clock, service="nova-conductor"),
            "scheduler": Worker("scheduler", "controller", scheduler, self.bus, self.clock, service="nova-scheduler"),
        }
        for host, driver in zip(self.settings.hosts, self._drivers, strict=True):
            workers[host.name] = Worker("compute", host.name, compute(host.name, driver), self.bus, self.clock, service="nova-compute")
        return workers

    # life

    async def start(self) -> None:
        """Serves the bus and registers the computes; the HTTP side answers as soon as `app` is served. Raises SettingsError."""
        await self.bus.ready()
        self._running = True
        for worker in self.workers.values():
            await worker.start()
        await self.bus.ready()

    async def stop(self, keep: bool = True) -> None:
        """`keep`: what is to outlive the process does, and with it what is still on the bus."""
        self._running = False
        for worker in reversed(list(self.workers.values())):
            await worker.kill()
        tasks = [task for task in self.runtime.tasks if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.faults.clear()
        for driver in self._drivers:
            if isinstance(driver, Closes):
                await driver.close(keep and bool(self.settings.state_dir))
        await self.bus.close(keep and bool(self.settings.state_dir or self.settings.database))
        if self.profiler is not None:
            self.recorder.beginnings.remove(self.profiler.begun)
            self.recorder.listeners.remove(self.profiler.ended)
            self.profiler.close()
            self.profiler = None
        if self.logs is not None:
            self.logs.close()
            self.logs = None
        for service in self.services.values():
            for close in service.closing:
                close()
        for database in self._databases:
            database.close()

    async def reset(self, seed: int | None = None) -> None:
        """Back to the seed, or to that of another number: everything else is gone."""
        await self.stop(keep=False)
        self._forget()
        if seed is not None:
            self.settings = self.settings.replace(seed=seed)
        self.recorder.clear()
        self.violations.clear()
        self.down.clear()
        self._build()
        await self.start()

    def _forget(self) -> None:
        """Everything that would outlive the process."""
        for database in self._databases:
            database.clear()
        if self._state is not None:
            self._state.clear()

    async def foreign_identity(self) -> RequestContext:
        """Somebody of another project, for the fault `wrong_project`."""
        login = self.runtime.login("stranger")
        login.project = "other"
        token = await login.token()
        return RequestContext(
            "", token=token, user_id=self.id_for("user", "stranger"), project_id=self.id_for("project", "other"), roles=("member",)
        )

    def corrupt_image(self, image_id: str) -> None:
        """The data that glance keeps are no longer those of the image's checksum. Raises FileNotFoundError where there are none."""
        from mockcloud.glance.store import Store

        self.services["glance"].part(Store).corrupt(image_id)

    # HTTP

    @functools.cached_property
    def control(self) -> ASGIApp:
        """Made on use: many a cloud is never looked into, and pydantic takes its time over the routes."""
        from mockcloud.http.control import create_control_app

        return create_control_app(weakref.proxy(self))  # FastAPI caches its functions for ever, and they must not hold a cloud

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything on one port: identity at the root, the others under their mounts."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path = scope["path"]
        if path.startswith(CONTROL):
            await self.control(scope, receive, send)
            return
        mount = "/" + path[1:].partition("/")[0]
        name = MOUNTED.get(mount, "")
        if name in self.apps:
            await self._serve(name, {**scope, "root_path": mount}, receive, send)
            return
        await self._serve("keystone", scope, receive, send)

    def app_of(self, name: str) -> ASGIApp:
        """One service alone, for a port of its own."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(name, scope, receive, send)

        return app

    async def _serve(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        if name in self.down:
            body = b'{"error": {"code": 503, "title": "Service Unavailable", "message": "The service is switched off."}}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self.apps[name](scope, receive, send)


class _Tasks:
    """An endpoint that is nothing but its background task."""

    def __init__(self, task: Callable[[], Awaitable[None]]) -> None:
        self.tasks = [task]


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


def default_urls(settings: Settings) -> dict[str, str]:
    """Where each service is reachable, without a version."""
    if settings.ports == "classic":
        return {name: f"http://{settings.host}:{port}" for name, port in PORTS.items()}
    return {name: f"http://{settings.host}:{settings.port}{mount}" for name, mount in MOUNTS.items()}
