"""Which addresses a port gets, pure: from what it asks for, the network's subnets and what is taken. No database, no HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mockcloud.neutron import ipam
from mockcloud.neutron.ipam import IpamError, Subnet

Allocation = dict[str, str]  # subnet_id, ip_address

ROUTER_OWNERS = ("network:router_interface", "network:router_gateway")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a port asks for. `fixed_ips` None: one address of each IP version that the network has."""

    network_id: str
    mac: str
    owner: str = ""
    fixed_ips: Sequence[Mapping[str, str]] | None = None


def allocate(wishes: Wishes, subnets: Sequence[Subnet], taken: Mapping[str, Iterable[str]]) -> list[Allocation]:
    """The port's addresses. `taken`: addresses by subnet id, the port's own excepted. Raises IpamError."""
    serving = _serving(wishes, subnets)
    used = {subnet["id"]: set(taken.get(subnet["id"], ())) for subnet in serving}
    made: list[Allocation] = []

    def give(subnet: Subnet, address: str) -> None:
        if address in used[subnet["id"]]:
            raise IpamError(f"IP address {address} already allocated in subnet {subnet['id']}", "IpAddressAlreadyAllocated", 409)
        used[subnet["id"]].add(address)
        made.append({"subnet_id": subnet["id"], "ip_address": address})

    def give_any(choice: Sequence[Subnet]) -> None:
        for subnet in choice:
            if (address := ipam.next_free(subnet["allocation_pools"], used[subnet["id"]])) is not None:
                return give(subnet, address)
        raise IpamError(f"No more IP addresses available on network {wishes.network_id}.", "IpAddressGenerationFailure", 409)

    if wishes.fixed_ips is None:
        for version in (4, 6):
            if choice := [s for s in serving if s["ip_version"] == version and not ipam.is_automatic(s)]:
                give_any(choice)
    else:
        for subnet, address in _asked(wishes, wishes.fixed_ips, serving):
            give(subnet, address) if address else give_any([subnet])
    if wishes.owner not in ROUTER_OWNERS and not (wishes.fixed_ips is not None and not wishes.fixed_ips):
        for subnet in serving:
            address = ipam.eui64(subnet["cidr"], wishes.mac) if ipam.is_automatic(subnet) else ""
            if address and {"subnet_id": subnet["id"], "ip_address": address} not in made:
                give(subnet, address)
    return made


def _serving(wishes: Wishes, subnets: Sequence[Subnet]) -> list[Subnet]:
    """Subnets for this kind of device: those made for it before those for all."""
    fitting = [s for s in subnets if not s["service_types"] or wishes.owner in s["service_types"]]
    if subnets and not fitting:
        raise IpamError(
            f"No valid service subnet for the given device owner, network {wishes.network_id}, service type {wishes.owner}.",
            "IpAddressGenerationFailureNoMatchingSubnet", 409,
        )  # fmt: skip
    return sorted(fitting, key=lambda s: not s["service_types"])


def _asked(wishes: Wishes, fixed_ips: Sequence[Mapping[str, str]], subnets: Sequence[Subnet]) -> list[tuple[Subnet, str | None]]:
    """Subnet and address (None: any) of each wish, those with an address first, so that nobody else takes it."""
    found: list[tuple[Subnet, str | None]] = []
    for wish in fixed_ips:
        address = ipam.canonical(wish["ip_address"]) if "ip_address" in wish else None
        subnet = _subnet_for(wishes, wish, address, subnets)
        automatic = ipam.is_automatic(subnet) and wishes.owner not in ROUTER_OWNERS
        if automatic and address is None:
            continue
        if automatic and address != ipam.eui64(subnet["cidr"], wishes.mac):
            raise IpamError(
                f"IPv6 address {address} cannot be directly assigned to a port on subnet {subnet['id']} as the subnet is configured "
                "for automatic addresses",
                "AllocationOnAutoAddressSubnet",
            )
        found.append((subnet, address))
    return sorted(found, key=lambda pair: pair[1] is None)


def _subnet_for(wishes: Wishes, wish: Mapping[str, str], address: str | None, subnets: Sequence[Subnet]) -> Subnet:
    if not subnets:
        raise IpamError("IP allocation requires subnets for network")
    if "subnet_id" in wish:
        named = next((s for s in subnets if s["id"] == wish["subnet_id"]), None)
        if named is None:
            raise IpamError(
                f"Failed to create port on network {wishes.network_id}, because fixed_ips included invalid subnet {wish['subnet_id']}"
            )
        if address is not None and not ipam.is_usable(address, named["cidr"], wishes.owner):
            raise IpamError(f"IP address {address} is not a valid IP for the specified subnet.", "InvalidIpForSubnet")
        return named
    if address is None:
        raise IpamError("IP allocation requires subnet_id or ip_address")
    for subnet in subnets:
        if ipam.is_usable(address, subnet["cidr"], wishes.owner):
            return subnet
    raise IpamError(f"IP address {address} is not a valid IP for any of the subnets on the specified network.", "InvalidIpForNetwork")


def kept_where_possible(fixed_ips: Sequence[Mapping[str, str]], current: Sequence[Allocation]) -> list[dict[str, Any]]:
    """A changed port's wishes: who asks for a subnet where the port already has an address keeps that one."""
    named = {ipam.canonical(wish["ip_address"]) for wish in fixed_ips if "ip_address" in wish}
    free = [own for own in current if own["ip_address"] not in named]
    wishes: list[dict[str, Any]] = []
    for wish in fixed_ips:
        own = next((one for one in free if one["subnet_id"] == wish.get("subnet_id")), None) if "ip_address" not in wish else None
        if own is not None:
            free.remove(own)
        wishes.append(dict(wish) | (own or {}))
    return wishes
