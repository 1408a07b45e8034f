"""Filters: each says why a host will not do, or None. Named and decided as nova's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mockcloud.scheduler.extra_specs import match
from mockcloud.scheduler.hosts import HostState
from mockcloud.scheduler.image_match import unsupported
from mockcloud.scheduler.json_query import satisfies
from mockcloud.scheduler.spec import RequestSpec
from mockcloud.settings import Settings, SettingsError

Filter = Callable[[HostState, RequestSpec, Settings], str | None]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one host was not chosen, and who said so."""

    host: str
    filter: str
    reason: str

    def __str__(self) -> str:
        return f"{self.host}: {self.filter}: {self.reason}"


def enabled_filters(settings: Settings) -> dict[str, Filter]:
    """The filters that the settings name, in that order."""
    names = [name.strip() for name in settings.enabled_filters.split(",") if name.strip()]
    if unknown := [name for name in names if name not in FILTERS]:
        raise SettingsError(f"enabled_filters: there is no filter {', '.join(unknown)}; there are {', '.join(FILTERS)}")
    return {name: FILTERS[name] for name in names}


def apply(
    filters: dict[str, Filter], hosts: Iterable[HostState], spec: RequestSpec, settings: Settings
) -> tuple[list[HostState], list[Rejection]]:
    """The hosts that will do, and for each other one its first rejection. Forced hosts pass unfiltered."""
    passed, rejections = [], []
    for host in hosts:
        rejection = _not_asked_for(host, spec)
        if rejection is None and not spec.forced:
            rejection = next((Rejection(host.host, name, why) for name, f in filters.items() if (why := f(host, spec, settings))), None)
        if rejection is None:
            passed.append(host)
        else:
            rejections.append(rejection)
    return passed, rejections


def _not_asked_for(host: HostState, spec: RequestSpec) -> Rejection | None:
    """What the request itself says of hosts: these, only these, not these."""
    if spec.destination and not all(asked in ("", own) for asked, own in zip(spec.destination, (host.host, host.node), strict=True)):
        return Rejection(host.host, "requested_destination", "the request names another host")
    if host.host.lower() in _lower(spec.ignore_hosts):
        return Rejection(host.host, "ignore_hosts", "the request leaves this host out")
    if spec.force_hosts and host.host.lower() not in _lower(spec.force_hosts):
        return Rejection(host.host, "force_hosts", "the request forces another host")
    if spec.force_nodes and host.node not in spec.force_nodes:
        return Rejection(host.host, "force_nodes", "the request forces another node")
    return None


def _lower(names: Sequence[str]) -> list[str]:
    return [name.lower() for name in names]


def retry(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    return "an earlier attempt failed here" if (host.host, host.node) in spec.tried else None


def availability_zone(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    zone = host.zone(settings.default_availability_zone)
    if spec.availability_zone in ("", zone):
        return None
    return f"is in availability zone {zone}, asked is {spec.availability_zone}"


def compute(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    if host.disabled:
        return f"the compute service is disabled, reason: {host.disabled_reason}"
    return None if host.up else "the compute service has not been heard from in a while"


def compute_capabilities(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    """Extra specs of the scope `capabilities:`, and bare ones that name something the host has."""
    for key, requirement in spec.extra_specs.items():
        path = key.split(":")
        if path[0] == "capabilities" and len(path) > 1:
            path = path[1:]
        elif len(path) > 1 or _capability(host, path) is None:
            continue
        value = _capability(host, path)
        if value is None:
            return f"has no capability {':'.join(path)}"
        if not match(str(value), str(requirement)):
            return f"capability {':'.join(path)} is {value}, asked is '{requirement}'"
    return None


def _capability(host: HostState, path: list[str]) -> object:
    value: object = getattr(host, path[0], None)
    if value is None:
        value = host.stats.get(path[0])
    for name in path[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def image_properties(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    return unsupported(spec.image_properties, host.supported_instances, host.hypervisor_version)


def group_anti_affinity(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    group = spec.group
    if group is None or group.policy != "anti-affinity" or spec.instance_uuid in host.servers:
        return None
    here = len(host.servers & group.members)
    if here < group.max_server_per_host:
        return None
    return f"has {here} of server group {group.uuid}, allowed are {group.max_server_per_host}"


def group_affinity(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    group = spec.group
    if group is None or group.policy != "affinity" or not group.hosts or host.host in group.hosts:
        return None
    return f"server group {group.uuid} is on {', '.join(sorted(group.hosts))}"


def same_host(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    wanted = spec.hinted_servers("same_host")
    return "has none of the servers of the hint same_host" if wanted and not wanted & host.servers else None


def different_host(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    found = spec.hinted_servers("different_host") & host.servers
    return f"has server {', '.join(sorted(found))} of the hint different_host" if found else None


def aggregate_extra_specs(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    """Extra specs without a scope or of the scope `aggregate_instance_extra_specs` against the aggregates' metadata."""
    for key, requirement in spec.extra_specs.items():
        scope, _, name = key.rpartition(":")
        if scope not in ("", "aggregate_instance_extra_specs"):
            continue
        values = host.aggregate_values(name)
        if not values:
            return f"no aggregate of this host says {name}"
        if not any(match(value, str(requirement)) for value in values):
            return f"its aggregates say {name} = {', '.join(sorted(values))}, asked is '{requirement}'"
    return None


def io_ops(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    return _below(host.num_io_ops, settings.max_io_ops_per_host, "I/O heavy operations")


def aggregate_io_ops(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    limit = _aggregate_limit(host, "max_io_ops_per_host", settings.max_io_ops_per_host)
    return _below(host.num_io_ops, limit, "I/O heavy operations")


def num_instances(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    return _below(host.num_instances, settings.max_instances_per_host, "servers")


def aggregate_num_instances(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    limit = _aggregate_limit(host, "max_instances_per_host", settings.max_instances_per_host)
    return _below(host.num_instances, limit, "servers")


def _below(count: int, limit: int, what: str) -> str | None:
    return None if count < limit else f"has {count} {what}, allowed are {limit}"


def _aggregate_limit(host: HostState, key: str, default: int) -> int:
    """The smallest that its aggregates say; what is no number does not count."""
    return min((int(value) for value in host.aggregate_values(key) if value.isdigit()), default=default)


def json_query(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    query = spec.hint("query")
    return None if not query or satisfies(query, host) else f"does not meet the query {query}"


def all_hosts(host: HostState, spec: RequestSpec, settings: Settings) -> str | None:
    return None


FILTERS: dict[str, Filter] = {
    "RetryFilter": retry,
    "AvailabilityZoneFilter": availability_zone,
    "ComputeFilter": compute,
    "ComputeCapabilitiesFilter": compute_capabilities,
    "ImagePropertiesFilter": image_properties,
    "ServerGroupAntiAffinityFilter": group_anti_affinity,
    "ServerGroupAffinityFilter": group_affinity,
    "SameHostFilter": same_host,
    "DifferentHostFilter": different_host,
    "AggregateInstanceExtraSpecsFilter": aggregate_extra_specs,
    "IoOpsFilter": io_ops,
    "AggregateIoOpsFilter": aggregate_io_ops,
    "NumInstancesFilter": num_instances,
    "AggregateNumInstancesFilter": aggregate_num_instances,
    "JsonFilter": json_query,
    "AllHostsFilter": all_hosts,
}
