"""Which bus a cloud has."""

from __future__ import annotations

from urllib.parse import urlsplit

from mockcloud.bus.base import Bus
from mockcloud.bus.memory import MemoryBus
from mockcloud.clock import Clock
from mockcloud.settings import Settings, SettingsError
from mockcloud.trace import FaultTable, Recorder

SCHEMES = ("amqp", "amqps", "rabbit", "rabbits")


def bus_of(settings: Settings, clock: Clock, recorder: Recorder, faults: FaultTable) -> Bus:
    """Raises SettingsError, in which the URL is not shown: it holds a password."""
    if not settings.bus_url:
        return MemoryBus(clock, recorder, faults, settings.rpc_response_timeout)
    if not _is_a_brokers(settings.bus_url):
        raise SettingsError("option bus_url takes amqp://user:password@host:port/vhost")
    try:
        from mockcloud.bus.amqp import AmqpBus  # most clouds do without its library
    except ModuleNotFoundError as error:
        raise SettingsError(f"a bus over RabbitMQ needs one more package: pip install 'mockcloud[amqp]' ({error})") from error
    return AmqpBus(settings.bus_url, clock, recorder, faults, settings.rpc_response_timeout, settings.amqp_durable_queues)


def _is_a_brokers(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
