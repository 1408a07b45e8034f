"""The arithmetic of subnets."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockcloud.neutron import ipam
from mockcloud.neutron.ipam import IpamError

V4 = st.builds(lambda number, prefix: ipaddress.ip_network((number, prefix), strict=False), st.integers(2**24, 2**31), st.integers(20, 32))
V6 = st.builds(
    lambda number, prefix: ipaddress.ip_network((number, prefix), strict=False), st.integers(2**120, 2**126), st.integers(108, 128)
)


@given(st.one_of(V4, V6))
def test_default_pools_and_gateway_share_nothing_and_stay_inside(network: ipam.Network) -> None:
    gateway = ipam.default_gateway(network)
    pools = ipam.default_pools(network, gateway)
    if network.num_addresses > 1:
        ipam.check_pools(pools, network, gateway)
    assert ipam.size(pools) <= network.num_addresses
    for pool in pools:
        assert ipaddress.ip_address(pool["start"]) in network
        assert ipaddress.ip_address(pool["end"]) in network


@given(V4, st.data())
def test_the_next_free_address_is_the_lowest_one(network: ipam.Network, data: st.DataObject) -> None:
    pools = ipam.default_pools(network, None)
    everything = [str(address) for address in list(network)[:64]]
    taken = set(data.draw(st.lists(st.sampled_from(everything))))
    found = ipam.next_free(pools, taken)
    if found is None:
        assert ipam.size(pools) <= len(taken)
        return
    assert found not in taken
    start = ipaddress.ip_address(pools[0]["start"])
    assert all(str(start + n) in taken for n in range(int(ipaddress.ip_address(found)) - int(start)))


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.0/24", "10.0.0.7", [("10.0.0.1", "10.0.0.6"), ("10.0.0.8", "10.0.0.254")]),
        ("10.0.0.0/24", "10.9.0.1", [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/31", "10.0.0.1", [("10.0.0.0", "10.0.0.0")]),
        ("10.0.0.0/32", None, [("10.0.0.0", "10.0.0.0")]),
        ("fd00::/126", "fd00::", [("fd00::1", "fd00::3")]),
    ],
)
def test_pools_leave_out_the_gateway_and_what_no_port_may_have(cidr: str, gateway: str | None, pools: list[tuple[str, str]]) -> None:
    network = ipaddress.ip_network(cidr)
    assert ipam.default_pools(network, gateway) == [{"start": start, "end": end} for start, end in pools]


def test_overlaps_are_found_in_any_order() -> None:
    network = ipaddress.ip_network("10.0.0.0/24")
    pools = [{"start": "10.0.0.50", "end": "10.0.0.60"}, {"start": "10.0.0.2", "end": "10.0.0.55"}]
    with pytest.raises(IpamError) as error:
        ipam.check_pools(pools, network, None)
    assert (error.value.kind, error.value.status) == ("OverlappingAllocationPools", 409)


def test_the_address_of_an_interface_follows_from_its_mac() -> None:
    assert ipam.eui64("2001:db8::/64", "fa:16:3e:00:00:01") == "2001:db8::f816:3eff:fe00:1"


@pytest.mark.parametrize(
    ("address", "owner", "usable"),
    [
        ("10.0.0.0", "", False),
        ("10.0.0.255", "", False),
        ("10.0.1.1", "", False),
        ("10.0.0.9", "", True),
    ],
)
def test_network_and_broadcast_address_are_nobodys(address: str, owner: str, usable: bool) -> None:
    assert ipam.is_usable(address, "10.0.0.0/24", owner) is usable


def test_the_first_ipv6_address_is_a_routers() -> None:
    assert ipam.is_usable("fd00::", "fd00::/64", "network:router_interface")
    assert not ipam.is_usable("fd00::", "fd00::/64", "compute:nova")
