"""Which bus a cloud has."""

from __future__ import annotations

import sys

import pytest

from mockcloud.bus.amqp import AmqpBus
from mockcloud.bus.backends import bus_of
from mockcloud.bus.memory import MemoryBus
from mockcloud.clock import Clock
from mockcloud.faults import Faults
from mockcloud.settings import Settings, SettingsError
from mockcloud.trace import Recorder


def made(url: str) -> object:
    clock = Clock()
    return bus_of(Settings(bus_url=url), clock, Recorder(), Faults(clock))


@pytest.mark.parametrize("url", ["amqp://h", "amqps://u:p@h:1/v", "rabbit://u:p@h:1/v"])
def test_the_urls_scheme_says_which(url):
    assert isinstance(made(""), MemoryBus)
    assert isinstance(made(url), AmqpBus)


def test_without_its_library_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "mockcloud.bus.amqp")
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    monkeypatch.setitem(sys.modules, "mockcloud.bus.broker", None)
    with pytest.raises(SettingsError, match=r"pip install 'mockcloud\[amqp\]'"):
        made("amqp://127.0.0.1")
