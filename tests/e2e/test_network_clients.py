"""openstacksdk's network proxy against a running cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3
from openstack import exceptions
from openstack.connection import Connection

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # the SDK announces its next versions


@pytest.fixture
def network(identity_url: str) -> Iterator[Any]:
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    auth = v3.Password(auth_url=identity_url, username="demo", password="secret", project_name="demo", **domains)
    with Connection(session=session.Session(auth=auth), region_name="RegionOne") as connection:
        yield connection.network


def test_a_network_with_a_port_and_its_rules(network: Any) -> None:
    lan = network.create_network(name="lan")
    subnet = network.create_subnet(network_id=lan.id, ip_version=4, cidr="10.9.0.0/24", name="lan4")
    assert (subnet.gateway_ip, network.find_network("lan").subnet_ids) == ("10.9.0.1", [subnet.id])
    group = network.create_security_group(name="web")
    rule = network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80
    )
    with pytest.raises(exceptions.ConflictException, match=f"already exists. Rule id is {rule.id}"):
        network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80
        )
    port = network.create_port(network_id=lan.id, security_group_ids=[group.id], fixed_ips=[{"ip_address": "10.9.0.9"}])
    assert [found.id for found in network.ports(network_id=lan.id)] == [port.id]
    assert network.set_tags(network.get_port(port.id), ["a", "b"]).tags == ["a", "b"]
    with pytest.raises(exceptions.ConflictException, match="one or more ports still in use"):
        network.delete_network(lan)
    for delete, made in (
        (network.delete_port, port), (network.delete_security_group, group), (network.delete_subnet, subnet), (network.delete_network, lan),
    ):  # fmt: skip
        delete(made, ignore_missing=False)
        delete(made)  # gone is good
    assert network.find_network("lan") is None


def test_a_floating_ip_over_a_router(network: Any) -> None:
    inner = network.create_network(name="inner")
    subnet = network.create_subnet(network_id=inner.id, ip_version=4, cidr="10.9.0.0/24")
    public = network.find_network("public", ignore_missing=False)
    router = network.create_router(name="r", external_gateway_info={"network_id": public.id})
    network.add_interface_to_router(router, subnet_id=subnet.id)
    port = network.create_port(network_id=inner.id)
    floating = network.create_ip(floating_network_id=public.id, port_id=port.id)
    assert (floating.fixed_ip_address, floating.router_id, floating.status) == (port.fixed_ips[0]["ip_address"], router.id, "ACTIVE")
    network.delete_ip(floating)
    network.remove_interface_from_router(router, subnet_id=subnet.id)
    network.delete_router(router)
    network.delete_port(port)
    network.delete_network(inner)
    assert list(network.routers()) == list(network.ips()) == []


def test_pages_are_followed(network: Any) -> None:
    made = {network.create_security_group(name=f"page{n}").id for n in range(5)}
    assert made <= {group.id for group in network.security_groups(limit=2)}
    for id_ in made:
        network.delete_security_group(id_)
