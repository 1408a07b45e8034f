"""Every option of a cloud, in one frozen object that is passed in."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specs import DIALECTS

CONTROLLER = "controller"  # the host of all that is not a compute


class SettingsError(ValueError):
    """An option that cannot be: its message is for the user."""


@dataclass(frozen=True, slots=True)
class HostSeed:
    """Capacity of one compute host."""

    name: str
    vcpus: int = 16
    memory_mb: int = 65_536
    local_gb: int = 1_024
    zone: str = "nova"


def default_hosts(count: int) -> tuple[HostSeed, ...]:
    """Mixed capacities, so that filters and weighers have something to choose between."""
    sizes = ((16, 65_536, 1_024), (8, 32_768, 512), (32, 131_072, 2_048))
    return tuple(HostSeed(f"compute{n + 1}", *sizes[n % len(sizes)]) for n in range(count))


@dataclass(frozen=True, slots=True)
class Settings:
    # the cloud
    region: str = "RegionOne"
    dialect: str = "classic"
    driver: str = "fake"
    seed: int = 0
    seed_file: str = ""  # its sections replace those of the default seed
    state_dir: str = ""  # empty: nothing outlives the process
    database: str = ""  # SQLAlchemy URL with {service} in it; empty: SQLite
    host: str = "127.0.0.1"
    port: int = 5000
    ports: str = "single"  # single, classic
    hosts: tuple[HostSeed, ...] = default_hosts(3)
    admin_password: str = "secret"
    clock_speed: float = 1.0
    strict: bool = False  # a response that its document does not know is an error, not a logged violation
    facts_kept: int = 50_000
    control_from_anywhere: bool = False
    policy_dir: str = ""  # <service>.yaml in it overrides default policies
    # identity
    token_life: int = 3_600  # seconds
    token_cache_time: int = 0  # seconds a service trusts a validated token without asking again; keystonemiddleware: 300
    allow_expired_window: int = 172_800
    # bus
    bus_url: str = ""  # amqp://user:password@host:port/vhost of a RabbitMQ (rabbit:// says the same); empty: within this process
    amqp_durable_queues: bool = True  # oslo.messaging: false; a broker's restart then loses what is under way
    rpc_response_timeout: float = 60.0
    notifications: str = "both"  # none, unversioned, versioned, both: what nova tells; the others tell unless it is none
    # osprofiler
    osprofiler_connection_string: str = ""  # redis://…, memory://, …; empty: no request is profiled
    osprofiler_hmac_key: str = "SECRET_KEY"  # of who may have requests profiled; several are separated by commas
    log_dir: str = ""  # a log file of each service there; empty: none
    # compute and scheduling
    max_attempts: int = 3
    spawn_seconds: float = 0.0
    report_interval: float = 10.0
    service_down_time: float = 60.0
    max_concurrent_builds: int = 10  # of one compute in cells_v2; 0: no limit, as classic has none
    vif_plugging_timeout: float = 300.0  # seconds that a build in cells_v2 waits for neutron to have plugged its interfaces
    sync_power_state_interval: float = 600.0  # seconds between two looks at what the guests do; below 0: never
    running_deleted_instance_poll_interval: float = 1_800.0  # seconds between two looks for guests of deleted servers; below 0: never
    volume_seconds: float = 0.0
    shutdown_timeout: float = 60.0  # seconds that a guest has to stop by itself before it is stopped
    # driver libvirt
    libvirt_uri: str = "qemu:///embed"  # without a root each host has its own; qemu:///system, test:///default, ...
    libvirt_virt_type: str = "auto"  # kvm, qemu (translated code); auto: what a guest of one sector shows to work
    # network
    send_events_interval: float = 0.0  # seconds between two batches of events for nova; neutron: 2
    unbindable_hosts: tuple[str, ...] = ()  # hosts where neutron fails to bind a port
    full_hosts: tuple[str, ...] = ()  # hosts whose compute refuses every claim, whatever the scheduler thought
    # scheduler: nova's own option names and, but for those marked, nova's defaults
    enabled_filters: str = (
        "RetryFilter,AvailabilityZoneFilter,ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,"
        "ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,SameHostFilter,DifferentHostFilter"  # the last two are extra
    )
    default_availability_zone: str = "nova"
    host_subset_size: int = 1
    shuffle_best_same_weighed_hosts: bool = True  # nova: false
    max_io_ops_per_host: int = 8
    max_instances_per_host: int = 50
    allow_resize_to_same_host: bool = True  # nova: false
    ram_weight_multiplier: float = 1.0
    cpu_weight_multiplier: float = 1.0
    disk_weight_multiplier: float = 1.0
    io_ops_weight_multiplier: float = -1.0
    num_instances_weight_multiplier: float = 0.0
    hypervisor_version_weight_multiplier: float = 1.0
    build_failure_weight_multiplier: float = 1_000_000.0
    soft_affinity_weight_multiplier: float = 1.0
    soft_anti_affinity_weight_multiplier: float = 1.0

    def __post_init__(self) -> None:
        """Raises SettingsError for a value that no cloud can have."""
        for name, (holds, wanted) in BOUNDS.items():
            if not holds(value := getattr(self, name)):
                raise SettingsError(f"option {name} takes {wanted}, not {value!r}")

    def replace(self, **changes: Any) -> Settings:
        return dataclasses.replace(self, **changes)


BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
BOUNDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "port": (lambda port: 0 <= port <= 65_535, "a port number (0: any free one)"),
    "ports": (("single", "classic").__contains__, "single or classic"),
    "driver": (("fake", "libvirt").__contains__, "fake or libvirt"),
    "dialect": (DIALECTS.__contains__, " or ".join(DIALECTS)),
    "notifications": (("none", "unversioned", "versioned", "both").__contains__, "none, unversioned, versioned or both"),
    "libvirt_virt_type": (("auto", "kvm", "qemu").__contains__, "auto, kvm or qemu"),
    "shutdown_timeout": (lambda seconds: seconds >= 0, "a number of seconds from 0 (0: guests are stopped at once)"),
    "clock_speed": (lambda speed: speed > 0, "a number above 0"),
    "hosts": (bool, "at least one compute host"),
    "max_concurrent_builds": (lambda builds: builds >= 0, "a number from 0 (0: no limit)"),
    "vif_plugging_timeout": (lambda seconds: seconds >= 0, "a number of seconds from 0 (0: interfaces are not waited for)"),
    "max_attempts": (lambda attempts: attempts >= 1, "a number from 1"),
    "token_life": (lambda seconds: seconds > 0, "a number of seconds above 0"),
}


def load(path: str | Path | None = None, environ: Mapping[str, str] = os.environ, **changes: Any) -> Settings:
    """Defaults, then the TOML file, then `MOCKCLOUD_<OPTION>` of the environment, then `changes`."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values |= tomllib.loads(Path(path).read_text())
        except OSError as error:
            raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"the settings file {path} is not TOML: {error}") from error
    fields = {f.name: f for f in dataclasses.fields(Settings)}
    for name in fields:
        if (text := environ.get(f"MOCKCLOUD_{name.upper()}")) is not None:
            values[name] = text
    values |= {name: value for name, value in changes.items() if value is not None}
    if unknown := sorted(set(values) - set(fields)):
        raise SettingsError(f"unknown option {', '.join(unknown)}")
    return Settings(**{name: _typed(name, value) for name, value in values.items()})


def _typed(name: str, value: Any) -> Any:
    default = getattr(Settings(), name)
    if name == "hosts":
        return _hosts(value)
    if isinstance(default, bool):
        if (found := BOOLEANS.get(str(value).lower())) is None:
            raise SettingsError(f"option {name} takes true or false, not {value!r}")
        return found
    try:
        return type(default)(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"option {name} takes {type(default).__name__}, not {value!r}") from error


def _hosts(value: Any) -> tuple[HostSeed, ...]:
    if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
        count = int(value)
        return default_hosts(count)
    try:
        return tuple(host if isinstance(host, HostSeed) else HostSeed(**host) for host in value)
    except TypeError as error:
        raise SettingsError(f"hosts: {error}") from error
