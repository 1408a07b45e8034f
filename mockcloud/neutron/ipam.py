"""IP address management, pure: pools, gateways, free addresses, conflicts. No database, no HTTP."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pool = Mapping[str, str]  # start, end

SCAN = 65_536  # how many addresses a search looks at: no subnet of a mock is fuller


class InvalidSubnet(ValueError):
    """What is asked for cannot be a subnet: `kind` is neutron's exception name."""

    def __init__(self, message: str, kind: str = "BadRequest") -> None:
        super().__init__(message)
        self.kind = kind


def parse_cidr(cidr: str, ip_version: int) -> Network:
    """The network, written canonically. Raises InvalidSubnet."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        raise InvalidSubnet(f"Invalid input for cidr. Reason: '{cidr}' is not a valid IP subnet.", "HTTPBadRequest") from error
    if network.version != ip_version:
        raise InvalidSubnet(
            f"Invalid input for operation: ip_version {ip_version} does not match the cidr {cidr}.", "InvalidInput"
        )
    return network


def default_gateway(network: Network) -> str:
    return str(network.network_address + 1) if network.num_addresses > 2 else str(network.network_address)


def default_pools(network: Network, gateway: str | None) -> list[dict[str, str]]:
    """Every usable address but the gateway."""
    first, last = _usable(network)
    if gateway is None:
        return [{"start": str(first), "end": str(last)}] if first <= last else []
    hole = ipaddress.ip_address(gateway)
    pools = []
    if not first <= hole <= last:
        pools = [(first, last)]
    else:
        pools = [(first, hole - 1), (hole + 1, last)]
    return [{"start": str(start), "end": str(end)} for start, end in pools if int(start) <= int(end)]


def _usable(network: Network) -> tuple[Address, Address]:
    if network.version == 4 and network.prefixlen >= 31:
        return network[0], network[-1]
    if network.version == 6:
        return network[1], network[-1]
    return network[1], network[-2]


def check_pools(pools: Sequence[Pool], network: Network, gateway: str | None) -> None:
    """Raises InvalidSubnet for pools outside the network, reversed, overlapping, or over the gateway."""
    ranges = sorted((ipaddress.ip_address(p["start"]), ipaddress.ip_address(p["end"])) for p in pools)
    for start, end in ranges:
        if start.version != network.version or start not in network or end not in network:
            raise InvalidSubnet(f"The allocation pool {start}-{end} spans beyond the subnet cidr {network}.", "OutOfBoundsAllocationPool")
        if int(start) > int(end):
            raise InvalidSubnet(f"The allocation pool {start}-{end} is not valid.", "InvalidAllocationPool")
        if gateway is not None and start <= ipaddress.ip_address(gateway) <= end:
            raise InvalidSubnet(
                f"Gateway ip {gateway} conflicts with allocation pool {start}-{end}.", "GatewayConflictWithAllocationPools"
            )
    for (_, end), (start, later_end) in zip(ranges, ranges[1:], strict=False):
        if start <= end:
            raise InvalidSubnet(f"Found overlapping allocation pools: {start}-{later_end}, {end}", "OverlappingAllocationPools")


def check_gateway(gateway: str, network: Network) -> None:
    address = ipaddress.ip_address(gateway)
    if address.version != network.version or (network.prefixlen < network.max_prefixlen - 1 and address not in network):
        raise InvalidSubnet("Invalid input for operation: Gateway is not valid on subnet.", "InvalidInput")
    if network.version == 4 and network.prefixlen < 31 and address in (network.network_address, network.broadcast_address):
        raise InvalidSubnet("Invalid input for operation: Gateway is not valid on subnet.", "InvalidInput")


def overlapping(network: Network, others: Iterable[str]) -> str | None:
    """The first cidr that shares an address with `network`."""
    for cidr in others:
        other = ipaddress.ip_network(cidr)
        if other.version == network.version and network.overlaps(other):
            return cidr
    return None


def next_free(pools: Sequence[Pool], taken: Collection[str]) -> str | None:
    """The lowest free address of the pools."""
    for pool in pools:
        start, end = int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"]))
        make = type(ipaddress.ip_address(pool["start"]))
        for number in range(start, min(end, start + SCAN + len(taken)) + 1):
            address = str(make(number))
            if address not in taken:
                return address
    return None


def is_in(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def is_usable(address: str, cidr: str) -> bool:
    """In the subnet, and neither its network nor its broadcast address."""
    network, found = ipaddress.ip_network(cidr), ipaddress.ip_address(address)
    if found not in network:
        return False
    return network.version == 6 or network.prefixlen >= 31 or found not in (network.network_address, network.broadcast_address)


def canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))
