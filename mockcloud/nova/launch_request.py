"""What a client asks for when it launches servers: the body, read and checked as far as that needs nothing but the body."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mockcloud.http.errors import BadRequest
from mockcloud.nova.block_devices import Device, read_devices

TRUE = frozenset({"true", "1", "on", "yes"})


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """One interface asked for: on a network, or a port that exists."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@dataclass(slots=True)
class Place:
    """Where the client wants its servers. `host` and `node` are forced past the filters, `destination` is not."""

    zone: str | None = None
    host: str | None = None
    node: str | None = None
    destination: tuple[str | None, str | None] | None = None


@dataclass(slots=True)
class LaunchRequest:
    """`networks` is None where older versions leave it out; `devices` too when there is only an image."""

    server: Mapping[str, Any]  # the body as it came
    name: str
    description: str | None
    flavor_id: str
    image_id: str
    min_count: int
    max_count: int
    place: Place
    networks: list[NetworkRequest] | str | None
    devices: list[Device]
    hints: dict[str, Any]
    security_groups: list[str]
    files: list[tuple[str, str]]
    metadata: dict[str, str]
    tags: list[str]
    legacy_devices: bool = True

    @property
    def hostname(self) -> str | None:
        return self.server.get("hostname")

    @property
    def group_id(self) -> str | None:
        group = self.hints.get("group")
        return group[0] if isinstance(group, list) and group else group or None


def read_request(body: Mapping[str, Any], with_description: bool) -> LaunchRequest:
    """`with_description`: before 2.19 the description is the name."""
    server = body["server"]
    name = server["name"].strip()
    low, high = _counts(server)
    place = _place(server)
    legacy = not server.get("block_device_mapping_v2")
    devices = read_devices(server)
    image_id = server.get("imageRef") or ""
    if not image_id and not devices:
        raise BadRequest("Missing imageRef attribute")
    request = LaunchRequest(
        server=server,
        name=name,
        description=server.get("description") if with_description else name,
        flavor_id=str(server["flavorRef"]).rsplit("/", 1)[-1].partition("?")[0],
        image_id=image_id,
        min_count=low,
        max_count=high,
        place=place,
        networks=_networks(server.get("networks")),
        devices=devices,
        legacy_devices=legacy,
        hints=_hints(body),
        security_groups=sorted({group["name"] for group in server.get("security_groups") or () if group.get("name")}),
        files=[(file.get("path", ""), file.get("contents", "")) for file in server.get("personality") or ()],
        metadata=dict(server.get("metadata") or {}),
        tags=list(dict.fromkeys(server.get("tags") or ())),
    )
    _check_together(request)
    return request


def _counts(server: Mapping[str, Any]) -> tuple[int, int]:
    low = int(server.get("min_count", 1))
    high = int(server.get("max_count", low))
    if low > high:
        raise BadRequest("min_count must be <= max_count")
    return low, high


def _place(server: Mapping[str, Any]) -> Place:
    place = parse_zone(server.get("availability_zone"))
    wanted = (server.get("host"), server.get("hypervisor_hostname"))
    if any(wanted):
        if place.host or place.node:
            raise BadRequest(
                "One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive."
            )
        place.destination = wanted
    return place


def parse_zone(text: str | None) -> Place:
    """`zone`, `zone:host`, `zone:host:node` or `zone::node`."""
    zone, *names = (text or "").split(":")
    if len(names) > 2:
        raise BadRequest("Invalid input received: Unable to parse availability_zone")
    host, node = (*names, "", "")[:2]
    return Place(zone or None, host or None, node or None)


def _networks(asked: Any) -> list[NetworkRequest] | str | None:
    if asked is None or isinstance(asked, str):
        return asked
    made: list[NetworkRequest] = []
    for network in asked:
        port, address, tag = network.get("port"), network.get("fixed_ip"), network.get("tag")
        if port:
            if any(port == other.port_id for other in made):
                raise BadRequest(f"Port ID '{port}' was specified twice: you cannot attach a port multiple times.")
            if address is not None:
                raise BadRequest(f"Specified Fixed IP '{address}' cannot be used with port '{port}': the two cannot be specified together.")
            made.append(NetworkRequest(port_id=port, tag=tag))
            continue
        if "uuid" not in network:
            raise BadRequest("Bad network format: missing 'uuid'")
        if not _is_uuid(network["uuid"]):
            raise BadRequest(f"Bad networks format: network uuid is not in proper format ({network['uuid']})")
        made.append(NetworkRequest(network_id=network["uuid"], fixed_ip=address, tag=tag))
    return made


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32}", text.replace("-", "").lower()) is not None


def _hints(body: Mapping[str, Any]) -> dict[str, Any]:
    hints = body.get("os:scheduler_hints", body.get("OS-SCH-HNT:scheduler_hints", {}))
    return {name: value for name, value in hints.items() if not name.startswith("_nova")}


def _check_together(request: LaunchRequest) -> None:
    """What does not go with several servers, or with no image."""
    networks: Sequence[NetworkRequest] = request.networks if isinstance(request.networks, list) else ()
    if request.max_count > 1:
        if any(network.network_id and network.fixed_ip for network in networks):
            raise BadRequest("Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
        if any(network.port_id for network in networks):
            raise BadRequest(
                "Failed to launch instances: Unable to launch multiple instances with a single configured port ID. Please launch your"
                " instance one by one with different ports."
            )
        if request.hostname:
            raise BadRequest("Unable to allocate a single hostname to multiple instances")
    if request.server.get("trusted_image_certificates") and not request.image_id:
        raise BadRequest("Image certificate validation is not supported when booting from volume")


def check_user_data(text: str | None) -> None:
    """Like nova: what is no base64 character is passed over, wrong padding is not."""
    try:
        base64.b64decode((text or "").encode())
    except ValueError:
        raise BadRequest("User data needs to be valid base 64.") from None


def is_true(value: Any) -> bool:
    return str(value).lower() in TRUE


def guest_name(display_name: str) -> str:
    """A host name made of a server's name; empty when nothing of it can be used."""
    name = display_name.encode("latin-1", "ignore").decode("latin-1")[:63]
    return re.sub(r"[^\w.-]+", "", re.sub(r"[ _.]", "-", name)).lower().strip(".-")
