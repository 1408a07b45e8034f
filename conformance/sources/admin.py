"""What an admin sees of a server: its host's name and the guest's, as the compute API tells them to nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from conformance.evidence import Fact
from conformance.registry import Excused
from conformance.sources import SourceError

SHOWN = (
    "status", "hostId", "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:instance_name",
    "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state", "OS-SRV-USG:launched_at", "OS-EXT-AZ:availability_zone",
)  # fmt: skip


class AdminSource:
    """Views of the server, taken when they are asked for: they tell what is so by then."""

    name = "admin"
    shows: frozenset[str] = frozenset()
    tells: frozenset[str] = frozenset()

    def __init__(self, where: Mapping[str, Any], cloud: Any) -> None:
        self._cloud = cloud

    def open(self) -> None:
        try:
            self._cloud.admin.token  # noqa: B018 - wrong credentials are told now
        except Excused as error:
            raise SourceError(str(error)) from error

    def headers(self) -> Mapping[str, str]:
        return {}

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        found = []
        for server_id in server_ids:
            shown = self._cloud.admin.get("compute", f"/servers/{server_id}", version="2.62")
            server = (shown.body or {}).get("server", {}) if shown.status == 200 else {}
            if server:
                found.append(
                    Fact(
                        f"admin:{shown.fact.id}", self.name, "view", "client", "server", shown.fact.start, time.time(), "client",
                        "", "", frozenset(request_ids), frozenset({server_id}), {key: server[key] for key in SHOWN if key in server},
                    )
                )  # fmt: skip
        return found

    def close(self) -> None:
        """Nothing is held open."""
