"""Hosts as the choice sees them: what nova's database knows of them, and what placement says is used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, case, func, or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.tables import aggregates, compute_nodes, instances, services
from mockcloud.scheduler.spec import RequestSpec

IO_HEAVY = ("resize_prep", "resize_migrating", "rebuilding", "image_snapshot", "image_backup", "rescuing", "unshelving")


@dataclass(slots=True)
class HostState:
    """One compute node. Placing a server on it takes its share here, so that the next one sees it."""

    uuid: str  # also of its resource provider
    host: str
    node: str
    vcpus_total: int = 0
    vcpus_used: int = 0
    memory_mb: int = 0
    free_ram_mb: int = 0
    local_gb: int = 0
    free_disk_gb: int = 0
    cpu_allocation_ratio: float = 1.0
    ram_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    num_instances: int = 0
    num_io_ops: int = 0
    failed_builds: int = 0
    disabled: bool = False
    disabled_reason: str | None = None
    up: bool = True
    host_ip: str | None = None
    hypervisor_type: str = ""
    hypervisor_version: int = 0
    cpu_info: Any = field(default_factory=dict)
    supported_instances: list[list[str]] = field(default_factory=list)
    stats: Mapping[str, Any] = field(default_factory=dict)
    aggregates: list[Mapping[str, Any]] = field(default_factory=list)  # their metadata
    servers: set[str] = field(default_factory=set)  # of those that the request speaks of: group members, hints
    free: dict[str, int] = field(default_factory=dict)  # resource class -> what placement still gives
    allocation_requests: list[Row] = field(default_factory=list)

    def aggregate_values(self, key: str) -> set[str]:
        """Every value that an aggregate of this host gives to `key`; commas separate several."""
        return {
            value.strip() for metadata in self.aggregates if key in metadata for value in str(metadata[key]).split(",") if value.strip()
        }

    def zone(self, default: str) -> str:
        return next((metadata["availability_zone"] for metadata in self.aggregates if metadata.get("availability_zone")), default)

    def fits(self, wanted: Mapping[str, int]) -> bool:
        return all(self.free.get(name, amount) >= amount for name, amount in wanted.items())

    def take(self, spec: RequestSpec, wanted: Mapping[str, int]) -> None:
        """The server of the spec is placed here."""
        for name, amount in wanted.items():
            if name in self.free:
                self.free[name] -= amount
        self.free_ram_mb -= wanted.get("MEMORY_MB", 0)
        self.free_disk_gb -= wanted.get("DISK_GB", 0)
        self.vcpus_used += wanted.get("VCPU", 0)
        self.num_instances += 1
        self.num_io_ops += 1
        self.servers.add(spec.instance_uuid)
        if spec.group is not None:
            spec.group.hosts.add(self.host)

    def use_summary(self, summary: Mapping[str, Any]) -> None:
        """Placement knows of claims that the compute has not reported yet: its usage is the newer one."""
        for name, resource in summary["resources"].items():
            used, capacity = resource["used"], resource["capacity"]
            self.free[name] = capacity - used
            if name == "VCPU":
                self.vcpus_used = used
            elif name == "MEMORY_MB":
                self.free_ram_mb = self.memory_mb - used
            elif name == "DISK_GB":
                self.free_disk_gb = self.local_gb - used


def read_hosts(tx: Transaction, now: datetime, down_after: float, speaks_of: Collection[str] = ()) -> list[HostState]:
    """All compute nodes with a service; `speaks_of` are the servers whose places the request asks about."""
    counts = {row["host"]: row for row in tx.all(_COUNTS)}
    places: dict[str, set[str]] = defaultdict(set)
    if speaks_of:
        for row in tx.all(_placed().where(instances.c.uuid.in_(speaks_of))):
            places[row["host"]].add(row["uuid"])
    zones: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in tx.all(_AGGREGATES):
        for host in row["hosts"]:
            zones[host].append(row["metadata"])
    alive_since = now - timedelta(seconds=down_after)
    hosts = [_host(row, counts.get(row["host"]), alive_since) for row in tx.all(_NODES)]
    for host in hosts:
        host.aggregates = zones.get(host.host, [])
        host.servers = places.get(host.host, set())
    return hosts


_AGGREGATES = Prepared(select(aggregates.c.hosts, aggregates.c.metadata))
_NODES = Prepared(
    select(
        compute_nodes,
        services.c.disabled,
        services.c.disabled_reason,
        services.c.forced_down,
        func.coalesce(services.c.last_seen_up, services.c.created_at).label("seen"),
    ).join(services, (services.c.host == compute_nodes.c.host) & (services.c.binary == "nova-compute"))
)

_IS_HEAVY = or_(instances.c.vm_state == "building", instances.c.task_state.in_(IO_HEAVY))
_COUNTS = (
    select(instances.c.host, func.count().label("servers"), func.sum(case((_IS_HEAVY, 1), else_=0)).label("io"))
    .where(instances.c.host.is_not(None), instances.c.deleted_at.is_(None))
    .group_by(instances.c.host)
)


def _placed() -> Select[Any]:
    return select(instances.c.uuid, instances.c.host).where(instances.c.host.is_not(None), instances.c.deleted_at.is_(None))


def _host(row: Row, counted: Row | None, alive_since: datetime) -> HostState:
    memory_mb = row["memory_mb"] - row["reserved_host_memory_mb"]
    return HostState(
        uuid=row["uuid"],
        host=row["host"],
        node=row["hypervisor_hostname"],
        vcpus_total=row["vcpus"],
        vcpus_used=row["vcpus_used"],
        memory_mb=memory_mb,
        free_ram_mb=row["memory_mb"] - row["memory_mb_used"],
        local_gb=row["local_gb"],
        free_disk_gb=row["local_gb"] - row["local_gb_used"],
        cpu_allocation_ratio=row["cpu_allocation_ratio"],
        ram_allocation_ratio=row["ram_allocation_ratio"],
        disk_allocation_ratio=row["disk_allocation_ratio"],
        num_instances=counted["servers"] if counted else 0,
        num_io_ops=counted["io"] if counted else 0,
        failed_builds=int(row["stats"].get("failed_builds", 0)),
        disabled=row["disabled"],
        disabled_reason=row["disabled_reason"],
        up=not row["forced_down"] and row["seen"] >= alive_since,
        host_ip=row["host_ip"],
        hypervisor_type=row["hypervisor_type"],
        hypervisor_version=row["hypervisor_version"],
        cpu_info=row["cpu_info"],
        supported_instances=row["supported_instances"],
        stats=row["stats"],
    )
