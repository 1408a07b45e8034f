"""The arithmetic of subnets, pure: cidrs, pools, gateways, routes, conflicts. No database, no HTTP."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pool = Mapping[str, str]  # start, end
Subnet = Mapping[str, Any]  # as its row

MAX_NAMESERVERS, MAX_ROUTES = 5, 20
AUTOMATIC = ("slaac", "dhcpv6-stateless")  # ports work out their own addresses


class IpamError(ValueError):
    """What is asked for cannot be had: `kind` is neutron's exception name, `status` its HTTP status."""

    def __init__(self, message: str, kind: str = "InvalidInput", status: int = 400) -> None:
        super().__init__(f"Invalid input for operation: {message}." if kind == "InvalidInput" else message)
        self.kind, self.status = kind, status


def parse_cidr(cidr: str, ip_version: int) -> Network:
    """The network, written canonically: host bits are cut off. An address alone is none."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        raise IpamError(f"Invalid input for cidr. Reason: '{cidr}' is not a valid IP subnet.", "HTTPBadRequest") from error
    if "/" not in cidr:
        raise IpamError(
            f"Invalid input for cidr. Reason: '{cidr}' isn't a recognized IP subnet cidr, '{network}' is recommended.", "HTTPBadRequest"
        )
    if network.version != ip_version:
        raise _other_version("cidr", cidr, ip_version)
    if network.prefixlen == 0:
        raise IpamError("0 is not allowed as CIDR prefix length")
    return network


def _other_version(name: str, address: str, ip_version: int) -> IpamError:
    return IpamError(f"{name} '{address}' does not match the ip_version '{ip_version}'")


def default_gateway(network: Network) -> str:
    """The first address; of an IPv6 network its anycast address."""
    return str(network.network_address + (1 if network.version == 4 else 0))


def default_pools(network: Network, gateway: str | None) -> list[dict[str, str]]:
    """Every usable address but the gateway."""
    first, last = _usable(network)
    hole = ipaddress.ip_address(gateway) if gateway else None
    ranges = [(first, last)]
    if hole is not None and hole.version == network.version and first <= hole <= last and first != last:  # type: ignore[operator]
        ranges = [(first, hole - 1), (hole + 1, last)]
    return [{"start": str(start), "end": str(end)} for start, end in ranges if int(start) <= int(end)]


def _usable(network: Network) -> tuple[Address, Address]:
    """First and last address that a port may have."""
    if network.num_addresses == 1 or (network.version == 4 and network.prefixlen >= 31):
        return network[0], network[-1]
    return network[1], network[-1 if network.version == 6 else -2]


def check_subnet(subnet: Subnet, network: Network) -> None:
    """What neutron refuses of a new subnet or of its changes. `subnet` has what it shall be, pools excepted."""
    version = network.version
    if version == 6 and int(network.network_address) == 0:
        raise IpamError("IPv6 subnet '::' is not supported")
    if subnet["gateway_ip"] is not None:
        check_gateway(subnet["gateway_ip"], network)
    _check_nameservers(subnet["dns_nameservers"], version)
    _check_routes(subnet["host_routes"], version)
    modes = [subnet["ipv6_ra_mode"], subnet["ipv6_address_mode"]]
    if version == 4:
        for name in ("ipv6_ra_mode", "ipv6_address_mode"):
            if subnet[name] is not None:
                raise IpamError(f"{name} is not valid when ip_version is 4")
    elif any(modes):
        _check_modes(modes, bool(subnet["enable_dhcp"]), network)


def check_dhcp(network: Network) -> None:
    """DHCP cannot be switched on everywhere."""
    if network.prefixlen > (30 if network.version == 4 else 126):
        raise IpamError("Subnet has a prefix length that is incompatible with DHCP service enabled")
    for refused, name in ((network.is_multicast, "Multicast"), (network.is_loopback, "Loopback")):
        if refused:
            raise IpamError(f"{name} IP subnet is not supported if enable_dhcp is True")
    if network.version == 4 and int(network.network_address) == 0:
        raise IpamError("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.")


def _check_modes(modes: list[str | None], dhcp: bool, network: Network) -> None:
    ra, address = modes
    if not dhcp:
        raise IpamError("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra and address and ra != address:
        raise IpamError(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. If both attributes are set, they "
            "must be the same value"
        )
    if {ra, address} & set(AUTOMATIC) and network.prefixlen != 64:
        raise IpamError(
            f"Invalid CIDR {network} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64"
        )


def _check_nameservers(servers: Sequence[str], version: int) -> None:
    if len(servers) > MAX_NAMESERVERS:
        raise IpamError(
            f"Unable to complete operation for new subnet. The number of DNS nameservers exceeds the limit {MAX_NAMESERVERS}.",
            "DNSNameServersExhausted",
        )
    for server in servers:
        if ipaddress.ip_address(server).version != version:
            raise _other_version("dns_nameserver", server, version)


def _check_routes(routes: Sequence[Mapping[str, str]], version: int) -> None:
    if len(routes) > MAX_ROUTES:
        raise IpamError(
            f"Unable to complete operation for new subnet. The number of host routes exceeds the limit {MAX_ROUTES}.", "HostRoutesExhausted"
        )
    for route in routes:
        try:
            nexthop, destination = ipaddress.ip_address(route["nexthop"]), ipaddress.ip_network(route["destination"])
        except ValueError as error:
            raise IpamError(f"Invalid route: {dict(route)}") from error
        for name, found in (("nexthop", nexthop), ("destination", destination)):
            if found.version != version:
                raise _other_version(name, route[name], version)


def check_pools(pools: Sequence[Pool], network: Network, gateway: str | None) -> None:
    """Pools inside the network, in order, apart from each other and from the gateway."""
    first, last = _usable(network)
    ranges: list[tuple[int, int]] = []
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        if start.version != network.version or end.version != network.version or int(start) > int(end):
            raise IpamError(f"The allocation pool {dict(pool)} is not valid.", "InvalidAllocationPool")
        if int(start) < int(first) or int(end) > int(last):
            raise IpamError(f"The allocation pool {start}-{end} spans beyond the subnet cidr {network}.", "OutOfBoundsAllocationPool")
        ranges.append((int(start), int(end)))
    _check_overlap(pools, ranges, network)
    hole = int(ipaddress.ip_address(gateway)) if gateway else None
    for pool, (low, high) in zip(pools, ranges, strict=True):
        if hole is not None and low <= hole <= high:
            raise IpamError(
                f"Gateway ip {gateway} conflicts with allocation pool {_written(pool)}.", "GatewayConflictWithAllocationPools", 409
            )


def _check_overlap(pools: Sequence[Pool], ranges: list[tuple[int, int]], network: Network) -> None:
    order = sorted(range(len(ranges)), key=lambda n: ranges[n])
    for one, other in itertools.pairwise(order):
        if ranges[other][0] <= ranges[one][1]:
            raise IpamError(
                f"Found overlapping allocation pools: {_written(pools[one])} {_written(pools[other])} for subnet {network}.",
                "OverlappingAllocationPools", 409,
            )  # fmt: skip


def _written(pool: Pool) -> str:
    return f"{pool['start']}-{pool['end']}"


def check_gateway(gateway: str, network: Network) -> None:
    """One outside the subnet is allowed; one that is the network's or the broadcast address is not."""
    address = ipaddress.ip_address(gateway)
    if address.version != network.version:
        raise _other_version("gateway_ip", gateway, network.version)
    if network.version == 4 and address in (network[0], network[-1]):
        raise IpamError("Gateway is not valid on subnet")


def overlapping(network: Network, others: Iterable[str]) -> bool:
    return any(network.version == (other := ipaddress.ip_network(cidr)).version and network.overlaps(other) for cidr in others)


def next_free(pools: Sequence[Pool], taken: Collection[str]) -> str | None:
    """The lowest free address of the pools."""
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        addresses = (
            _ipv4(int(start), int(end)) if start.version == 4 else map(str, map(ipaddress.IPv6Address, range(int(start), int(end) + 1)))
        )
        if (found := next((address for address in addresses if address not in taken), None)) is not None:
            return found
    return None


def _ipv4(first: int, last: int) -> Iterator[str]:
    """Without the library and by threes of octets, since a search looks at every address that is taken."""
    for block in range(first >> 8, (last >> 8) + 1):
        octets = f"{block >> 16}.{block >> 8 & 255}.{block & 255}."
        low, high = max(first - (block << 8), 0), min(last - (block << 8), 255)
        for octet in range(low, high + 1):
            yield f"{octets}{octet}"


def size(pools: Iterable[Pool]) -> int:
    """How many addresses there are to give."""
    return sum(int(ipaddress.ip_address(pool["end"])) - int(ipaddress.ip_address(pool["start"])) + 1 for pool in pools)


def is_usable(address: str, cidr: str, owner: str = "") -> bool:
    """In the subnet, and neither its network nor its broadcast address; a router's port may have IPv6's first one."""
    network, found = ipaddress.ip_network(cidr), ipaddress.ip_address(address)
    if found not in network:
        return False
    if network.version == 4:
        return found not in (network[0], network[-1])
    return owner in ("", "network:router_interface", "network:router_gateway", "network:floatingip") or found != network[0]


def is_automatic(subnet: Subnet) -> bool:
    """Whether ports have the address there that follows from their MAC."""
    return subnet["ipv6_address_mode"] in AUTOMATIC or (subnet["ipv6_address_mode"] is None and subnet["ipv6_ra_mode"] in AUTOMATIC)


def eui64(cidr: str, mac: str) -> str:
    """The address of an interface in an IPv6 subnet of 64 bits (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.ip_network(cidr)[int.from_bytes(interface)])


def canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))
