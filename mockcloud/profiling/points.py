"""Which facts are points of a trace, under which names: those that the real services' own decorators give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockcloud.settings import CONTROLLER
from mockcloud.trace import Fact

Json = dict[str, Any]

APIS = {  # project and service of what answers HTTP
    "keystone": ("keystone", "public"),
    "nova": ("nova", "osapi_compute"),
    "glance": ("glance", "api"),
    "neutron": ("neutron", "neutron-server"),
    "cinder": ("cinder", "cinder-api"),
    "placement": ("placement", "placement"),
}
CLIENTS = {  # of nova, by topic
    "scheduler": "nova.scheduler.rpcapi.SchedulerAPI",
    "compute": "nova.compute.rpcapi.ComputeAPI",
    "conductor": "nova.conductor.rpcapi.ConductorAPI",
    "conductor/compute_task": "nova.conductor.rpcapi.ComputeTaskAPI",
}
MANAGERS = {
    "nova-scheduler": "nova.scheduler.manager.SchedulerManager",
    "nova-compute": "nova.compute.manager.ComputeManager",
    "nova-conductor": "nova.conductor.manager.ConductorManager",
    "nova-conductor/compute_task": "nova.conductor.manager.ComputeTaskManager",
    "cinder-volume": "cinder.volume.manager.VolumeManager",
    "cinder-scheduler": "cinder.scheduler.manager.SchedulerManager",
}
CALLEES = {  # what nova asks of others: the point around it, and whose method that is
    "image": ("nova_image", "nova.image.glance.API"),
    "network": ("neutron_api", "nova.network.neutron.ClientWrapper.proxy"),
}
API_METHODS = {  # nova-api's own class, where its names are not our operations'
    "create_server": "create",
    "show_server": "get",
    "delete_server": "delete",
    "create_server_external_events": "external_instance_event",
}


def source(fact: Fact) -> tuple[str, str, str]:
    """Project, service and host of a point."""
    if fact.service in APIS:
        return (*APIS[fact.service], CONTROLLER)
    return fact.service.partition("-")[0], fact.service, fact.host


def named(fact: Fact) -> str:
    """The point's name; empty for a fact that is none."""
    rule = RULES.get(fact.kind)
    return rule(fact)[0] if rule else ""


def told(fact: Fact) -> Json:
    """What is told at its start, beside the host."""
    return RULES[fact.kind](fact)[1]


Rule = Callable[[Fact], tuple[str, Json]]


def _function(name: str, args: Any = "()", kwargs: Json | None = None) -> Json:
    return {"function": {"name": name, "args": str(args), "kwargs": str(kwargs or {})}}


def _request(fact: Fact) -> tuple[str, Json]:
    shown = {name: fact.attributes[name] for name in ("path", "query", "method")}
    return "wsgi", {"request": {**shown, "scheme": "http"}}


def _statement(fact: Fact) -> tuple[str, Json]:
    """Without its values: they may be anything."""
    name = "neutron.db" if fact.service == "neutron" else "db"
    return name, {"db": {"statement": fact.attributes.get("statement", fact.name), "params": {}}}


def _client(fact: Fact) -> tuple[str, Json]:
    if fact.service not in ("nova", "nova-compute") or fact.attributes.get("callee") not in CALLEES:
        return "", {}
    name, function = CALLEES[fact.attributes["callee"]]
    return name, _function(function, (fact.attributes["method"], fact.name.partition(" ")[2]))


def _published(fact: Fact) -> tuple[str, Json]:
    topic = fact.attributes["routing_key"].partition(".")[0]
    known = CLIENTS.get(f"{topic}/{fact.attributes['namespace']}", CLIENTS.get(topic))
    return ("rpc", _function(f"{known}.{fact.name}", kwargs=_ids(fact.attributes["args"]))) if known else ("", {})


def _delivered(fact: Fact) -> tuple[str, Json]:
    known = MANAGERS.get(f"{fact.service}/{fact.attributes.get('namespace')}", MANAGERS.get(fact.service))
    return ("rpc", _function(f"{known}.{fact.name}")) if known else ("", {})


def _driver(fact: Fact) -> tuple[str, Json]:
    return "driver", _function(f"nova.virt.driver.ComputeDriver.{fact.name}")


def _operation(fact: Fact) -> tuple[str, Json]:
    return "compute_api", _function(f"nova.compute.api.API.{API_METHODS.get(fact.name, fact.name)}")


def _ids(args: Json) -> Json:
    """Which servers a message is about: the rest of it may hold secrets."""
    about = args.get("request_spec") or args.get("instance") or args
    shown = {name: about[name] for name in ("instance_uuid", "instance_uuids", "uuid") if isinstance(about, dict) and name in about}
    return shown | {name: args[name] for name in ("instance_uuid", "instance_uuids") if name in args}


RULES: dict[str, Rule] = {
    "http.server": _request,
    "http.client": _client,
    "rpc.publish": _published,
    "rpc.deliver": _delivered,
    "db": _statement,
    "driver": _driver,
    "operation": _operation,
}
