"""Provider attributes of networks, pure: what ML2's type drivers take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mockcloud.neutron.ipam import IpamError

TUNNELS = ("vxlan", "gre", "geneve")
MTU = {"vxlan": 1450, "gre": 1458, "geneve": 1442}  # of 1500, without the tunnel's own headers
MAX_TUNNEL_ID, MAX_VLAN_TAG = 2**24 - 1, 4094
DEFAULT_TYPE, DEFAULT_MTU = "vxlan", 1500

Segment = Mapping[str, Any]  # network_type, physical_network, segmentation_id


def check(segment: Segment) -> None:
    """Raises IpamError for what no driver would serve."""
    kind, physical, number = segment["network_type"], segment["physical_network"], segment["segmentation_id"]
    if kind is None:
        if physical is not None or number is not None:
            raise IpamError("network_type required")
    elif kind == "flat":
        if physical is None:
            raise IpamError("physical_network required for flat provider network")
        if number is not None:
            raise IpamError("segmentation_id prohibited for flat provider network")
    elif kind == "vlan":
        _check_vlan(physical, number)
    elif kind == "local":
        if physical is not None or number is not None:
            raise IpamError(f"{'physical_network' if physical else 'segmentation_id'} prohibited for local provider network")
    elif physical is not None:
        raise IpamError(f"provider:physical_network specified for {kind} network")


def _check_vlan(physical: str | None, number: int | None) -> None:
    if number is None:
        return
    if physical is None:
        raise IpamError("segmentation_id requires physical_network for VLAN provider network")
    if not 1 <= number <= MAX_VLAN_TAG:
        raise IpamError(f"segmentation_id out of range (1 through {MAX_VLAN_TAG})")


def number_for(segment: Segment, used: Iterable[int]) -> int | None:
    """The segmentation id: the one asked for if it is free, else the lowest free one. `used`: those of the same kind and place."""
    kind, number, taken = segment["network_type"], segment["segmentation_id"], set(used)
    if kind not in (*TUNNELS, "vlan"):
        return None
    if number is None:
        last = MAX_VLAN_TAG if kind == "vlan" else MAX_TUNNEL_ID
        number = next((n for n in range(1, last + 1) if n not in taken), None)
        if number is None:
            message = "Unable to create the network. No project network is available for allocation."
            raise IpamError(message, "NoNetworkAvailable", 503)
        return number
    if number in taken and kind == "vlan":
        raise IpamError(
            f"Unable to create the network. The VLAN {number} on physical network {segment['physical_network']} is in use.",
            "VlanIdInUse",
            409,
        )
    if number in taken:
        raise IpamError(f"Unable to create the network. The tunnel ID {number} is in use.", "TunnelIdInUse", 409)
    return int(number)


def mtu_for(kind: str) -> int:
    return MTU.get(kind, DEFAULT_MTU)
