"""Where the points of traces are kept: osprofiler's own back ends, or this process."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

from mockcloud.settings import SettingsError

Json = dict[str, Any]
MEMORY = "memory://"
KEPT = 100  # traces, where this process keeps them


class Driver(Protocol):
    """osprofiler's. A report may be asked of each only once: what it has read stays in it."""

    def notify(self, info: Json) -> None: ...

    def get_report(self, base_id: str) -> Json: ...


class Drivers:
    """One for each project and service: a driver writes both into every point.

    `connection` is as osprofiler's drivers take it, or memory://. Raises SettingsError for one that no driver knows, and where the
    library is missing.
    """

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._made: dict[tuple[str, str], Driver] = {}
        self._kept: OrderedDict[str, list[Json]] = OrderedDict()
        try:
            self.reader()
        except ModuleNotFoundError as error:
            raise SettingsError(f"osprofiler_connection_string needs a library: pip install 'mockcloud[osprofiler]' ({error})") from error
        except Exception as error:
            raise SettingsError(f"osprofiler cannot use the connection string {connection}: {error}") from error

    def writer(self, project: str, service: str) -> Driver:
        if (project, service) not in self._made:
            self._made[project, service] = self._make(project, service)
        return self._made[project, service]

    def reader(self) -> Driver:
        return self._make("", "")

    def _make(self, project: str, service: str) -> Driver:
        from osprofiler.drivers import base

        if self._connection == MEMORY:
            return self._memory_driver(base.Driver, project, service)
        made: Driver = base.get_driver(self._connection, project=project, service=service, host="", conf={})
        return made

    def _memory_driver(self, base: Any, project: str, service: str) -> Driver:
        kept = self._kept

        class MemoryDriver(base):  # type: ignore[misc]
            def notify(self, info: Json, **kwargs: Any) -> None:
                kept.setdefault(info["base_id"], []).append(info | {"project": self.project, "service": self.service})
                if len(kept) > KEPT:
                    kept.popitem(last=False)

            def get_report(self, base_id: str) -> Json:
                for point in kept.get(base_id, ()):
                    names = ("trace_id", "parent_id", "name", "project", "service")
                    self._append_results(*(point[name] for name in names), point["info"]["host"], point["timestamp"], point)
                return dict(self._parse_results())

        made: Driver = MemoryDriver(MEMORY, project, service)
        return made
