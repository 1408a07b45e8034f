"""Attempts at one server: counted in the message itself, as nova does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockcloud.scheduler.filters import Rejection
from mockcloud.scheduler.selection import NoValidHost
from mockcloud.scheduler.spec import RequestSpec


class MaxRetriesExceeded(NoValidHost):
    def __init__(self, instance_uuid: str, rejections: tuple[Rejection, ...] = ()) -> None:
        super().__init__("", rejections)
        why = f"Exhausted all hosts available for retrying build failures for instance {instance_uuid}."
        self.args = (f"Exceeded maximum number of retries. {why}",)


def attempt(filter_properties: Mapping[str, Any]) -> int:
    """Which attempt this is, the first being 1."""
    return int((filter_properties.get("retry") or {}).get("num_attempts", 0)) + 1


def with_attempt(filter_properties: Mapping[str, Any], spec: RequestSpec, place: tuple[str, str], max_attempts: int) -> dict[str, Any]:
    """For the compute: this attempt added. No `retry` in it means that there is no second attempt."""
    properties = {name: value for name, value in filter_properties.items() if name != "retry"}
    if max_attempts > 1 and len(spec.force_hosts) != 1 and len(spec.force_nodes) != 1:
        before = filter_properties.get("retry") or {}
        hosts = [*before.get("hosts", ()), list(place)]
        properties["retry"] = {"num_attempts": attempt(filter_properties), "hosts": hosts}
    return properties
