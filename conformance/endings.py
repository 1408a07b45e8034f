"""What must be true of a launch when it is over: of a server that runs, and of what one that failed may leave behind."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.launch import Launch
from conformance.registry import Broken, require

Json = dict[str, Any]
ALLOCATIONS = "1.28"  # from here on placement tells the consumer's generation, too
FREED_WITHIN, FREED_WITHIN_BY_THE_MOCK = 60.0, 10.0  # seconds after a failure or a deletion


def eventually(look: Callable[[], Exchange], holds: Callable[[Exchange], object], seconds: float = FREED_WITHIN) -> Exchange:
    """The first answer of which it holds, else the last one: the caller judges it."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while True:
        shown = look()
        if holds(shown) or time.monotonic() > deadline:
            return shown
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


# a launch that failed


def must_fail(launch: Launch) -> None:
    """Refused, or ERROR with a fault that says why; never ACTIVE, never BUILD for ever."""
    if not launch.server_id:
        require(launch.boot.status in (400, 403, 409), "a refusal or ERROR", launch.boot, launch.boot.fact)
        return
    last = launch.views[-1:]
    require(launch.status == "ERROR", "the server goes to ERROR", launch.status or "no server", launch.boot.fact, *last)
    fault = launch.final.get("fault") or {}
    require(fault.get("message"), "a fault that says why", fault or "none", *last)


def must_leave_nothing(cloud: Cloud, launch: Launch, given_ports: tuple[str, ...] = ()) -> None:
    """No port, no attachment, no allocation of a server that failed; ports given to it are free again."""
    if launch.server_id:
        _no_port(launch, given_ports)
        _no_allocation(cloud, launch)
    for volume in launch.volumes:
        volume_is_free(cloud, volume)
    for port in given_ports:
        port_is_free(cloud, port)


def _no_port(launch: Launch, given: tuple[str, ...]) -> None:
    def left(shown: Exchange) -> list[str]:
        return [port["id"] for port in (shown.body or {}).get("ports", []) if port["id"] not in given]

    shown = eventually(
        lambda: launch.person.get("network", "/ports", params={"device_id": launch.server_id}),
        lambda s: not left(s),
        freed_within(launch.cloud),
    )
    require(not left(shown), "no port of the server is left", f"{len(left(shown))} port(s): {', '.join(left(shown))}", shown.fact)


def _no_allocation(cloud: Cloud, launch: Launch) -> None:
    """As far as an admin can look."""
    if "admin" not in cloud.people or not cloud.admin.has("placement"):
        return
    shown = eventually(lambda: shown_allocations(cloud, launch.server_id), lambda s: not allocated(s), freed_within(cloud))
    require(not allocated(shown), "no allocation of the server is left", allocated(shown), shown.fact)


def allocations(cloud: Cloud, server_id: str) -> Json:
    """What placement has for a server, by resource provider; an admin is shown it."""
    return allocated(shown_allocations(cloud, server_id))


def shown_allocations(cloud: Cloud, server_id: str) -> Exchange:
    return cloud.admin.get("placement", f"/allocations/{server_id}", version=ALLOCATIONS)


def allocated(shown: Exchange) -> Json:
    """Raises Broken where placement did not answer: that is no proof that there is nothing."""
    if shown.status != 200:
        raise Broken(f"placement does not show the allocations: {shown}")
    return dict(shown.body["allocations"])


def freed_within(cloud: Cloud) -> float:
    return FREED_WITHIN_BY_THE_MOCK if cloud.is_mock else FREED_WITHIN


def volume_is_free(cloud: Cloud, volume_id: str) -> None:
    def free(shown: Exchange) -> bool:
        volume: Mapping[str, Any] = (shown.body or {}).get("volume", {})
        return volume.get("status") == "available" and not volume.get("attachments")

    shown = eventually(lambda: cloud.member.get("volume", f"/volumes/{volume_id}"), free, freed_within(cloud))
    volume = (shown.body or {}).get("volume", {})
    was = f"{volume.get('status')} with {len(volume.get('attachments') or [])} attachment(s)"
    require(free(shown), "the volume is available again, without an attachment", was, shown.fact)


def port_is_free(cloud: Cloud, port_id: str) -> None:
    """It is still there, and nobody's."""

    def free(shown: Exchange) -> bool:
        return shown.status == 200 and not shown.body["port"]["device_id"]

    shown = eventually(lambda: cloud.member.get("network", f"/ports/{port_id}"), free, freed_within(cloud))
    require(shown.status == 200, "the port that was there before is still there", shown, shown.fact)
    require(not shown.body["port"]["device_id"], "it belongs to no device", shown.body["port"]["device_id"], shown.fact)


# a server that runs


def addresses(launch: Launch) -> list[Json]:
    """What the server shows, floating ones left out."""
    shown: Mapping[str, list[Json]] = launch.final.get("addresses") or {}
    return [
        {"network": name, **address} for name, of in shown.items() for address in of if address.get("OS-EXT-IPS:type", "fixed") == "fixed"
    ]


def fixed(port: Json) -> list[str]:
    return [str(ip["ip_address"]) for ip in port["fixed_ips"]]


def must_show_its_ports(launch: Launch) -> None:
    """Exactly the addresses of its ports, each under its network's name."""
    names: dict[str, str] = {}
    for network_id in {port["network_id"] for port in launch.ports}:
        names[network_id] = str(launch.person.get("network", f"/networks/{network_id}").body["network"]["name"])
    wanted = sorted(
        (names[port["network_id"]], address, ipaddress.ip_address(address).version, port["mac_address"])
        for port in launch.ports
        for address in fixed(port)
    )
    shown = sorted((a["network"], a["addr"], a["version"], a.get("OS-EXT-IPS-MAC:mac_addr")) for a in addresses(launch))
    require(wanted and shown == wanted, f"addresses {wanted}", shown, *launch.views[-1:])


def must_be_attached(launch: Launch, volume: Json) -> None:
    """Cinder's view of the volume: in use, by this server and no other."""
    servers = [one["server_id"] for one in volume.get("attachments") or ()]
    was = f"{volume.get('status')}, attached to {servers or 'nothing'}"
    good = volume.get("status") == "in-use" and servers == [launch.server_id]
    require(good, f"in-use, attached to {launch.server_id} alone", was, *launch.views[-1:])


def must_follow(seen: Sequence[Any], order: Sequence[Any], what: str, launch: Launch) -> None:
    """A poller may miss states; none comes twice in a row, and none before another that comes earlier in `order`."""
    left = iter(order)
    kept = [state for number, state in enumerate(seen) if not number or state != seen[number - 1]]
    require(all(state in left for state in kept), f"{what} in the order {list(order)}", kept, *launch.views)
