"""neutron, put together."""

from __future__ import annotations

import uuid
from typing import Any

from mockcloud.http.service import Runtime, Service
from mockcloud.neutron import (
    agents,
    availability,
    discovery,
    floatingips,
    ipam,
    networks,
    ports,
    quota,
    router_interfaces,
    routers,
    security_group_rules,
    security_groups,
    segments,
    subnets,
)
from mockcloud.neutron.agent import Agent
from mockcloud.neutron.notifier import Notifier
from mockcloud.neutron.tables import metadata
from mockcloud.neutron.tables import networks as networks_table
from mockcloud.neutron.tables import subnets as subnets_table


def build(runtime: Runtime) -> Service:
    modules = [
        discovery, agents, networks, availability, subnets, ports, security_groups, security_group_rules, routers, router_interfaces,
        floatingips, quota,
    ]  # fmt: skip
    service = Service("neutron", runtime, modules, metadata)
    service.parts[Notifier] = Notifier(service)
    service.parts[Agent] = agent = Agent(service, service.part(Notifier))
    service.agents["neutron-ovs-agent"] = agent.run
    return service


def seed(service: Service, data: dict[str, Any]) -> None:
    """The seed's networks, each with one subnet."""
    runtime, now = service.runtime, service.clock.now()
    for number, network in enumerate(data["networks"], 1):
        network_id = str(uuid.UUID(runtime.id_for("network", network["name"])))
        shared = {"project_id": runtime.id_for("project", network["project"]), "created_at": now, "updated_at": now, "tags": []}
        cidr = ipam.parse_cidr(network["cidr"], 4)
        gateway = ipam.default_gateway(cidr)
        with service.db.transaction() as tx:
            tx.insert(
                networks_table, id=network_id, name=network["name"], router_external=bool(network.get("external")),
                availability_zone_hints=[], provider_segmentation_id=number, mtu=segments.mtu_for(segments.DEFAULT_TYPE), **shared,
            )  # fmt: skip
            tx.insert(
                subnets_table, id=str(uuid.UUID(runtime.id_for("subnet", network["name"]))), name=f"{network['name']}-subnet",
                network_id=network_id, ip_version=4, cidr=str(cidr), gateway_ip=gateway, dns_nameservers=[], host_routes=[],
                allocation_pools=ipam.default_pools(cidr, gateway), service_types=[], enable_dhcp=not network.get("external"), **shared,
            )  # fmt: skip
