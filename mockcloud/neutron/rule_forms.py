"""The forms of a security group rule, pure: what neutron takes, how it stores it, and which two say the same."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from mockcloud.neutron.ipam import IpamError

Rule = Mapping[str, Any]

PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2, "ip": 0, "ipip": 4, "ipv6-encap": 41,
    "ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113,
    "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
WITH_PORTS = {"dccp": 33, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136}
ICMP, ICMPV6 = 1, 58
IPV6_ONLY = (41, 44, 58, 59, 60, 43)
ETHERTYPES = ("IPv4", "IPv6")
ANYWHERE = (None, "0.0.0.0/0", "::/0")
COMPARED = ("direction", "ethertype", "port_range_max", "port_range_min", "remote_group_id", "security_group_id")


def canonical(rule: Rule) -> dict[str, Any]:
    """The values as neutron stores them. Raises IpamError."""
    made = {
        "ethertype": _ethertype(rule["ethertype"]),
        "protocol": _protocol(rule["protocol"]),
        "port_range_min": _port(rule["port_range_min"]),
        "port_range_max": _port(rule["port_range_max"]),
        "remote_ip_prefix": _prefix(rule["remote_ip_prefix"]),
    }
    if made["ethertype"] == "IPv6" and made["protocol"] in ("icmp", "icmpv6"):
        made["protocol"] = "ipv6-icmp"
    elif made["ethertype"] == "IPv6" and made["protocol"] == str(ICMP):
        made["protocol"] = str(ICMPV6)
    if (made["port_range_min"], made["port_range_max"]) == (1, 65535):
        made["port_range_min"] = made["port_range_max"] = None
    _check_ports(made)
    _check_family(made)
    if rule["remote_ip_prefix"] and rule["remote_group_id"]:
        raise IpamError(
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            "SecurityGroupMultipleRemoteEntites",
        )
    return made


def key(rule: Rule) -> tuple[Any, ...]:
    """Equal for rules that say the same: everywhere is nowhere in particular, tcp is 6."""
    prefix, protocol = rule["remote_ip_prefix"], rule["protocol"]
    return (*(rule[name] for name in COMPARED), None if prefix in ANYWHERE else prefix, None if protocol is None else number(protocol))


def number(protocol: str) -> int:
    return int(protocol) if protocol.isdecimal() else PROTOCOLS[protocol]


def normalized(prefix: str | None) -> str | None:
    """The network of a prefix, without host bits."""
    return None if prefix is None else str(ipaddress.ip_network(prefix, strict=False))


def _ethertype(given: Any) -> str:
    for ethertype in ETHERTYPES:
        if isinstance(given, str) and given.lower() == ethertype.lower():
            return ethertype
    raise IpamError(
        f"Security group rule for ethertype '{given}' not supported. Allowed values are {list(ETHERTYPES)}.",
        "SecurityGroupRuleInvalidEtherType",
    )


def _protocol(given: Any) -> str | None:
    if given is None or given == "any":
        return None
    name = str(given).lower()
    if name in PROTOCOLS or (name.isdecimal() and int(name) <= 255):
        return name
    supported = (None, "any", *PROTOCOLS)
    raise IpamError(
        f"Security group rule protocol {given} not supported. Only protocol values {supported} and integer representations "
        "[0 to 255] are supported.",
        "SecurityGroupRuleInvalidProtocol",
    )


def _port(given: Any) -> int | None:
    if given is None:
        return None
    if (text := str(given)).isdecimal() and int(text) <= 65535:
        return int(text)
    raise IpamError(f"Invalid value for port {given}", "SecurityGroupInvalidPortValue")


def _prefix(given: str | None) -> str | None:
    if not given:
        return None
    try:
        return str(ipaddress.ip_interface(given))
    except ValueError as error:
        raise IpamError(f"Invalid CIDR {given} given as IP prefix.", "InvalidCIDR") from error


def _check_ports(rule: Rule) -> None:
    low, high = rule["port_range_min"], rule["port_range_max"]
    if low is None and high is None:
        return
    if rule["protocol"] is None:
        raise IpamError("Must also specify protocol if port range is given.", "SecurityGroupProtocolRequiredWithPorts")
    protocol = number(rule["protocol"])
    if protocol in WITH_PORTS.values():
        if 0 in (low, high):
            raise IpamError("Invalid value for port 0", "SecurityGroupInvalidPortValue")
        if low is None or high is None or low > high:
            raise IpamError("For TCP/UDP protocols, port_range_min must be <= port_range_max", "SecurityGroupInvalidPortRange")
    elif protocol in (ICMP, ICMPV6):
        _check_icmp(low, high)
    else:
        raise IpamError(
            f"Ports cannot be specified for protocol {protocol}. Ports are only supported for {', '.join(WITH_PORTS).upper()}.",
            "SecurityGroupInvalidProtocolForPort",
        )


def _check_icmp(type_: int | None, code: int | None) -> None:
    for field, attribute, value in (("type", "port_range_min", type_), ("code", "port_range_max", code)):
        if value is not None and value > 255:
            raise IpamError(f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.", "SecurityGroupInvalidIcmpValue")
    if type_ is None:
        raise IpamError(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.", "SecurityGroupMissingIcmpType"
        )


def _check_family(rule: Rule) -> None:
    prefix, ethertype = rule["remote_ip_prefix"], rule["ethertype"]
    if prefix and ethertype != f"IPv{ipaddress.ip_interface(prefix).version}":
        raise IpamError(f"Conflicting value ethertype {ethertype} for CIDR {prefix}", "SecurityGroupRuleParameterConflict")
    if rule["protocol"] is not None and ethertype == "IPv4" and number(rule["protocol"]) in IPV6_ONLY:
        raise IpamError(f"Invalid ethertype {ethertype} for protocol {rule['protocol']}.", "SecurityGroupEthertypeConflictWithProtocol")
