"""Launches that checks of several steps read: made once a run, each with what was seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from conformance.client import Person
from conformance.cloud import Cloud
from conformance.launch import Launch
from conformance.mishaps import volumes_for
from conformance.registry import NotObservable, Unsupported
from conformance.situations import other_quota

CROWD, CROWD_ELSEWHERE = 20, 6  # servers at once: a real cloud is slow, and its quota small
AT_ONCE = 10


# from a volume


@dataclass(frozen=True)
class FromVolume:
    """`volume` is cinder's view when the server was ACTIVE."""

    launch: Launch
    image: str
    size: int
    volume: dict[str, Any]


def from_volume(cloud: Cloud) -> FromVolume:
    """A server whose root disk is a new volume made of an image, which goes with it."""
    if not cloud.has_volumes:
        raise Unsupported("the catalog has no volume service")
    return cloud.once("from volume", lambda: _from_volume(cloud))


def _from_volume(cloud: Cloud) -> FromVolume:
    image = cloud.image()
    size = max(1, image.get("min_disk") or 0)
    root = {"uuid": image["id"], "source_type": "image", "destination_type": "volume", "volume_size": size, "boot_index": 0,
            "delete_on_termination": True}  # fmt: skip
    launch = cloud.launcher.launch(name="from-volume", imageRef=None, block_device_mapping_v2=[root])
    attached = launch.final.get("os-extended-volumes:volumes_attached") or []
    shown = cloud.member.get("volume", f"/volumes/{attached[0]['id']}") if attached else None
    return FromVolume(launch, image["id"], size, (shown.body or {}).get("volume", {}) if shown else {})


# many at once


@dataclass(frozen=True)
class Crowd:
    """Servers launched at the same time, and gone since: `own` by the member in one network, `others` by a stranger in another."""

    own: list[Launch]
    others: list[Launch]


def crowd(cloud: Cloud) -> Crowd:
    return cloud.once("mixed crowd", lambda: _crowd(cloud))


def _crowd(cloud: Cloud) -> Crowd:
    most = CROWD if cloud.is_mock else CROWD_ELSEWHERE
    with _quota_for(cloud, most):
        count = min(most, _room(cloud))
        if count < 2:
            raise NotObservable("the project's quota has no room for two more servers")
        wanted = _mixed(cloud, count)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            launches = list(pool.map(lambda who: cloud.launcher.launch(person=who[0], name="crowd", **who[1]), wanted))
            if not cloud.options.keep:
                list(pool.map(cloud.launcher.gone, launches))
        _delete_volumes(cloud, {volume_id for launch in launches for volume_id in launch.volumes})
    return Crowd(launches[:count], launches[count:])


def _mixed(cloud: Cloud, count: int) -> list[tuple[Person, dict[str, Any]]]:
    """Whose launches, and what they ask for: every fourth a volume, every fourth an image of the project's own."""
    image = cloud.resources.image(cloud.member)
    wanted: list[tuple[Person, dict[str, Any]]] = []
    for number in range(count):
        options: dict[str, Any] = {"volumes": volumes_for(cloud)} if number % 4 == 0 else {"imageRef": image} if number % 4 == 1 else {}
        wanted.append((cloud.member, options))
    if "stranger" in cloud.people:
        network = cloud.resources.network(cloud.stranger)
        wanted += [(cloud.stranger, {"networks": [{"uuid": network}]})] * (2 if cloud.is_mock else 1)
    return wanted


def _delete_volumes(cloud: Cloud, volume_ids: set[str]) -> None:
    """Their quota is small, and others need it."""
    for made in [made for made in cloud.resources.made if made.path.removeprefix("/volumes/") in volume_ids and not cloud.options.keep]:
        cloud.resources.delete(made)


@contextmanager
def _quota_for(cloud: Cloud, servers: int) -> Iterator[None]:
    """An admin makes room for so many more servers, for a while; without one there is what there is."""
    if "admin" not in cloud.people or _room(cloud) >= servers:
        yield
        return
    shown = cloud.admin.get("compute", f"/os-quota-sets/{cloud.member.project_id}").body["quota_set"]
    flavor = cloud.flavor()
    each = {"instances": 1, "cores": flavor["vcpus"], "ram": flavor["ram"]}
    more = {name: shown[name] if shown[name] < 0 else shown[name] + servers * of_one for name, of_one in each.items()}
    with other_quota(cloud.admin, "compute", cloud.member.project_id, more):
        yield


def _room(cloud: Cloud) -> int:
    """For how many more servers of the smallest flavor the project's quota has room."""
    shown = cloud.member.get("compute", "/limits")
    limits = (shown.body or {}).get("limits", {}).get("absolute", {})
    flavor = cloud.flavor()
    rooms = [CROWD]
    for most, used, each in (
        ("maxTotalInstances", "totalInstancesUsed", 1),
        ("maxTotalCores", "totalCoresUsed", flavor["vcpus"]),
        ("maxTotalRAMSize", "totalRAMUsed", flavor["ram"]),
    ):
        if limits.get(most, -1) >= 0:
            rooms.append((limits[most] - limits.get(used, 0)) // each)
    return min(rooms)
