"""Which addresses a port gets."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockcloud.neutron import ipam
from mockcloud.neutron.allocation import Wishes, allocate, kept_where_possible
from mockcloud.neutron.ipam import IpamError

MAC = "fa:16:3e:00:00:01"


def subnet(id_: str, cidr: str, **values: Any) -> dict[str, Any]:
    network = ipaddress.ip_network(cidr)
    shown = {"id": id_, "cidr": cidr, "ip_version": network.version, "service_types": [], "ipv6_ra_mode": None, "ipv6_address_mode": None}
    return shown | {"allocation_pools": ipam.default_pools(network, ipam.default_gateway(network))} | values


FOUR, MORE = subnet("four", "10.0.0.0/30"), subnet("more", "10.1.0.0/29")
SIX = subnet("six", "fd00::/64")
AUTO = subnet("auto", "fd01::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")


def addresses(*subnets: Any, fixed_ips: Any = None, taken: Any = None, owner: str = "") -> list[tuple[str, str]]:
    made = allocate(Wishes("net", MAC, owner, fixed_ips), subnets, taken or {})
    return [(one["subnet_id"], one["ip_address"]) for one in made]


def test_a_port_gets_one_address_of_each_version() -> None:
    assert addresses(FOUR, MORE, SIX) == [("four", "10.0.0.2"), ("six", "fd00::1")]
    assert addresses() == []


def test_a_full_subnet_is_passed_over_for_the_next() -> None:
    assert addresses(FOUR, MORE, taken={"four": {"10.0.0.2"}}) == [("more", "10.1.0.2")]


def test_automatic_addresses_come_with_the_others_but_not_to_a_router() -> None:
    own = ("auto", "fd01::f816:3eff:fe00:1")
    assert addresses(FOUR, AUTO) == [("four", "10.0.0.2"), own]
    assert addresses(FOUR, AUTO, fixed_ips=[{"subnet_id": "auto"}]) == [own]
    assert addresses(FOUR, AUTO, fixed_ips=[{"ip_address": own[1]}]) == [own]
    assert addresses(AUTO, fixed_ips=[{"subnet_id": "auto"}], owner="network:router_interface") == [("auto", "fd01::1")]


def test_nothing_asked_for_is_not_an_empty_list() -> None:
    assert addresses(FOUR, AUTO, fixed_ips=[]) == []


def test_who_names_an_address_gets_it_before_who_does_not() -> None:
    wishes = [{"subnet_id": "more"}, {"subnet_id": "more", "ip_address": "10.1.0.2"}, {"subnet_id": "more"}]
    assert addresses(MORE, fixed_ips=wishes) == [("more", "10.1.0.2"), ("more", "10.1.0.3"), ("more", "10.1.0.4")]


def test_subnets_made_for_a_kind_of_device_serve_it_first() -> None:
    made_for = subnet("made", "10.2.0.0/24", service_types=["compute:nova"])
    assert addresses(MORE, made_for, owner="compute:nova") == [("made", "10.2.0.2")]
    assert addresses(MORE, made_for, owner="network:dhcp") == [("more", "10.1.0.2")]
    assert refused(made_for, owner="network:dhcp") == ("IpAddressGenerationFailureNoMatchingSubnet", 409)


def refused(*subnets: Any, **options: Any) -> tuple[str, int]:
    with pytest.raises(IpamError) as error:
        addresses(*subnets, **options)
    return error.value.kind, error.value.status


@pytest.mark.parametrize(
    ("fixed_ips", "kind", "status"),
    [
        ([{"subnet_id": "elsewhere"}], "InvalidInput", 400),
        ([{"ip_address": "10.9.0.1"}], "InvalidIpForNetwork", 400),
        ([{"ip_address": "10.1.0.0"}], "InvalidIpForNetwork", 400),
        ([{"subnet_id": "more", "ip_address": "10.0.0.2"}], "InvalidIpForSubnet", 400),
        ([{"ip_address": "10.0.0.3"}, {"ip_address": "10.1.0.7"}], "InvalidIpForNetwork", 400),
        ([{"ip_address": "10.1.0.3"}, {"ip_address": "10.1.0.3"}], "IpAddressAlreadyAllocated", 409),
        ([{"subnet_id": "four"}, {"subnet_id": "four"}], "IpAddressGenerationFailure", 409),
        ([{"ip_address": "fd01::9"}], "AllocationOnAutoAddressSubnet", 400),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(fixed_ips: Any, kind: str, status: int) -> None:
    assert refused(FOUR, MORE, AUTO, fixed_ips=fixed_ips) == (kind, status)


def test_a_wish_without_subnets_is_refused() -> None:
    assert refused(fixed_ips=[{"ip_address": "10.0.0.2"}]) == ("InvalidInput", 400)


def test_a_changed_port_keeps_what_it_has_where_it_asks_for_no_other() -> None:
    current = [{"subnet_id": "four", "ip_address": "10.0.0.2"}, {"subnet_id": "more", "ip_address": "10.1.0.5"}]
    assert kept_where_possible([{"subnet_id": "more"}, {"subnet_id": "more"}], current) == [current[1], {"subnet_id": "more"}]
    assert kept_where_possible([{"ip_address": "10.1.0.5"}, {"subnet_id": "more"}], current) == [
        {"ip_address": "10.1.0.5"},
        {"subnet_id": "more"},
    ]


@given(st.lists(st.sampled_from([None, "four", "more", "six"]), max_size=12))
def test_no_address_is_given_twice_and_each_is_from_a_pool(order: list[str | None]) -> None:
    taken: dict[str, set[str]] = {}
    for wanted in order:
        try:
            made = allocate(Wishes("net", MAC, "", None if wanted is None else [{"subnet_id": wanted}]), [FOUR, MORE, SIX], taken)
        except IpamError as error:
            assert error.kind == "IpAddressGenerationFailure"
            continue
        for one in made:
            assert one["ip_address"] not in taken.setdefault(one["subnet_id"], set())
            taken[one["subnet_id"]].add(one["ip_address"])
    assert taken.get("four", set()) <= {"10.0.0.2"}
    assert taken.get("more", set()) <= {f"10.1.0.{n}" for n in range(2, 7)}
